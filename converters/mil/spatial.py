"""Kernel, stride, dilation and padding attributes, as ONNX gives them for convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """A window that slides over the spatial axes; all tuples have one entry an axis.

    Attributes:
        kernel: its sizes.
        strides: its steps.
        dilations: the distance of its elements.
        pads: (before, after); None where they follow from a size only known when the model runs.
        auto_pad: ``NOTSET``, ``VALID``, ``SAME_UPPER`` or ``SAME_LOWER``.
        rounds_up: whether a last window counts that only begins inside.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads | None
    auto_pad: str
    rounds_up: bool = False

    @property
    def mil_pads(self) -> list[int]:
        """The pads in MIL's order: before and after of each axis in turn."""
        assert self.pads is not None
        return [size for pair in self.pads for size in pair]


def read_window(node: NodeContext, kernel: tuple[int, ...], sizes: tuple[Any, ...]) -> Window:
    """The window of a node.

    Args:
        node: Conv, ConvTranspose or a pooling.
        kernel: sizes of the kernel.
        sizes: the input's spatial sizes, of which some may be symbols.

    Raises:
        Refusal: it cuts (negative pads).
    """
    axes = len(kernel)
    strides = tuple(node.attribute("strides", [1] * axes))
    dilations = tuple(node.attribute("dilations", [1] * axes))
    auto_pad = node.attribute("auto_pad", "NOTSET")
    flat = node.attribute("pads", [0] * 2 * axes)
    pads: Pads | None = tuple((flat[axis], flat[axis + axes]) for axis in range(axes))
    if auto_pad == "VALID":
        pads = ((0, 0),) * axes
    elif auto_pad != "NOTSET":
        pads = _same_pads(kernel, strides, dilations, sizes, auto_pad)
    if pads is not None and any(size < 0 for pair in pads for size in pair):
        node.refuse("it has negative pads", "pads of at least 0")
    return Window(kernel, strides, dilations, pads, auto_pad)


def _same_pads(
    kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...], sizes: tuple[Any, ...], mode: str
) -> Pads | None:
    """ONNX: the output has ceil(size / stride) elements; an odd element more goes to the end for SAME_UPPER."""
    pads = []
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        extent = dilation * (width - 1) + 1
        if stride == 1:
            total = extent - 1
        elif isinstance(size, int):
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        else:
            return None
        smaller = total // 2
        pads.append((smaller, total - smaller) if mode == "SAME_UPPER" else (total - smaller, smaller))
    return tuple(pads)
