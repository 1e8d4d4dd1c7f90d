"""Windows that slide over depth, height and width, for convolution and pooling in three dimensions.

Source: NeuralNetwork.proto, messages Convolution3DLayerParams and Pooling3DLayerParams, which share the names
of these fields. Borders are kept per axis, in the order (depth, height, width), each as (start, end).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.converters.neural_network.windows import split_amount
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

AXES = ("Depth", "Height", "Width")
NO_BORDERS = ((0, 0),) * 3
_SIDES = (("Front", "Back"), ("Top", "Bottom"), ("Left", "Right"))
# Convolution3DLayerParams.PaddingType and Pooling3DLayerParams.Pooling3DPaddingType
CUSTOM, VALID, SAME = 0, 1, 2

Borders3D = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window3D:
    """Sizes of a window; each field is (depth, height, width)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...] = (1, 1, 1)

    @property
    def extent(self) -> tuple[int, ...]:
        """Elements from the window's first to its last tap, both included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def read_triple(context: LayerContext, name: str) -> tuple[int, ...]:
    """The positive numbers ``{name}Depth``, ``{name}Height`` and ``{name}Width`` of the layer.

    Raises:
        InvalidModelError: one is below 1 or beyond reason.
    """
    return tuple(stated_size(context, name + axis, getattr(context.params, name + axis)) for axis in AXES)


def volume_sizes(context: LayerContext, value: ir.Value) -> tuple[int, ...]:
    """Depth, height and width of a blob of shape (batch, channels, depth, height, width).

    Raises:
        InvalidModelError: it has another rank.
        UnsupportedModelError: its sizes are only known when the model runs.
    """
    check_rank(context, value)
    return tuple(context.size(value, axis) for axis in (-3, -2, -1))


def check_rank(context: LayerContext, value: ir.Value) -> None:
    """Check that a blob has the shape (batch, channels, depth, height, width).

    Raises:
        InvalidModelError: it has another rank.
    """
    rank = len(shape_of(value))
    if rank != 5:
        raise InvalidModelError(
            f"the layer needs a blob of rank 5, (N, C, D, H, W), but gets rank {rank}", where=context.where
        )


def read_padding3d(context: LayerContext, sizes: Sequence[int], window: Window3D) -> Borders3D:
    """What the current layer pads an input of these sizes with.

    Raises:
        InvalidModelError: the padding is of an unknown type or negative, or no window fits.
    """
    kind = context.params.paddingType
    if kind == CUSTOM:
        borders = custom_borders(context)
    elif kind == VALID:
        borders = NO_BORDERS
    elif kind == SAME:
        borders = tuple(
            split_amount(max(0, ((size - 1) // stride) * stride + extent - size), top_left_heavy=False)
            for size, extent, stride in zip(sizes, window.extent, window.stride, strict=True)
        )
    else:
        raise InvalidModelError(f"the padding type {kind} is not known", where=context.where)
    for axis, size, extent, border in zip(AXES, sizes, window.extent, borders, strict=True):
        if size + sum(border) < extent:
            raise InvalidModelError(
                f"the kernel spans {extent} elements along the {axis.lower()} but the padded input has only "
                f"{size + sum(border)}",
                where=context.where,
            )
    return borders


def custom_borders(context: LayerContext) -> Borders3D:
    """The layer's fields ``customPaddingFront`` … ``customPaddingRight``."""
    return tuple(
        (
            stated_size(context, name := f"customPadding{start}", getattr(context.params, name), minimum=0),
            stated_size(context, name := f"customPadding{end}", getattr(context.params, name), minimum=0),
        )
        for start, end in _SIDES
    )


def onnx_pads3d(borders: Borders3D) -> list[int]:
    """Borders in ONNX's order: all starts, then all ends."""
    return [start for start, _ in borders] + [end for _, end in borders]
