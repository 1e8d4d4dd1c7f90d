"""Bodies of branches and loops: what is known of their values, and giving one up."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder, dtype_of, known_shape, shape_of
from mltoolkit.graph.common_type import common_type
from mltoolkit.graph.folding import known_truth


def typed(*shape):
    return ir.Value(type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(list(shape)))


def unranked():
    return ir.Value(type=ir.TensorType(ir.DataType.FLOAT))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (typed(2, 3), typed(2, 3), (2, 3)),
        (typed(2, 3), typed(4, 3), (None, 3)),
        (typed(None, 3), typed(2, 3), (None, 3)),
        (typed("n", 3), typed("n", 3), (None, 3)),
        (typed(2, 3), typed(2), None),
        (typed(2, 3), unranked(), None),
        (typed(), typed(), ()),
    ],
)
def test_common_type(one, other, expected):
    for pair in ((one, other), (other, one)):
        common = common_type(*pair)
        assert known_shape(common) == expected
        assert dtype_of(common) == np.float32


def test_shape_of_a_value_of_unknown_rank():
    assert known_shape(unranked()) is None
    with pytest.raises(UnsupportedModelError, match="only known when the model runs"):
        shape_of(unranked())


def test_known_truth():
    builder = GraphBuilder("g")
    assert known_truth(builder.constant(np.array(True))) is True
    assert known_truth(builder.constant(np.array(False))) is False
    assert known_truth(builder.input("x", np.bool_, ())) is None


def test_a_body_may_take_values_of_unknown_rank():
    assert known_shape(GraphBuilder("g").subgraph("body").input("x", np.float32, None)) is None


def test_a_body_given_up_uses_nothing():
    builder = GraphBuilder("g")
    x = builder.input("x", np.float32, (3,))
    predicate = builder.input("p", np.bool_, ())
    weight = builder.constant(np.ones(3, dtype=np.float32), "weight")
    outer = builder.subgraph("outer")
    inner = outer.subgraph("inner")
    result = inner.op("Add", x, weight)
    bodies = {name: inner.body([result]) for name in ("then_branch",)}
    other = outer.subgraph("other")
    bodies["else_branch"] = other.body([other.op("Mul", x, weight)])
    outer.control_flow("If", [predicate], bodies, [result])
    assert x.uses()
    assert weight.uses()
    assert predicate.uses()
    outer.discard()
    assert not x.uses()
    assert not weight.uses()
    assert not predicate.uses()
