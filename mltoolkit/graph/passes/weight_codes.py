"""Weights that an ONNX file stores as codes, decoded, with the record of how they were stored.

1. ``DequantizeLinear(codes, scale[, zero point])``                 scale · (code − zero point)
2. the same without a zero point, and ``Add(…, bias)`` after it      scale · code + bias
3. ``Gather(table, indices)`` of a table of at most 256 numbers      table[code]
4. ``Cast(float16)`` to float32                                      the float16 number

All inputs are constants. Kept as they are they would be folded into numbers of which nobody knows that they were codes.
Scales may be float16: the decoded weight is float32 all the same, as all of them in the hub.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.graph.quantization_record import (
    AffineRecord,
    Float16Record,
    LinearRecord,
    QuantizationRecord,
    TableRecord,
    attach_record,
)

# Smaller constants are no weights.
_MIN_ELEMENTS = 128
# Codes have at most 8 bits.
_MAX_TABLE = 256
_CODES = {
    ir.DataType.UINT8: (8, False),
    ir.DataType.INT8: (8, True),
    ir.DataType.UINT4: (4, False),
    ir.DataType.INT4: (4, True),
}
_SCALES = (np.float32, np.float16)
_Decoded = tuple[NDArray[np.float32], QuantizationRecord]


class DecodeWeights(ir.passes.InPlacePass):
    """Replace what decodes constant codes by initializers that carry a record."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; see the module's docstring."""
        graph, modified = model.graph, False
        for node in list(graph):
            if node.graph is not graph or node.domain not in ("", "ai.onnx") or len(node.outputs) != 1:
                continue
            found = _decode(node) if decodes_weight(node) else None
            if found is None:
                continue
            last, (values, record) = found
            _replace(graph, last, values, record)
            modified = True
        return ir.passes.PassResult(model, modified)


def decodes_weight(node: ir.Node) -> bool:
    """Whether a node may begin one of the patterns: other passes should leave it to this one."""
    given = node.inputs[0] if node.inputs else None
    tensor = None if given is None else given.const_value
    if tensor is None or given is None or node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "DequantizeLinear":
        return tensor.dtype in _CODES and tensor.size >= _MIN_ELEMENTS
    if node.op_type == "Cast":
        return tensor.dtype == ir.DataType.FLOAT16 and tensor.size >= _MIN_ELEMENTS
    if node.op_type != "Gather" or tensor.dtype != ir.DataType.FLOAT:
        return False
    return len(tensor.shape) == 1 and 2 <= tensor.size <= _MAX_TABLE and _number_of_indices(node) >= _MIN_ELEMENTS


def _number_of_indices(node: ir.Node) -> int:
    source = node.inputs[1]
    producer = None if source is None else source.producer()
    if producer is not None and producer.op_type == "Cast":
        source = producer.inputs[0]
    return 0 if source is None or source.const_value is None else source.const_value.size


def _decode(node: ir.Node) -> tuple[ir.Node, _Decoded] | None:
    """The last node of a pattern and what it gives."""
    output = node.outputs[0]
    if output.is_graph_output():
        return None
    if node.op_type == "DequantizeLinear":
        decoded = _dequantize(node)
        if decoded is None:
            return None
        uses = output.uses()
        after = next(iter(uses)).node if len(uses) == 1 else None
        biased = None if after is None else _with_bias(after, output, decoded)
        return (node, decoded) if biased is None or after is None else (after, biased)
    if node.op_type == "Gather":
        table = _look_up(node)
        return None if table is None else (node, table)
    if node.op_type == "Cast" and node.attributes.get_int("to", 0) == int(ir.DataType.FLOAT):
        half = _constant(node, 0)
        if half is not None and half.dtype == np.float16 and half.size >= _MIN_ELEMENTS:
            return node, (half.astype(np.float32), Float16Record())
    return None


