"""Convolutions as matrix products: a position is one window, its inputs what the window sees of a group's channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.statistics import Columns

Array = NDArray[Any]
_Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Window:
    """Attributes that Conv and ConvTranspose share, one entry a spatial axis.

    Attributes:
        kernel: taps.
        strides: steps.
        dilations: distances of the taps.
        pads: (before, after).
        extensions: ``output_padding`` of a ConvTranspose.
        groups: how many parts the channels fall into.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    extensions: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, node: ir.Node, kernel: Sequence[int]) -> Window:
        """The attributes of a node whose weights have these taps."""
        axes = len(kernel)
        pads = _ints(node, "pads", [0] * 2 * axes)
        return cls(
            tuple(kernel),
            _ints(node, "strides", [1] * axes),
            _ints(node, "dilations", [1] * axes),
            tuple(zip(pads[:axes], pads[axes:], strict=True)),
            _ints(node, "output_padding", [0] * axes),
            node.attributes.get_int("group", 1) or 1,
        )

    @property
    def taps(self) -> int:
        """How many taps a window has."""
        return math.prod(self.kernel)


def _ints(node: ir.Node, name: str, default: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in node.attributes.get_ints(name, default) or default)


@dataclass(frozen=True)
class Convolution:
    """The weights of a Conv, (C_out, C_in / groups, \\*kernel)."""

    window: Window
    shape: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Products side by side."""
        return self.window.groups

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        return math.prod(self.shape[1:])

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape can be added to the result."""
        return (self.shape[0], *[1] * len(self.window.kernel))

    def matrix(self, weights: Array) -> Array:
        """(groups, C_out / groups, C_in / groups · taps)."""
        return weights.reshape(self.groups, self.shape[0] // self.groups, self.inputs)

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        return matrix.reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """The batch times the output's size."""
        return math.prod((arrays[0].shape[0], *self._output(arrays[0])))

    def _output(self, x: Array) -> tuple[int, ...]:
        window = self.window
        return tuple(
            (size + before + after - dilation * (taps - 1) - 1) // stride + 1
            for size, (before, after), dilation, taps, stride in zip(
                x.shape[2:], window.pads, window.dilations, window.kernel, window.strides, strict=True
            )
        )

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """What the windows at the chosen positions see, (groups, inputs, positions)."""
        x, window = arrays[0], self.window
        batch, *places = np.unravel_index(chosen, (x.shape[0], *self._output(x)))
        seen = []
        for axis, (stride, dilation, taps) in enumerate(
            zip(window.strides, window.dilations, window.kernel, strict=True)
        ):
            first = places[axis] * stride - window.pads[axis][0]
            seen.append(first + np.arange(taps)[:, None] * dilation)
        inside = [(index >= 0) & (index < size) for index, size in zip(seen, x.shape[2:], strict=True)]
        return _gather(x, batch, seen, inside, window.groups)


@dataclass(frozen=True)
class TransposedConvolution:
    """The weights of a ConvTranspose, (C_in, C_out / groups, \\*kernel).

    A position is an element of the output; tap k of it sees the input at (position + pad − k · dilation) / stride
    where that is a whole number, and 0 elsewhere.
    """

    window: Window
    shape: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Products side by side."""
        return self.window.groups

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        return self.shape[0] // self.groups * self.window.taps

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape can be added to the result."""
        return (self.groups * self.shape[1], *[1] * len(self.window.kernel))

    def matrix(self, weights: Array) -> Array:
        """(groups, C_out / groups, C_in / groups · taps)."""
        parts = weights.reshape(self.groups, self.shape[0] // self.groups, self.shape[1], self.window.taps)
        return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(self.groups, self.shape[1], self.inputs)

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        parts = matrix.reshape(self.groups, self.shape[1], self.shape[0] // self.groups, self.window.taps)
        return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """The batch times the output's size."""
        return math.prod((arrays[0].shape[0], *self._output(arrays[0])))

    def _output(self, x: Array) -> tuple[int, ...]:
        window = self.window
        return tuple(
            stride * (size - 1) + extension + dilation * (taps - 1) + 1 - before - after
            for size, stride, extension, dilation, taps, (before, after) in zip(
                x.shape[2:],
                window.strides,
                window.extensions,
                window.dilations,
                window.kernel,
                window.pads,
                strict=True,
            )
        )

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """What the output elements at the chosen positions are made of, (groups, inputs, positions)."""
        x, window = arrays[0], self.window
        batch, *places = np.unravel_index(chosen, (x.shape[0], *self._output(x)))
        seen, inside = [], []
        for axis, (stride, dilation, taps) in enumerate(
            zip(window.strides, window.dilations, window.kernel, strict=True)
        ):
            spread = places[axis] + window.pads[axis][0] - np.arange(taps)[:, None] * dilation
            seen.append(spread // stride)
            inside.append((spread % stride == 0) & (spread >= 0) & (spread // stride < x.shape[2 + axis]))
        return _gather(x, batch, seen, inside, window.groups)


def _gather(x: Array, batch: _Indices, seen: Sequence[Array], inside: Sequence[Array], groups: int) -> Columns:
    """Elements of (N, C, \\*sizes) at the outer product over taps of indices (taps, positions) for each axis."""
    samples, channels, *sizes = x.shape
    count = batch.size
    flat: Array = np.zeros((1, count), dtype=np.intp)
    valid: Array = np.ones((1, count), dtype=bool)
    for index, allowed, size in zip(seen, inside, sizes, strict=True):
        flat = (flat[:, None] * size + index[None]).reshape(-1, count)
        valid = (valid[:, None] & allowed[None]).reshape(-1, count)
    elements = math.prod(sizes)
    by_channel = x.reshape(samples, channels, elements)
    if samples > 1:
        by_channel = by_channel.transpose(1, 0, 2)
        flat += batch * elements
    taken = np.take(by_channel.reshape(channels, samples * elements), flat, axis=1, mode="clip")
    if not valid.all():
        taken[:, ~valid] = 0
    return taken.reshape(groups, -1, count)
