"""PixelShuffle as a Keras 3 layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import ArgumentError

keras = load_keras("The Keras form of PixelShuffle")
ops = keras.ops


@keras.saving.register_keras_serializable(package="mltoolkit")
class PixelShuffle(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """(N, H, W, C·r²) to (N, H·r, W·r, C); channel c·r² + i·r + j fills the places (i, j) of every r × r block.

    Args:
        upscale_factor: r.
    """

    def __init__(self, upscale_factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.upscale_factor = int(upscale_factor)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """(N, H·r, W·r, C)."""
        batch, height, width, channels = input_shape
        r = self.upscale_factor
        if channels % r**2:
            raise ArgumentError(f"{channels} channels are not a multiple of {r}²")
        return (batch, height and height * r, width and width * r, channels // r**2)

    def call(self, inputs: Any) -> Any:
        """Move the elements."""
        _, height, width, channels = self.compute_output_shape(inputs.shape)
        r = self.upscale_factor
        blocks = ops.reshape(inputs, (-1, height // r, width // r, channels, r, r))
        return ops.reshape(ops.transpose(blocks, (0, 1, 4, 2, 5, 3)), (-1, height, width, channels))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {"upscale_factor": self.upscale_factor}


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> PixelShuffle:
    """The Keras layer that computes what a custom layer's object does."""
    return PixelShuffle(int(layer.parameters["upscale_factor"]))
