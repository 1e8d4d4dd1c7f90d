"""Codes in a graph become weights that know how they were stored; onnxruntime on the codes is the reference."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.passes.weight_codes import DecodeWeights
from mltoolkit.graph.quantization_codes import find_codes
from mltoolkit.graph.quantization_record import (
    AffineRecord,
    Float16Record,
    LinearRecord,
    QuantizationRecord,
    TableRecord,
    record_of,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 24)).astype(np.float32)


def decoding(kind: str, builder: GraphBuilder) -> ir.Value:
    """A weight of shape (24, 16), decoded in one of the ways."""
    constant = builder.constant
    codes = RNG.integers(0, 256, (24, 16))
    scales = RNG.uniform(0.01, 0.1, 16).astype(np.float32)
    if kind == "per tensor":
        inputs = [constant(codes.astype(np.uint8)), constant(np.float32(0.1)), constant(np.array(9, np.uint8))]
        return builder.op("DequantizeLinear", *inputs)
    if kind == "per channel":
        zero_points = RNG.integers(-5, 5, 16).astype(np.int8)
        inputs = [constant((codes - 128).astype(np.int8)), constant(scales), constant(zero_points)]
        return builder.op("DequantizeLinear", *inputs, attributes={"axis": -1})
    if kind == "blocks of 4 bits":
        blocks = RNG.uniform(0.01, 0.1, (3, 16)).astype(np.float32)
        inputs = [constant((codes % 16).astype(ml_dtypes.uint4)), constant(blocks)]
        return builder.op("DequantizeLinear", *inputs, attributes={"axis": 0, "block_size": 8})
    if kind == "with a bias":
        decoded = builder.op(
            "DequantizeLinear", constant(codes.astype(np.uint8)), constant(scales), attributes={"axis": 1}
        )
        return builder.op("Add", constant(RNG.normal(size=(1, 16)).astype(np.float32)), decoded)
    if kind == "table":
        indices = constant((codes % 10).astype(ml_dtypes.uint4))
        places = builder.op("Cast", indices, attributes={"to": ir.DataType.INT32})
        return builder.op("Gather", constant(RNG.normal(size=10).astype(np.float32)), places)
    assert kind == "float16"
    half = constant(RNG.normal(size=(24, 16)).astype(np.float16))
    return builder.op("Cast", half, attributes={"to": ir.DataType.FLOAT})


RECORDS: dict[str, tuple[type[Any], int]] = {
    "per tensor": (AffineRecord, 8),
    "per channel": (AffineRecord, 8),
    "blocks of 4 bits": (AffineRecord, 4),
    "with a bias": (LinearRecord, 8),
    "table": (TableRecord, 4),
    "float16": (Float16Record, 16),
}


def model_of(kind: str) -> ir.Model:
    builder = GraphBuilder("codes")
    x = builder.input("x", np.float32, (3, 24))
    y = builder.op("MatMul", x, decoding(kind, builder))
    y.name = "y"
    return builder.finish([y])


def run(model: ir.Model) -> np.ndarray[Any, Any]:
    options = ort.SessionOptions()
    # Else onnxruntime multiplies decoded weights in 8 bits: 46 dB.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    result: np.ndarray[Any, Any] = session.run(None, {"x": X})[0]
    return result


def records(model: ir.Model) -> list[tuple[ir.Value, QuantizationRecord]]:
    found = ((value, record_of(value)) for value in model.graph.initializers.values())
    return [(value, record) for value, record in found if record is not None]


@pytest.mark.parametrize("kind", RECORDS)
def test_weights_and_their_records(kind: str) -> None:
    model = model_of(kind)
    expected = run(model)
    assert DecodeWeights()(model).modified
    assert [node.op_type for node in model.graph] == ["MatMul"]
    ((weight, record),) = records(model)
    assert (type(record), record.bits) == RECORDS[kind]
    assert weight.const_value is not None
    assert find_codes(weight.const_value.numpy(), record) is not None
    # The same weights, so the same products; onnxruntime may have another kernel for codes of 4 bits.
    np.testing.assert_allclose(run(model), expected, rtol=2e-6, atol=2e-6)
    assert not DecodeWeights()(model).modified


def test_what_is_no_weight_is_left_alone() -> None:
    builder = GraphBuilder("others")
    x = builder.input("x", np.float32, (3, 24))
    few = builder.op("DequantizeLinear", builder.constant(np.arange(24, dtype=np.uint8)), builder.constant(0.5))
    computed = builder.op("QuantizeLinear", x, builder.constant(0.1), builder.constant(np.array(128, np.uint8)))
    back = builder.op("DequantizeLinear", computed, builder.constant(0.1), builder.constant(np.array(128, np.uint8)))
    rows = builder.op("Gather", builder.constant(np.eye(24, dtype=np.float32)), builder.constant(list(range(24))))
    y = builder.op("MatMul", builder.op("Add", back, few), rows)
    y.name = "y"
    model = builder.finish([y])
    before = [node.op_type for node in model.graph]
    assert not DecodeWeights()(model).modified and [node.op_type for node in model.graph] == before


def test_indices_beyond_the_table_are_left_to_fail() -> None:
    builder = GraphBuilder("bad")
    codes = builder.constant(np.full((24, 16), 7, dtype=np.int32))
    y = builder.op("Gather", builder.constant(np.arange(4, dtype=np.float32)), codes)
    y = builder.op("MatMul", builder.input("x", np.float32, (3, 24)), y)
    y.name = "y"
    assert not DecodeWeights()(builder.finish([y])).modified
