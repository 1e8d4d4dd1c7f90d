"""GroupNorm as a Keras 3 layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import ArgumentError

keras = load_keras("The Keras form of GroupNorm")
ops = keras.ops


@keras.saving.register_keras_serializable(package="mltoolkit")
class GroupNorm(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """Normalizes (N, H, W, C) over groups of channels together with H and W, then scales and shifts each channel.

    Args:
        num_groups: how many groups; C is a multiple of it.
        epsilon: added to the variance.
    """

    def __init__(self, num_groups: int, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_groups = int(num_groups)
        self.epsilon = float(epsilon)

    def build(self, input_shape: Any) -> None:
        """Make scale and shift."""
        channels = input_shape[-1]
        if channels % self.num_groups:
            raise ArgumentError(f"{channels} channels are not a multiple of the {self.num_groups} groups")
        self.scale = self.add_weight(shape=(channels,), initializer="ones", name="scale")
        self.shift = self.add_weight(shape=(channels,), initializer="zeros", name="shift")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Normalize."""
        height, width, channels = inputs.shape[1:]
        each = channels // self.num_groups
        grouped = ops.reshape(inputs, (-1, height * width, self.num_groups, each))
        centred = grouped - ops.mean(grouped, axis=(1, 3), keepdims=True)
        variance = ops.mean(centred * centred, axis=(1, 3), keepdims=True)
        normal = centred / ops.sqrt(variance + self.epsilon)
        return ops.reshape(normal, (-1, height, width, channels)) * self.scale + self.shift

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {"num_groups": self.num_groups, "epsilon": self.epsilon}


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> GroupNorm:
    """The Keras layer that computes what a custom layer's object does."""
    made = GroupNorm(int(layer.parameters["num_groups"]), float(layer.parameters.get("epsilon", 1e-5)))
    made.build(inputs[0].shape)
    if layer.weights:
        made.set_weights(layer.weights)
    return made
