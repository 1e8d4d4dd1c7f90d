"""Parts of tensors replaced, shapes put together from other tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(12)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)


def flags(*numbers: int) -> np.ndarray:
    return np.array(numbers) == 1


@pytest.mark.parametrize(
    ("begin", "end", "more"),
    [
        ([0, 1, 2], [3, 3, 4], {}),
        ([1, 0, 0], [2, 4, 5], {}),
        ([-1, -3, 4], [-3, -1, 1], {"stride": np.array([-1, 1, -2])}),
        (
            [1, 2, 0],
            [0, 0, 0],
            {"squeeze_mask": np.array([True, True, False]), "end_mask": np.array([0, 0, 1]) == 1},
        ),
        (
            [9, 1, 9],
            [9, 3, 9],
            {"begin_mask": np.array([1, 0, 1]) == 1, "end_mask": np.array([1, 0, 1]) == 1},
        ),
        ([0, 0, 0], [3, 4, 5], {}),
        ([1, 1, 1], [1, 3, 3], {}),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_slice_update(begin: list[int], end: list[int], more: dict[str, Any], known: bool) -> None:
    rank = 3
    stride = more.get("stride", np.ones(rank, np.int32))
    masks = {name: more.get(name, np.zeros(rank, bool)) for name in ("begin_mask", "end_mask", "squeeze_mask")}
    part: list[Any] = []
    for axis in range(rank):
        if masks["squeeze_mask"][axis]:
            part.append(begin[axis])
            continue
        first = None if masks["begin_mask"][axis] else begin[axis]
        last = None if masks["end_mask"][axis] else end[axis]
        part.append(slice(first, last, int(stride[axis])))
    expected = X.copy()
    update = RNG.normal(size=expected[tuple(part)].shape).astype(np.float32)
    expected[tuple(part)] = update
    bounds = {"begin": np.array(begin, np.int32), "end": np.array(end, np.int32)}
    if update.size == 0:
        # A model cannot be fed an empty array.
        bounds["update"] = update
        check_one("slice_update", {"x": X}, bounds | more, expected)
    elif known:
        check_one("slice_update", {"x": X, "update": update}, bounds | more, expected)
    else:
        check_one("slice_update", {"x": X, "update": update, **bounds}, more, expected)


@pytest.mark.parametrize(
    ("update", "constants"),
    [
        (X, {"begin": np.array([0, 0, 0]), "end": np.array([1, 4, 5])}),
        (X, {"begin": np.array([0, 0]), "end": np.array([3, 4])}),
        (X, {"begin": np.array([0, 0, 0]), "end": np.array([3, 4, 5]), "stride": np.array([1, 0, 1])}),
        (X[0], {"begin": np.array([0, 0, 0]), "end": np.array([3, 4, 5])}),
    ],
)
def test_slice_update_that_does_not_fit(update: np.ndarray, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one("slice_update", {"x": X, "update": update}, constants, X)


def test_reshape_like() -> None:
    x = np.arange(60, dtype=np.float32).reshape(3, 20)
    references = [np.zeros((4, 5, 9), np.float32), np.zeros((2, 3), np.float32)]
    spec, block = new_program(
        {"x": ("float32", x.shape), "a": ("float32", (4, 5, 9)), "b": ("float32", (2, 3))},
        {"out": ("float32", (4, 5, 3))},
    )
    operation = add_operation(
        block,
        "reshape_like",
        {"x": Ref("x"), "ref_tensors": [Ref("a"), Ref("b")], "begins": np.int32(0), "ends": np.int32(2)}
        | {"end_masks": np.bool_(False)},
        {"out": ("float32", (4, 5, 3))},
    )
    for name, given in (("begins", 1), ("ends", 0)):
        second = operation.inputs[name].arguments.add()
        second.CopyFrom(operation.inputs[name].arguments[0])
        second.value.immediateValue.tensor.ints.values[0] = given
    second = operation.inputs["end_masks"].arguments.add()
    second.CopyFrom(operation.inputs["end_masks"].arguments[0])
    second.value.immediateValue.tensor.bools.values[0] = True
    found = Model(spec).predict({"x": x, "a": references[0], "b": references[1]})["out"]
    assert np.array_equal(found, x.reshape(4, 5, 3))
    del operation.inputs["ends"].arguments[1]
    with pytest.raises(InvalidModelError, match="ends"):
        Model(spec).predict({"x": x, "a": references[0], "b": references[1]})
