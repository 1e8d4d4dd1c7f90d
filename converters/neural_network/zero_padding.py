"""Zeros around an image as nodes of their own, where an operation's own padding does not do."""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.converters.neural_network.borders import Borders
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import check_elements
from mltoolkit.converters.neural_network.windows import (
    NO_PADDING,
    TOP_LEFT_HEAVY,
    Window,
    onnx_pads,
)
from mltoolkit.graph.builder import shape_of


def pad_zeros(context: LayerContext, image: ir.Value, amounts: Borders) -> ir.Value:
    """(N, C, H, W) with that many zeros around height and width."""
    if amounts == NO_PADDING:
        return image
    top, left, bottom, right = onnx_pads(amounts)
    pads = context.builder.constant([0, 0, top, left, 0, 0, bottom, right])
    padded = context.builder.op("Pad", image, pads)
    check_elements(context, shape_of(padded))
    return padded


def pad_same(context: LayerContext, image: ir.Value, window: Window, mode: int) -> ir.Value:
    """(N, C, H, W) padded for ``same`` windows, the amounts being computed when the model runs.

    Args:
        context: the layer's context.
        image: the values to pad; their height and width may be unknown.
        window: the window that will slide over them.
        mode: ``SamePadding.asymmetryMode``.
    """
    builder = context.builder
    one, two = builder.constant([1, 1]), builder.constant([2, 2])
    sizes = builder.op("Shape", image, attributes={"start": 2})
    stride = builder.constant(list(window.stride))
    # totalPadding = max(0, (H_out − 1) · stride + kernel − H_in) with H_out = ceil(H_in / stride)
    last = builder.op("Mul", builder.op("Div", builder.op("Sub", sizes, one), stride), stride)
    missing = builder.op("Sub", builder.op("Add", last, builder.constant(list(window.extent))), sizes)
    total = builder.op("Max", missing, builder.constant([0, 0]))
    less = builder.op("Div", total, two)
    more = builder.op("Sub", total, less)
    start, end = (more, less) if mode == TOP_LEFT_HEAVY else (less, more)
    none = builder.constant([0, 0])
    padded = builder.op("Pad", image, builder.op("Concat", none, start, none, end, attributes={"axis": 0}))
    padded.shape = ir.Shape([*shape_of(image)[:2], None, None])
    return padded
