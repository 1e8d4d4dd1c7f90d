"""GridSampler as a Keras 3 layer, for any backend; gradients reach the picture and the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mltoolkit.custom_layers.grid_sampler.coordinates import base_axis
from mltoolkit.custom_layers.grid_sampler.layer import CONVENTIONS, PADDING_MODES
from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import ArgumentError, did_you_mean

keras = load_keras("The Keras form of GridSampler")
ops = keras.ops


@keras.saving.register_keras_serializable(package="mltoolkit")
class GridSampler(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """Samples pictures through affine maps: inputs [pictures (N, H, W, C), theta (N, 6)], output (N, h, w, C).

    Args:
        output_height: h.
        output_width: w.
        align_corners: −1 and 1 are the centres of the outermost elements, else their outer edges.
        padding_mode: what lies outside the picture: ``zeros``, ``border`` or ``reflection``.
        convention: "" or ``stn_keras``, see stn_keras.py.
    """

    # Reason and closest form, read by converters/keras: the call is not converted operation by operation.
    not_followed = (
        "Core ML has no such layer, and the gathers that its call is made of are no sampler on a device",
        "the custom layer GridSampler, or AffineGrid and GridSample made with layer.builder",
    )

    def __init__(
        self,
        output_height: int,
        output_width: int,
        align_corners: bool = True,
        padding_mode: str = "zeros",
        convention: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("padding_mode", padding_mode, PADDING_MODES),
            ("convention", convention, CONVENTIONS),
        ):
            if value not in choices:
                raise ArgumentError(f"{name} of GridSampler is {value!r}", fix=did_you_mean(value, choices))
        self.output_height = int(output_height)
        self.output_width = int(output_width)
        self.align_corners = bool(align_corners)
        self.padding_mode = padding_mode
        self.convention = convention

    def get_config(self) -> dict[str, Any]:
        """The arguments; a conversion stores them as the custom layer's parameters."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "output_height": self.output_height,
            "output_width": self.output_width,
            "align_corners": self.align_corners,
            "padding_mode": self.padding_mode,
            "convention": self.convention,
        }

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """(N, h, w, C)."""
        picture = input_shape[0]
        return (picture[0], self.output_height, self.output_width, picture[-1])

    def call(self, inputs: Any) -> Any:
        """Sample."""
        pictures, theta = inputs
        height, width, channels = pictures.shape[1:]
        dtype = keras.backend.standardize_dtype(pictures.dtype)
        u, v = (
            ops.convert_to_tensor(base_axis(size, align_corners=self.align_corners, dtype=np.float64), dtype=dtype)
            for size in (self.output_width, self.output_height)
        )
        u, v = ops.reshape(u, (1, 1, -1)), ops.reshape(v, (1, -1, 1))
        t = [ops.reshape(theta[:, index], (-1, 1, 1)) for index in range(6)]
        x = t[0] * u + t[1] * v + t[2]
        y = t[3] * u + t[4] * v + t[5]
        left, right, left_share, right_share = self._corners(x, width, dtype)
        top, bottom, top_share, bottom_share = self._corners(y, height, dtype)
        # Every picture's elements lie one after the other, so that one index finds a corner.
        elements = ops.reshape(pictures, (-1, channels))
        first = ops.reshape(ops.arange(ops.shape(pictures)[0], dtype="int32") * (height * width), (-1, 1, 1))

        def corner(row: Any, column: Any) -> Any:
            return ops.take(elements, first + row * width + column, axis=0)

        def mixed(row: Any) -> Any:
            return corner(row, left) * left_share[..., None] + corner(row, right) * right_share[..., None]

        return mixed(top) * top_share[..., None] + mixed(bottom) * bottom_share[..., None]

    def _corners(self, normalized: Any, size: int, dtype: str) -> tuple[Any, Any, Any, Any]:
        """The two elements beside each position, inside the picture, and their shares."""
        if self.convention == "stn_keras":
            position = ops.clip(0.5 * (normalized + 1) * size, -1e9, 1e9)
            # Conversion to integers truncates toward zero.
            low = ops.cast(position, "int32")
            low, high = ops.clip(low, 0, size - 1), ops.clip(low + 1, 0, size - 1)
            return low, high, ops.cast(high, dtype) - position, position - ops.cast(low, dtype)
        pixel = (normalized + 1) * (0.5 * (size - 1)) if self.align_corners else ((normalized + 1) * size - 1) * 0.5
        if self.padding_mode == "reflection":
            pixel = self._reflected(pixel, size)
        outside = self.padding_mode == "zeros"
        # Far positions are moved onto the zeros beside the picture, or onto its border.
        pixel = ops.clip(pixel, -1, size) if outside else ops.clip(pixel, 0, size - 1)
        below = ops.floor(pixel)
        share = pixel - below
        low = ops.cast(below, "int32")
        high = low + 1
        low_share, high_share = 1 - share, share
        if outside:
            low_share = ops.where((low >= 0) & (low < size), low_share, ops.zeros_like(low_share))
            high_share = ops.where((high >= 0) & (high < size), high_share, ops.zeros_like(high_share))
        return ops.clip(low, 0, size - 1), ops.clip(high, 0, size - 1), low_share, high_share

    def _reflected(self, pixel: Any, size: int) -> Any:
        low, span = (0.0, size - 1.0) if self.align_corners else (-0.5, float(size))
        if span <= 0:
            return ops.zeros_like(pixel)
        turns = ops.floor((pixel - low) / (2 * span))
        folded = (pixel - low) - turns * (2 * span)
        # The smaller of folded and 2 · span − folded.
        return span - ops.abs(folded - span) + low


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> GridSampler:
    """The Keras layer that computes what a custom layer's object does."""
    names = ("output_height", "output_width", "align_corners", "padding_mode", "convention")
    arguments: dict[str, Any] = {name: layer.parameters[name] for name in names if name in layer.parameters}
    return GridSampler(**arguments)
