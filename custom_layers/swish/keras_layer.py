"""Swish as a Keras 3 layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer

keras = load_keras("The Keras form of Swish")


@keras.saving.register_keras_serializable(package="mltoolkit")
class Swish(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """x · σ(βx).

    Args:
        beta: β, or where it starts.
        learn_beta: β is a trainable weight of one number.
    """

    def __init__(self, beta: float = 1.0, learn_beta: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = float(beta)
        self.learn_beta = bool(learn_beta)

    def build(self, input_shape: Any) -> None:
        """Make β a weight where it is learned."""
        if self.learn_beta:
            start = keras.initializers.Constant(self.beta)
            self.learned = self.add_weight(shape=(1,), initializer=start, name="beta")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """The activation."""
        beta = self.learned if self.learn_beta else self.beta
        return inputs * keras.ops.sigmoid(beta * inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {"beta": self.beta, "learn_beta": self.learn_beta}


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> Swish:
    """The Keras layer that computes what a custom layer's object does."""
    learned = float(layer.weights[0].reshape(-1)[0]) if layer.weights else 1.0
    return Swish(beta=float(layer.parameters.get("beta", learned)))