def _constant(node: ir.Node, index: int) -> NDArray[Any] | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _dequantize(node: ir.Node) -> _Decoded | None:
    source = node.inputs[0]
    codes, scale, zero_point = (_constant(node, index) for index in range(3))
    if source is None or codes is None or scale is None or codes.size < _MIN_ELEMENTS or source.dtype not in _CODES:
        return None
    if (len(node.inputs) > 2 and node.inputs[2] is not None and zero_point is None) or scale.dtype not in _SCALES:
        return None
    scale = scale.astype(np.float32)
    bits, signed = _CODES[source.dtype]
    factor = _for_blocks(node, scale, codes.shape)
    shift = np.zeros_like(scale) if zero_point is None else zero_point.astype(np.float32)
    offset = _for_blocks(node, shift, codes.shape)
    if factor is None or offset is None or factor.shape != offset.shape:
        return None
    values = (codes.astype(np.float32) - _spread(offset, codes.shape)) * _spread(factor, codes.shape)
    return values, AffineRecord(bits, signed, factor, offset)


def _for_blocks(node: ir.Node, parameter: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """A scale or zero point with one size an axis: the number of blocks along it."""
    if parameter.size == 1:
        return parameter.reshape((1,) * len(shape))
    if node.attributes.get_int("block_size", 0):
        whole = parameter.ndim == len(shape) and all(
            size % count == 0 for size, count in zip(shape, parameter.shape, strict=True)
        )
        return parameter if whole else None
    axis = node.attributes.get_int("axis", 1) or 0
    if not -len(shape) <= axis < len(shape) or parameter.shape != (shape[axis],):
        return None
    axis %= len(shape)
    return parameter.reshape([size if other == axis else 1 for other, size in enumerate(shape)])


def _spread(parameter: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    for axis, size in enumerate(shape):
        if parameter.shape[axis] not in (1, size):
            parameter = np.repeat(parameter, size // parameter.shape[axis], axis)
    return parameter


def _with_bias(node: ir.Node, decoded: ir.Value, found: _Decoded) -> _Decoded | None:
    """scale · code + bias for an Add of a constant bias."""
    values, record = found
    if node.op_type != "Add" or node.outputs[0].is_graph_output() or not isinstance(record, AffineRecord):
        return None
    bias = _constant(node, 1 if node.inputs[0] is decoded else 0)
    if record.signed or record.zero_point.any() or bias is None or bias.dtype != np.float32:
        return None
    full = bias.reshape((1,) * (values.ndim - bias.ndim) + bias.shape) if bias.ndim <= values.ndim else None
    if full is None or any(count not in (1, size) for count, size in zip(full.shape, record.scale.shape, strict=True)):
        return None
    shifted = values + full
    return shifted, LinearRecord(record.bits, record.scale, np.broadcast_to(full, record.scale.shape))


def _look_up(node: ir.Node) -> _Decoded | None:
    table = _constant(node, 0)
    indices = _constant(node, 1)
    source = node.inputs[1]
    producer = source.producer() if source is not None else None
    if indices is None and producer is not None and producer.op_type == "Cast":
        indices = _constant(producer, 0)
    if table is None or indices is None or table.ndim != 1 or table.dtype != np.float32:
        return None
    if not 2 <= table.size <= _MAX_TABLE or indices.size < max(_MIN_ELEMENTS, table.size):
        return None
    numbers = indices.astype(np.int64)
    if numbers.min() < -table.size or numbers.max() >= table.size:
        return None
    bits = (table.size - 1).bit_length()
    padded = np.concatenate([table, np.repeat(table[-1:], (1 << bits) - table.size)])
    return table[numbers], TableRecord(bits, padded)


def _replace(graph: ir.Graph, node: ir.Node, values: NDArray[np.float32], record: QuantizationRecord) -> None:
    """Let an initializer stand for what a node gives, under the same name."""
    output = node.outputs[0]
    name = output.name or f"{node.name}/decoded"
    output.name = f"{name}/codes"
    tensor = ir.Tensor(np.ascontiguousarray(values), name=name)
    weight = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
    attach_record(weight, record)
    graph.register_initializer(weight)
    ir.convenience.replace_all_uses_with(output, weight)
    before = [value.producer() for value in node.inputs if value is not None]
    graph.remove(node, safe=True)
    for producer in before:
        if producer is not None and producer.graph is graph and not producer.outputs[0].uses():
            graph.remove(producer, safe=True)
