"""Sliding windows of convolution, deconvolution and pooling: sizes, strides and the padding around the input.

Source: NeuralNetwork.proto, messages ValidPadding, SamePadding and BorderAmounts. Borders are kept per axis,
in the order (height, width), each as (start, end).
"""

from __future__ import annotations

from dataclasses import dataclass

from mltoolkit.converters.neural_network.borders import AXES, Borders
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError

NO_PADDING: Borders = ((0, 0), (0, 0))
# SamePadding.SamePaddingMode
TOP_LEFT_HEAVY = 1


@dataclass(frozen=True)
class Window:
    """A window that slides over height and width; each field is (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    @property
    def extent(self) -> tuple[int, int]:
        """Elements from the window's first to its last tap, both included."""
        height, width = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return height, width


def read_sizes(context: LayerContext, field: str, default: tuple[int, int]) -> tuple[int, int]:
    """The two positive sizes of a ``repeated uint64`` field of the layer, or ``default`` where it is empty.

    Raises:
        InvalidModelError: there are neither none nor two, or one is 0 or beyond reason.
    """
    values = [stated_size(context, field, value) for value in getattr(context.params, field)]
    if not values:
        return default
    if len(values) != 2:
        raise InvalidModelError(f"{field} has {len(values)} entries where 2, [H, W], are needed", where=context.where)
    return values[0], values[1]


def split_amount(total: int, top_left_heavy: bool) -> tuple[int, int]:
    """A total padding as (start, end); the odd element goes to the end unless ``top_left_heavy``."""
    less = total // 2
    return (total - less, less) if top_left_heavy else (less, total - less)


def same_amounts(sizes: tuple[int, int], window: Window, mode: int) -> Borders:
    """The padding with which an axis of n elements has ceil(n / stride) windows.

    Args:
        sizes: height and width of the input.
        window: the window.
        mode: ``SamePadding.asymmetryMode``.
    """
    amounts = []
    for size, extent, stride in zip(sizes, window.extent, window.stride, strict=True):
        total = max(0, ((size - 1) // stride) * stride + extent - size)
        amounts.append(split_amount(total, mode == TOP_LEFT_HEAVY))
    return amounts[0], amounts[1]


def check_fit(context: LayerContext, sizes: tuple[int, int], window: Window, amounts: Borders) -> None:
    """Check that at least one window fits into the padded input.

    Raises:
        InvalidModelError: the window is larger.
    """
    for axis, size, extent, (start, end) in zip(AXES, sizes, window.extent, amounts, strict=True):
        if size + start + end < extent:
            raise InvalidModelError(
                f"the kernel spans {extent} elements along the {axis} but the padded input has only "
                f"{size + start + end}",
                where=context.where,
            )


def onnx_pads(amounts: Borders) -> list[int]:
    """Borders in ONNX's order: all starts, then all ends."""
    (top, bottom), (left, right) = amounts
    return [top, left, bottom, right]
