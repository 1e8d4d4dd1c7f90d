"""Branches and loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, tensor_type

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model


def branching() -> Any:
    """sum(x) > 0 ? relu(2x) : [0, 0] with a constant made inside."""
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "reduce_sum", {"x": Ref("x")}, {"total": ("float32", ())})
    add_operation(block, "greater", {"x": Ref("total"), "y": np.float32(0)}, {"positive": ("bool", ())})
    branch = add_operation(block, "cond", {"pred": Ref("positive")}, {"y": ("float32", (2,))})
    then, other = branch.blocks.add(), branch.blocks.add()
    add_operation(then, "mul", {"x": Ref("x"), "y": np.float32(2)}, {"twice": ("float32", (2,))})
    add_operation(then, "relu", {"x": Ref("twice")}, {"result": ("float32", (2,))})
    then.outputs.append("result")
    # The same name in the other block is another value.
    add_operation(other, "const", {}, {"result": ("float32", (2,))}, {"val": np.zeros(2, dtype=np.float32)})
    other.outputs.append("result")
    return spec


@pytest.mark.parametrize(("x", "expected"), [([3, -1], [6, 0]), ([-3, 1], [0, 0])])
def test_either_block_runs(x: list[float], expected: list[float]) -> None:
    assert Model(branching()).predict({"x": np.float32(x)})["y"].tolist() == expected


def test_layers_of_blocks_are_listed_after_the_branch() -> None:
    assert [layer.type for layer in Model(branching()).graph().layers] == [
        "reduce_sum",
        "greater",
        "cond",
        "mul",
        "relu",
    ]


def test_names_of_a_block_end_with_it() -> None:
    spec = branching()
    block = spec.mlProgram.functions["main"].block_specializations["CoreML7"]
    block.outputs[0] = "twice"
    spec.description.output[0].name = "twice"
    with pytest.raises(InvalidModelError, match="nothing before the operation makes 'twice'"):
        Model(spec).graph()


def looping(start: tuple[int, ...], grow: bool) -> Any:
    """i = 0; while i < n: i += 1; v = v + 1, or concat(v, v[:1])."""
    after: tuple[int | None, ...] = (None,) if grow else start
    spec, block = new_program(
        {"v": ("float32", start), "n": ("int32", (1,))}, {"i_out": ("int32", ()), "v_out": ("float32", after)}
    )
    if grow:
        spec.description.output[1].type.multiArrayType.ClearField("shape")
    add_operation(block, "squeeze", {"x": Ref("n")}, {"limit": ("int32", ())})
    add_operation(block, "const", {}, {"zero": ("int32", ())}, {"val": np.int32(0)})
    loop = add_operation(
        block,
        "while_loop",
        {"loop_vars": [Ref("zero"), Ref("v")]},
        {"i_out": ("int32", ()), "v_out": ("float32", after)},
    )
    condition, body = loop.blocks.add(), loop.blocks.add()
    for inner in (condition, body):
        inner.inputs.add(name="i", type=tensor_type("int32", ()))
        inner.inputs.add(name="w", type=tensor_type("float32", after))
    add_operation(condition, "less", {"x": Ref("i"), "y": Ref("limit")}, {"goes_on": ("bool", ())})
    condition.outputs.append("goes_on")
    add_operation(body, "add", {"x": Ref("i"), "y": np.int32(1)}, {"next": ("int32", ())})
    if grow:
        slicing = {"x": Ref("w"), "begin": np.array([0]), "size": np.array([1])}
        add_operation(body, "slice_by_size", slicing, {"head": ("float32", (1,))})
        joining = {"values": [Ref("w"), Ref("head")], "axis": np.int32(0)}
        add_operation(body, "concat", joining, {"more": ("float32", (None,))})
    else:
        add_operation(body, "add", {"x": Ref("w"), "y": np.float32(1)}, {"more": ("float32", start)})
    body.outputs.extend(["next", "more"])
    return spec


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_loop_of_fixed_sizes(count: int) -> None:
    model = Model(looping((2,), grow=False))
    found = model.predict({"v": np.float32([1, 2]), "n": np.array([count])})
    assert found["v_out"].tolist() == [1 + count, 2 + count]
    assert found["i_out"].tolist() == [count]
    assert model.graph().layers[1].outputs[1].shape == (2,)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_loop_that_grows_its_variable(count: int) -> None:
    model = Model(looping((2,), grow=True))
    found = model.predict({"v": np.float32([1, 2]), "n": np.array([count])})
    assert found["v_out"].tolist() == [1, 2] + [1] * count
    assert model.graph().layers[1].outputs[1].shape == (None,), "the size is given up, no wrong one is kept"


def test_a_loop_whose_body_changes_a_type() -> None:
    spec = looping((2,), grow=False)
    body = spec.mlProgram.functions["main"].block_specializations["CoreML7"].operations[-1].blocks[1]
    body.outputs[1] = "next"
    with pytest.raises(InvalidModelError):
        Model(spec).graph()
