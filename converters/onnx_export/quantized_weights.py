"""Weights that the source stores compressed, as codes in the ONNX file.

    float16           Cast(float16)
    linear            DequantizeLinear(codes), and where the bias is no whole zero point, Add(bias); for a MatMul Cast,
                      Sub and Mul, as onnxruntime multiplies by what DequantizeLinear gives in 8 bits (46 dB)
    lookup table      Gather(table, Cast(codes))

Codes of up to 4 bits are (u)int4, others (u)int8. Each form decodes to just the float32 values of the hub; but for an
offset that is no whole number (iOS 18), which becomes a bias, so that float32 rounds otherwise. What ONNX has no form
for (several tables, blocks along two axes, sparse weights) stays float32.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.graph.quantization_codes import CodedWeight, HalfWeight, LinearWeight, TableWeight, find_codes
from mltoolkit.graph.quantization_record import record_of

# Smaller weights gain nothing.
_MIN_ELEMENTS = 128


def store_codes(graph: ir.Graph) -> int:
    """Replace compressed weights by codes and the operations that decode them; gives their number."""
    count = 0
    for value in list(graph.initializers.values()):
        record, tensor = record_of(value), value.const_value
        if record is None or tensor is None or tensor.size < _MIN_ELEMENTS or value.is_graph_output():
            continue
        coded = find_codes(np.ascontiguousarray(tensor.numpy()), record)
        writer = None if coded is None else _CodeWriter.for_weight(graph, value, coded)
        if writer is not None:
            writer.write()
            count += 1
    return count


class _CodeWriter:
    """Writes the nodes that decode one weight.

    Args:
        graph: where.
        value: the weight.
        coded: its codes.
    """

    def __init__(self, graph: ir.Graph, value: ir.Value, coded: CodedWeight) -> None:
        self._graph, self._value, self._coded = graph, value, coded
        self._nodes: list[ir.Node] = []

    @classmethod
    def for_weight(cls, graph: ir.Graph, value: ir.Value, coded: CodedWeight) -> _CodeWriter | None:
        """A writer, None where ONNX has no form for the codes."""
        if isinstance(coded, TableWeight):
            possible = all(count == 1 for count in coded.tables.shape[:-1])
        elif isinstance(coded, LinearWeight):
            layout = _layout(coded.scale.shape, coded.codes.shape)
            # A bias is added as it is: one for all, or one for each index of an axis.
            plain = layout is not None and "block_size" not in layout
            blocks = _exact_zero_point(coded) is not None and not _is_multiplied(value)
            possible = layout is not None and (plain or blocks)
        else:
            possible = isinstance(coded, HalfWeight)
        return cls(graph, value, coded) if possible else None

    def write(self) -> None:
        """Put the decoded weight in the place of the weight."""
        coded = self._coded
        if isinstance(coded, HalfWeight):
            result = self._node("Cast", [self._constant(coded.values, "float16")], to=ir.DataType.FLOAT)
        elif isinstance(coded, TableWeight):
            codes = self._constant(_narrow(coded.codes, coded.bits), "codes")
            places = self._node("Cast", [codes], to=ir.DataType.INT32)
            result = self._node("Gather", [self._constant(coded.tables.reshape(-1), "table"), places])
        else:
            assert isinstance(coded, LinearWeight)
            result = self._linear(coded)
        result.type, result.shape = self._value.type, self._value.shape
        for node in self._nodes:
            node.metadata_props["weight"] = self._value.name or ""
        first = next(iter(self._graph), None)
        if first is None:
            self._graph.extend(self._nodes)
        else:
            self._graph.insert_before(first, self._nodes)
        ir.convenience.replace_all_uses_with(self._value, result)
        name = self._value.name
        self._graph.initializers.pop(name or "")
        result.name = name

    def _linear(self, coded: LinearWeight) -> ir.Value:
        zero_point = _exact_zero_point(coded)
        layout = _layout(coded.scale.shape, coded.codes.shape) or {}
        if zero_point is not None and "block_size" not in layout and _is_multiplied(self._value):
            return self._spelled_out(coded, zero_point)
        inputs = [
            self._constant(_narrow(coded.codes, coded.bits), "codes"),
            self._constant(_laid_out(coded.scale, coded.codes.shape, layout), "scale"),
        ]
        if zero_point is not None and zero_point.any():
            whole = _laid_out(zero_point.astype(coded.codes.dtype), coded.codes.shape, layout)
            inputs.append(self._constant(_narrow(whole, coded.bits), "zero_point"))
        decoded = self._node("DequantizeLinear", inputs, **layout)
        if zero_point is not None:
            return decoded
        bias = coded.bias
        if bias is None:
            assert coded.zero_point is not None
            bias = -coded.scale * coded.zero_point
        if not bias.any():
            return decoded
        decoded.type, decoded.shape = self._value.type, self._value.shape
        return self._node("Add", [decoded, self._constant(bias, "bias")])

    def _spelled_out(self, coded: LinearWeight, zero_point: NDArray[np.float32]) -> ir.Value:
        """What DequantizeLinear does, in single operations."""
        codes = self._constant(_narrow(coded.codes, coded.bits), "codes")
        value = self._node("Cast", [codes], to=ir.DataType.FLOAT)
        for operation, parameter, neutral in (("Sub", zero_point, 0), ("Mul", coded.scale, 1)):
            if (parameter != neutral).any():
                value.type, value.shape = self._value.type, self._value.shape
                value = self._node(operation, [value, self._constant(parameter.astype(np.float32), operation.lower())])
        return value

    def _constant(self, array: NDArray[Any], role: str) -> ir.Value:
        name, number = f"{self._value.name}/{role}", 1
        while name in self._graph.initializers:
            number += 1
            name = f"{self._value.name}/{role}_{number}"
        tensor = ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
        self._graph.register_initializer(value)
        return value

    def _node(self, op_type: str, inputs: list[ir.Value], **attributes: Any) -> ir.Value:
        node = ir.node(op_type, inputs, attributes, name=f"{self._value.name}/{op_type}")
        output = node.outputs[0]
        output.name = f"{self._value.name}/{op_type}/out"
        self._nodes.append(node)
        return output


def _is_multiplied(value: ir.Value) -> bool:
    """Whether a MatMul reads the weight: onnxruntime computes DequantizeLinear and MatMul in 8 bits (46 dB)."""
    return any(use.node.op_type == "MatMul" for use in value.uses())


def _layout(counts: tuple[int, ...], shape: tuple[int, ...]) -> dict[str, int] | None:
    """The attributes of DequantizeLinear for scales of that many blocks an axis; None where it cannot have them."""
    many = [axis for axis, count in enumerate(counts) if count > 1]
    if not many:
        return {}
    if len(many) == 1 and counts[many[0]] == shape[many[0]]:
        return {"axis": many[0]}
    cut = [axis for axis in many if counts[axis] < shape[axis]]
    whole = all(counts[axis] == shape[axis] for axis in range(len(shape)) if axis not in cut)
    # DequantizeLinear takes one axis in blocks, and a scale for each element of the others.
    return {"axis": cut[0], "block_size": shape[cut[0]] // counts[cut[0]]} if len(cut) == 1 and whole else None


def _laid_out(parameter: NDArray[Any], shape: tuple[int, ...], layout: dict[str, int]) -> NDArray[Any]:
    """Scales or zero points in the shape that goes with a layout: (), (channels,) or blocks."""
    if not layout:
        return parameter.reshape(())
    return parameter if "block_size" in layout else parameter.reshape(-1)


def _exact_zero_point(coded: LinearWeight) -> NDArray[np.float32] | None:
    """The whole zero point with which DequantizeLinear gives the same values to the bit; None without one."""
    limits = np.iinfo(coded.codes.dtype) if coded.bits > 4 else None
    low, high = (limits.min, limits.max) if limits else ((-8, 7) if coded.codes.dtype == np.int8 else (0, 15))
    if coded.bias is None:
        assert coded.zero_point is not None
        found = coded.zero_point
    else:
        if not (coded.scale > 0).all():
            return None
        found = np.rint(-coded.bias / coded.scale)
        codes = np.arange(1 << coded.bits, dtype=np.float32).reshape(-1, *[1] * coded.scale.ndim)
        if not np.array_equal((codes - found) * coded.scale, codes * coded.scale + coded.bias):
            return None
    whole = np.array_equal(np.rint(found), found) and found.min() >= low and found.max() <= high
    return found if whole else None


def _narrow(codes: NDArray[Any], bits: int) -> NDArray[Any]:
    signed = codes.dtype == np.int8
    if bits <= 4:
        return codes.astype(ml_dtypes.int4 if signed else ml_dtypes.uint4)
    return codes.astype(np.int8 if signed else np.uint8)
