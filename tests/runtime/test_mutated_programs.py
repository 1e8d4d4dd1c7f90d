"""Damaged ML Programs give our own errors only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, tensor_type

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.model_file import to_spec
from mltoolkit.formats.protobuf import new_model
from mltoolkit.model import Model


def program() -> Any:
    """A bit of everything: convolution, pooling, shapes, a slice, a reduction, a branch."""
    spec, block = new_program({"x": ("float32", (1, 2, 6))}, {"y": ("float32", (1, 3))})
    weight = np.random.default_rng(0).normal(size=(3, 2, 3)).astype(np.float32)
    add_operation(
        block,
        "conv",
        {"x": Ref("x"), "weight": weight, "pad_type": "custom", "pad": np.array([1, 1])},
        {"a": ("float32", (1, 3, 6))},
    )
    pool = {"x": Ref("a"), "kernel_sizes": np.array([2]), "strides": np.array([2]), "pad_type": "valid"}
    add_operation(block, "avg_pool", pool, {"b": ("float32", (1, 3, 3))})
    add_operation(block, "reshape", {"x": Ref("b"), "shape": np.array([1, -1])}, {"c": ("float32", (1, 9))})
    cut = {"x": Ref("c"), "begin": np.array([0, 1]), "end": np.array([1, 7]), "stride": np.array([1, 2])}
    add_operation(block, "slice_by_index", cut, {"d": ("float32", (1, 3))})
    add_operation(block, "reduce_sum", {"x": Ref("d")}, {"e": ("float32", ())})
    add_operation(block, "less", {"x": Ref("e"), "y": np.float32(0)}, {"f": ("bool", ())})
    branch = add_operation(block, "cond", {"pred": Ref("f")}, {"y": ("float32", (1, 3))})
    for kind in ("relu", "softmax"):
        inner = branch.blocks.add()
        axis = {"axis": np.int32(-1)} if kind == "softmax" else {}
        add_operation(inner, kind, {"x": Ref("d"), **axis}, {"z": ("float32", (1, 3))})
        inner.outputs.append("z")
    branch.outputs[0].type.CopyFrom(tensor_type("float32", (1, 3)))
    return spec


X = np.random.default_rng(1).normal(size=(1, 2, 6)).astype(np.float32)


def test_the_program_itself_runs() -> None:
    assert Model(program()).predict({"x": X})["y"].shape == (1, 3)


def messages(message: Any) -> list[Any]:
    """A message and all inside it, map entries included."""
    found = [message]
    for field, content in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                found += [inner for entry in content.values() for inner in messages(entry)]
        elif field.is_repeated:
            found += [inner for entry in content for inner in messages(entry)]
        else:
            found += messages(content)
    return found


def damage(spec: Any, rng: np.random.Generator) -> None:
    """Change a number or name, or remove, repeat or empty something, anywhere in the program."""
    holder = rng.choice(np.array([item for item in messages(spec) if item.ListFields()], dtype=object))
    field, content = holder.ListFields()[rng.integers(len(holder.ListFields()))]
    numbers = [0, 1, 2, 3, -1, 7, 1 << 20, (1 << 31) - 1]
    if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
        key = list(content)[rng.integers(len(content))]
        del content[key]
    elif field.is_repeated and (field.message_type is not None or rng.random() < 0.5):
        place = rng.integers(len(content))
        if rng.random() < 0.5:
            del content[place]
        else:
            content.append(content[place])
    elif field.message_type is not None or rng.random() < 0.2:
        holder.ClearField(field.name)
    elif field.is_repeated:
        content[rng.integers(len(content))] = type(content[0])(rng.choice(numbers[:4]))
    elif isinstance(content, str):
        setattr(holder, field.name, rng.choice(["", "x", "y", "d", "custom", "same", "conv", "nothing"]))
    elif isinstance(content, bytes):
        setattr(holder, field.name, content[: len(content) // 2])
    else:
        value = abs(int(rng.choice(numbers))) if field.name == "size" else int(rng.choice(numbers))
        setattr(holder, field.name, bool(value) if isinstance(content, bool) else value)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_programs(seed: int) -> None:
    good = program()
    rng = np.random.default_rng(seed)
    outcomes = {"ran": 0, "refused": 0}
    for _ in range(150):
        spec = new_model()
        spec.CopyFrom(good)
        damage(spec, rng)
        try:
            Model(to_spec(spec)).predict({"x": X}, threads=1)
            outcomes["ran"] += 1
        except MLToolkitError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, outcomes
