"""The custom layers GridSampler (picture and affine map) and GridSampleLayer (picture and grid)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.grid_sampler.bilinear import sample_border, sample_zeros
from mltoolkit.custom_layers.grid_sampler.coordinates import affine_coordinates, reflect, to_pixels
from mltoolkit.custom_layers.grid_sampler.stn_keras import sample_stn_keras
from mltoolkit.custom_layers.parameters import size_parameter
from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.errors import ArgumentError, did_you_mean

PADDING_MODES = ("zeros", "border", "reflection")
CONVENTIONS = ("", "stn_keras")
# Outputs computed at once: their temporary arrays stay so small that the allocator keeps their memory between calls
# (fresh pages cost three times the arithmetic).
_POINTS = 12_000


def sample(
    images: NDArray[np.floating],
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    *,
    align_corners: bool = True,
    padding_mode: str = "zeros",
) -> NDArray[np.floating]:
    """Bilinear values of pictures (N, C, H, W) at positions in −1..1, (N, h, w) each, as (N, C, h, w).

    Equals ONNX ``GridSample`` (linear) and torch's ``grid_sample``; NaN positions give 0.
    """
    height, width = images.shape[2:]
    x = to_pixels(x, width, align_corners=align_corners)
    y = to_pixels(y, height, align_corners=align_corners)
    if padding_mode == "zeros":
        return sample_zeros(images, x, y)
    if padding_mode == "reflection":
        x = reflect(x, width, align_corners=align_corners)
        y = reflect(y, height, align_corners=align_corners)
    return sample_border(images, x, y)


class _Sampler(CustomLayer):
    """The parameters that both layers share."""

    def __init__(self, parameters: dict[str, float | int | str | bool], weights: Sequence[NDArray[np.generic]]) -> None:
        super().__init__(parameters, weights)
        self.align_corners = bool(self.parameters.get("align_corners", True))
        self.padding_mode = str(self.parameters.get("padding_mode", "zeros"))
        if self.padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"padding_mode of {self.class_name} is {self.padding_mode!r}",
                fix=did_you_mean(self.padding_mode, PADDING_MODES),
            )


class GridSampler(_Sampler):
    """Samples a picture through an affine map: inputs picture [.., C, H, W] and theta of 6 numbers a picture.

    Parameters: ``output_height``, ``output_width``; optionally ``align_corners`` (true), ``padding_mode`` (zeros,
    border, reflection), ``convention`` ("" or stn_keras, see stn_keras.py).
    """

    class_name = "GridSampler"
    description = "samples a picture through an affine map"

    def __init__(self, parameters: dict[str, float | int | str | bool], weights: Sequence[NDArray[np.generic]]) -> None:
        super().__init__(parameters, weights)
        self.height, self.width = (size_parameter(self, name) for name in ("output_height", "output_width"))
        self.convention = str(self.parameters.get("convention", ""))
        if self.convention not in CONVENTIONS:
            raise ArgumentError(
                f"convention of GridSampler is {self.convention!r}", fix=did_you_mean(self.convention, CONVENTIONS)
            )

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """[.., C, output_height, output_width]."""
        return [(*input_shapes[0][:-2], self.height, self.width)]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Sample; the leading axes of the picture are its batch."""
        images, theta = inputs
        flat = images.reshape(-1, *images.shape[-3:])
        theta = theta.reshape(-1, 6)
        if len(theta) != len(flat):
            raise ArgumentError(f"GridSampler has {len(flat)} pictures but {len(theta)} maps of 6 numbers")
        result = np.empty((*flat.shape[:2], self.height, self.width), flat.dtype)
        step = max(1, _POINTS // (self.height * self.width))
        for first in range(0, len(flat), step):
            part = slice(first, first + step)
            x, y = affine_coordinates(theta[part], self.height, self.width, align_corners=self.align_corners)
            if self.convention == "stn_keras":
                result[part] = sample_stn_keras(flat[part], x, y)
            else:
                result[part] = sample(
                    flat[part], x, y, align_corners=self.align_corners, padding_mode=self.padding_mode
                )
        return [result.reshape(*images.shape[:-2], self.height, self.width)]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Ranks 3 to 5, sizes of 1, several pictures; theta as a dense layer gives it."""
        return [
            [(1, 5, 4), (6, 1, 1)],
            [(2, 3, 6, 7), (2, 6, 1, 1)],
            [(1, 1, 5, 1, 9), (1, 1, 6, 1, 1)],
            [(1, 3, 8, 4, 1), (1, 3, 6, 1, 1)],
        ]


class GridSampleLayer(_Sampler):
    """Samples a picture [.., C, H, W] at a grid [.., 2, h, w] of (x, y) in −1..1.

    The published grid_sample example has this class name and no parameters; ``align_corners`` and ``padding_mode`` may
    be given as for GridSampler.
    """

    class_name = "GridSampleLayer"
    description = "samples a picture at a grid"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """[.., C, h, w]."""
        images, grid = input_shapes
        return [(*images[:-2], *grid[-2:])]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Sample; the leading axes are the batch."""
        images, grid = inputs
        flat = images.reshape(-1, *images.shape[-3:])
        x, y = grid.reshape(-1, 2, *grid.shape[-2:]).transpose(1, 0, 2, 3)
        result = sample(flat, x, y, align_corners=self.align_corners, padding_mode=self.padding_mode)
        return [result.reshape(*images.shape[:-2], *grid.shape[-2:])]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Ranks 3 to 5, sizes of 1, several pictures."""
        return [
            [(1, 5, 4), (2, 3, 3)],
            [(2, 3, 6, 7), (2, 2, 4, 5)],
            [(1, 2, 5, 1, 9), (1, 2, 2, 1, 6)],
        ]

    def fits_textures(self, input_shapes: Sequence[Shape]) -> bool:
        """It has no kernel."""
        return False
