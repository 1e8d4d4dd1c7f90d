"""Operators and modes that have another name or a further attribute now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

_GRID_MODES = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}


@adapts("Scatter")
def adapt_scatter(node: SourceNode) -> Sequence[ir.Value]:
    """Scatter was renamed in opset 11."""
    return node.emit("ScatterElements")


@adapts("GridSample", before=20)
def adapt_grid_sample(node: SourceNode) -> Sequence[ir.Value]:
    """The modes of GridSample were renamed in opset 20."""
    mode = node.attribute("mode", "bilinear")
    if mode not in _GRID_MODES:
        raise RefusedNode(f"its mode {mode!r} is unknown", "bilinear")
    return node.emit(attributes=node.without("mode") | {"mode": _GRID_MODES[mode]})


@adapts("Cast", "CastLike", since=24)
def adapt_cast(node: SourceNode) -> Sequence[ir.Value]:
    """``round_mode`` only concerns float8e8m0, which the hub does not have."""
    if node.op_type == "CastLike":
        like = node.input(1).dtype
        assert like is not None
        return (node.op("Cast", node.input(0), to=int(like)),)
    return node.emit(attributes=node.without("round_mode"))


@adapts("DequantizeLinear", since=23)
def adapt_dequantize(node: SourceNode) -> Sequence[ir.Value]:
    """``output_dtype`` as a Cast; it is the scale's type by default."""
    (value,) = node.emit(attributes=node.without("output_dtype"))
    wanted = int(node.attribute("output_dtype", 0))
    if wanted and value.dtype != wanted:
        value = node.op("Cast", value, to=wanted)
    return (value,)


@adapts("QuantizeLinear", since=23)
def adapt_quantize(node: SourceNode) -> Sequence[ir.Value]:
    """``precision`` is that of the division: as the hub does it, in the scale's type, or in float32."""
    precision = int(node.attribute("precision", 0))
    value, scale = node.input(0), node.input(1)
    if precision not in (0, int(ir.DataType.FLOAT)) and precision != scale.dtype:
        raise RefusedNode(f"its precision {precision} is not known here", "float32")
    if precision == int(ir.DataType.FLOAT):
        value, scale = (node.op("Cast", given, to=precision) for given in (value, scale))
    return node.emit(inputs=[value, scale, node.optional_input(2)], attributes=node.without("precision"))


@adapts("Range", since=11)
def adapt_range(node: SourceNode) -> Sequence[ir.Value]:
    """Bounds of one element are taken for scalars; float16 is counted in float32 (``stash_type``, opset 27)."""
    bounds = [node.input(index) for index in range(3)]
    bounds = [value if node.rank(index) == 0 else _as_scalar(node, value) for index, value in enumerate(bounds)]
    if bounds[0].dtype != ir.DataType.FLOAT16:
        return (node.op("Range", *bounds),)
    wide = [node.op("Cast", value, to=int(ir.DataType.FLOAT)) for value in bounds]
    return (node.op("Cast", node.op("Range", *wide), to=int(ir.DataType.FLOAT16)),)


def _as_scalar(node: SourceNode, value: ir.Value) -> ir.Value:
    return node.op("Reshape", value, node.builder.constant(np.zeros(0, dtype=np.int64)))


@adapts("SpaceToDepth", since=28)
def adapt_space_to_depth(node: SourceNode) -> Sequence[ir.Value]:
    """``mode``: with CRD the channels come before the places inside a block."""
    if node.attribute("mode", "DCR") == "DCR":
        return node.emit(attributes=node.without("mode"))
    block = int(node.attribute("blocksize"))
    batch, channels, height, width = node.static_shape(0)
    constant = node.builder.constant
    apart = node.op(
        "Reshape", node.input(0), constant([batch, channels, height // block, block, width // block, block])
    )
    moved = node.op("Transpose", apart, perm=[0, 1, 3, 5, 2, 4])
    sizes = np.asarray([batch, channels * block * block, height // block, width // block])
    return (node.op("Reshape", moved, constant(sizes)),)


@adapts("BitCast", since=26)
def adapt_bit_cast(node: SourceNode) -> Sequence[ir.Value]:
    """Between types of the same kind only; Core ML has no view of a number's bits."""
    wanted = int(node.attribute("to"))
    if node.input(0).dtype == wanted:
        return (node.input(0),)
    raise RefusedNode("it reads the bits of numbers as another type", "Cast, which converts the numbers")
