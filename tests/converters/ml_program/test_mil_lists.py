"""Lists of tensors, in straight lines and as variables of loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, tensor_type

from mltoolkit.errors import InvalidModelError, MLToolkitError, UnsupportedModelError
from mltoolkit.model import Model

A, B = np.array([1, 3], dtype=np.float32), np.array([2, 4], dtype=np.float32)


def list_type(length: int, shape: tuple[int | None, ...], dtype: str = "float32") -> Any:
    message = tensor_type("float32", ())
    message.listType.type.CopyFrom(tensor_type(dtype, shape))
    message.listType.length.constant.size = length
    return message


def add_list(block: Any, kind: str, inputs: dict[str, Any], name: str, shape: tuple[int | None, ...] = (2,)) -> Any:
    operation = add_operation(block, kind, inputs, {name: ("float32", ())})
    operation.outputs[0].type.CopyFrom(list_type(2, shape))
    return operation


def make(block: Any, name: str = "ls", length: Any = 2, shape: tuple[int, ...] = (2,)) -> None:
    inputs = {"init_length": length, "dtype": "fp32", "dynamic_length": True}
    operation = add_list(block, "make_list", inputs, name, shape)
    for size in shape:
        add_operation(block, "const", {}, {f"{name}_{size}": ("int32", ())}, {"val": size})
        operation.inputs["elem_shape"].arguments.add(name=f"{name}_{size}")
    # The constants must come first.
    order = [
        *block.operations[: -1 - len(shape)],
        *block.operations[-len(shape) :],
        block.operations[-1 - len(shape)],
    ]
    copies = [type(operation).FromString(item.SerializeToString()) for item in order]
    del block.operations[:]
    block.operations.extend(copies)


def test_elements_are_zero_written_appended_scattered_and_counted() -> None:
    spec, block = new_program(
        {"a": ("float32", (2,)), "b": ("float32", (2,))},
        {
            "first": ("float32", (2,)),
            "read": ("float32", (2,)),
            "some": ("float32", (3, 2)),
            "n": ("int32", ()),
        },
    )
    make(block)
    add_operation(block, "list_read", {"ls": Ref("ls"), "index": 0}, {"first": ("float32", (2,))})
    add_list(block, "list_write", {"ls": Ref("ls"), "index": 0, "value": Ref("a")}, "ls1")
    add_list(block, "list_write", {"ls": Ref("ls1"), "index": 4, "value": Ref("b")}, "ls2")
    values = np.array([[-1, -2], [-4, -5]], dtype=np.float32)
    add_list(block, "list_scatter", {"ls": Ref("ls2"), "indices": np.array([2, 1]), "value": values}, "ls3")
    add_operation(block, "list_read", {"ls": Ref("ls3"), "index": 0}, {"read": ("float32", (2,))})
    gathered = {"ls": Ref("ls3"), "indices": np.array([4, 2, 3])}
    add_operation(block, "list_gather", gathered, {"some": ("float32", (3, 2))})
    add_operation(block, "list_length", {"ls": Ref("ls3")}, {"n": ("int32", ())})
    found = Model(spec).predict({"a": A, "b": B})
    assert found["first"].tolist() == [0, 0]
    assert found["read"].tolist() == A.tolist()
    assert found["some"].tolist() == [B.tolist(), [-1, -2], [0, 0]]
    assert found["n"].tolist() == [5]


def loop_program(iterations: int) -> Any:
    """Append a · i to a list of length 1 for each i below a number; give the length and the last element."""
    spec, block = new_program({"a": ("float32", (2,))}, {"n": ("int32", ()), "last": ("float32", (2,))})
    make(block, length=1)
    loop = add_operation(block, "while_loop", {}, {"i_end": ("int32", ()), "ls_end": ("float32", ())})
    loop.outputs[1].type.CopyFrom(list_type(1, (2,)))
    loop.inputs["loop_vars"].arguments.add(name="start")
    loop.inputs["loop_vars"].arguments.add(name="ls")
    condition, body = loop.blocks.add(), loop.blocks.add()
    for inner in (condition, body):
        inner.inputs.add(name="i", type=tensor_type("int32", ()))
        inner.inputs.add(name="l", type=list_type(1, (2,)))
    add_operation(condition, "less", {"x": Ref("i"), "y": iterations}, {"more": ("bool", ())})
    condition.outputs.append("more")
    add_operation(body, "cast", {"x": Ref("i"), "dtype": "fp32"}, {"f": ("float32", ())})
    add_operation(body, "mul", {"x": Ref("a"), "y": Ref("f")}, {"element": ("float32", (2,))})
    add_list(body, "list_write", {"ls": Ref("l"), "index": Ref("i"), "value": Ref("element")}, "written")
    add_operation(body, "add", {"x": Ref("i"), "y": 1}, {"next": ("int32", ())})
    body.outputs.extend(["next", "written"])
    start = type(loop).FromString(loop.SerializeToString())
    del block.operations[-1]
    add_operation(block, "const", {}, {"start": ("int32", ())}, {"val": 0})
    block.operations.append(start)
    add_operation(block, "list_length", {"ls": Ref("ls_end")}, {"n": ("int32", ())})
    add_operation(block, "list_read", {"ls": Ref("ls_end"), "index": -1}, {"last": ("float32", (2,))})
    return spec


@pytest.mark.parametrize("iterations", [0, 1, 4])
def test_a_list_grows_in_a_loop(iterations: int) -> None:
    found = Model(loop_program(iterations)).predict({"a": A})
    assert found["n"].tolist() == [max(1, iterations)]
    assert found["last"].tolist() == (A * max(0, iterations - 1)).tolist()


def write_program(**inputs: Any) -> Any:
    spec, block = new_program({"a": ("float32", (2,))}, {"read": ("float32", (2,))})
    make(block)
    add_list(block, "list_write", {"ls": Ref("ls"), "index": 0, "value": Ref("a")} | inputs, "ls1")
    add_operation(block, "list_read", {"ls": Ref("ls1"), "index": 0}, {"read": ("float32", (2,))})
    return spec


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"value": np.zeros(3)}, r"a list of shape \(2, 2\) is given"),
        ({"value": np.zeros((2, 2))}, r"a list of shape \(2, 2\) is given"),
        ({"value": "text"}, "no tensor"),
        ({"index": 0.5}, "index is no whole number"),
        ({"index": 2**30}, "does not fit into memory"),
        ({"ls": Ref("lst")}, "Did you mean 'ls'"),
    ],
)
def test_damaged_writes(inputs: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidModelError, match=says):
        Model(write_program(**inputs)).graph()


@pytest.mark.parametrize("length", [-1, 2**31 - 1, np.array([1, 2]), 0.5, "x"])
def test_damaged_lengths(length: Any) -> None:
    spec, block = new_program({"a": ("float32", (2,))}, {"n": ("int32", ())})
    make(block, length=length)
    add_operation(block, "list_length", {"ls": Ref("ls")}, {"n": ("int32", ())})
    with pytest.raises(InvalidModelError):
        Model(spec).graph()


def test_elements_of_unknown_shape_are_refused() -> None:
    spec, block = new_program({"a": ("float32", (2,))}, {"n": ("int32", ())})
    operation = add_list(block, "make_list", {"init_length": 1, "elem_shape": "symbol"}, "ls", (None,))
    add_operation(block, "list_length", {"ls": Ref("ls")}, {"n": ("int32", ())})
    with pytest.raises(UnsupportedModelError, match="only known when the model runs"):
        Model(spec).graph()
    operation = block.operations[0]
    operation.outputs[0].type.CopyFrom(list_type(1, (7,)))
    assert Model(spec).predict({"a": A})["n"].tolist() == [1], "the declared type tells the size"


def test_reading_behind_the_end_fails_with_an_error_of_ours() -> None:
    spec, block = new_program({"a": ("float32", (2,)), "i": ("int32", (1,))}, {"read": ("float32", (2,))})
    make(block)
    add_list(block, "list_write", {"ls": Ref("ls"), "index": 0, "value": Ref("a")}, "ls1")
    add_operation(block, "list_read", {"ls": Ref("ls1"), "index": Ref("i")}, {"read": ("float32", (2,))})
    model = Model(spec)
    assert model.predict({"a": A, "i": np.array([0], dtype=np.int32)})["read"].tolist() == A.tolist()
    with pytest.raises(MLToolkitError):
        model.predict({"a": A, "i": np.array([7], dtype=np.int32)})
