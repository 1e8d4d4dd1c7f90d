from __future__ import annotations

import onnx_ir as ir
import pytest

from mltoolkit.graph.attributes import to_attributes


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, ir.AttributeType.INT),
        (0.5, ir.AttributeType.FLOAT),
        ("NOTSET", ir.AttributeType.STRING),
        ([1, 2, 3], ir.AttributeType.INTS),
        ((1, 2, 3), ir.AttributeType.INTS),
        ([0.5, 1.5], ir.AttributeType.FLOATS),
        (["Tanh", "Relu"], ir.AttributeType.STRINGS),
        ([True, False], ir.AttributeType.INTS),
    ],
)
def test_a_value_becomes_what_onnx_ir_makes_of_it(value: object, kind: ir.AttributeType) -> None:
    found = to_attributes({"a": value})["a"]
    reference = ir.convenience.convert_attribute("a", value)  # type: ignore[arg-type]
    assert found == reference
    assert (found.name, found.type) == ("a", kind)


def test_a_list_of_two_kinds_is_no_attribute() -> None:
    with pytest.raises(TypeError):
        to_attributes({"a": [1, "x"]})
