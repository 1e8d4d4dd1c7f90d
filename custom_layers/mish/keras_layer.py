"""Mish as a Keras 3 layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer

keras = load_keras("The Keras form of Mish")


@keras.saving.register_keras_serializable(package="mltoolkit")
class Mish(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """x · tanh(softplus(x))."""

    def call(self, inputs: Any) -> Any:
        """The activation."""
        return inputs * keras.ops.tanh(keras.ops.softplus(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> Mish:
    """The Keras layer that computes what a custom layer's object does."""
    return Mish()
