"""Shapes, joining, slicing, padding and matrix products against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, one_operation

from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(8)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
FLAGS = np.array([True, False, False])


def run(kind: str, arrays: dict[str, np.ndarray], constants: dict[str, Any], expected: np.ndarray) -> None:
    spec = one_operation(kind, arrays, constants, (expected.dtype.name, expected.shape))
    found = Model(spec).predict(arrays)["out"]
    shape = expected.shape or (1,)
    assert found.shape == shape
    # Sums of some dozen products differ in the last bits.
    np.testing.assert_allclose(found, expected.reshape(shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ([4, 6], (4, 6)),
        ([-1, 2], (12, 2)),
        ([0, -1, 2], (2, 6, 2)),
        ([24], (24,)),
        # Of another rank, axes correspond from the last one on.
        ([0, -1], (3, 8)),
        ([0, 0, -1, 0], (1, 2, 3, 4)),
    ],
)
def test_reshape(shape: list[int], target: tuple[int, ...]) -> None:
    run("reshape", {"x": X}, {"shape": np.array(shape)}, X.reshape(target))


def test_reshape_to_another_number_of_elements() -> None:
    with pytest.raises(InvalidModelError, match="Reshape"):
        run("reshape", {"x": X}, {"shape": np.array([5, -1])}, X.reshape(4, 6))


def test_transpose_expand_and_squeeze() -> None:
    run("transpose", {"x": X}, {"perm": np.array([-1, 0, 1])}, X.transpose(2, 0, 1))
    run("expand_dims", {"x": X}, {"axes": np.array([0, -1])}, X[None, ..., None])
    ones = X[:1, :, :1]
    run("squeeze", {"x": ones}, {}, ones.squeeze())
    run("squeeze", {"x": ones}, {"axes": np.array([-1, 1])}, ones[..., 0])
    run("flatten2d", {"x": X}, {"axis": np.int32(-1)}, X.reshape(6, 4))
    run("identity", {"x": X}, {}, X)
    run("shape", {"x": X}, {}, np.array([2, 3, 4], dtype=np.int32))


@pytest.mark.parametrize(
    ("axis", "interleave", "expected"),
    [
        (1, False, np.concatenate([X, 2 * X], axis=1)),
        (-1, False, np.concatenate([X, 2 * X], axis=2)),
        (1, True, np.stack([X, 2 * X], axis=2).reshape(2, 6, 4)),
    ],
)
def test_concat(axis: int, interleave: bool, expected: np.ndarray) -> None:
    spec, block = new_program(
        {"a": ("float32", X.shape), "b": ("float32", X.shape)}, {"y": ("float32", expected.shape)}
    )
    inputs = {"values": [Ref("a"), Ref("b")], "axis": np.int32(axis), "interleave": np.bool_(interleave)}
    add_operation(block, "concat", inputs, {"y": ("float32", expected.shape)})
    assert np.array_equal(Model(spec).predict({"a": X, "b": 2 * X})["y"], expected)


@pytest.mark.parametrize(("axis", "place"), [(0, 0), (3, 3), (-1, 3)])
def test_stack(axis: int, place: int) -> None:
    expected = np.stack([X, 2 * X], axis=place)
    spec, block = new_program(
        {"a": ("float32", X.shape), "b": ("float32", X.shape)}, {"y": ("float32", expected.shape)}
    )
    inputs = {"values": [Ref("a"), Ref("b")], "axis": np.int32(axis)}
    add_operation(block, "stack", inputs, {"y": ("float32", expected.shape)})
    assert np.array_equal(Model(spec).predict({"a": X, "b": 2 * X})["y"], expected)


@pytest.mark.parametrize(
    ("given", "sizes"), [({"num_splits": np.int32(2)}, [2, 2]), ({"split_sizes": np.array([1, 3])}, [1, 3])]
)
def test_split(given: dict[str, Any], sizes: list[int]) -> None:
    outputs = {f"y{index}": ("float32", (2, 3, size)) for index, size in enumerate(sizes)}
    spec, block = new_program({"x": ("float32", X.shape)}, outputs)
    add_operation(block, "split", {"x": Ref("x"), "axis": np.int32(-1), **given}, outputs)
    found = Model(spec).predict({"x": X})
    for index, piece in enumerate(np.split(X, [sizes[0]], axis=-1)):
        assert np.array_equal(found[f"y{index}"], piece)


SLICES: list[tuple[dict[str, Any], np.ndarray]] = [
    ({"begin": [0, 1, 1], "end": [2, 3, 4]}, X[0:2, 1:3, 1:4]),
    ({"begin": [0, -2, 0], "end": [2, -1, 4]}, X[:, -2:-1]),
    ({"begin": [0, 0, 0], "end": [2, 3, 4], "stride": [1, 2, 3]}, X[:, ::2, ::3]),
    (
        {"begin": [1, 2, 3], "end": [0, 0, 1], "stride": [1, -1, -2], "end_mask": [1, 1, 0]},
        X[1:, ::-1, 3:1:-2],
    ),
    (
        {"begin": [1, 0, 0], "end": [0, 0, 0], "stride": [1, -1, -1], "begin_mask": [0, 1, 1],
         "end_mask": [1, 1, 1]},
        X[1:, ::-1, ::-1],
    ),
    ({"begin": [1, 0, 0], "end": [0, 3, 4], "squeeze_mask": [1, 0, 0]}, X[1]),
    ({"begin": [0, -1, 0], "end": [2, 0, 4], "squeeze_mask": [0, 1, 0]}, X[:, -1]),
    ({"begin": [0, -1, 2], "end": [0, 0, 0], "squeeze_mask": [1, 1, 1]}, X[0, -1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), SLICES)
def test_slice_by_index(given: dict[str, Any], expected: np.ndarray) -> None:
    constants = {
        name: np.array(numbers, dtype=np.bool_ if name.endswith("mask") else np.int32)
        for name, numbers in given.items()
    }
    run("slice_by_index", {"x": X}, constants, np.asarray(expected))


@pytest.mark.parametrize(
    ("begin", "size", "expected"),
    [
        ([0, 1, 1], [2, 2, 3], X[:, 1:, 1:4]),
        ([1, 0, 2], [-1, -1, -1], X[1:, :, 2:]),
        ([0, -2, -2], [2, 2, 1], X[:, -2:, -2:-1]),
    ],
)
def test_slice_by_size(begin: list[int], size: list[int], expected: np.ndarray) -> None:
    run("slice_by_size", {"x": X}, {"begin": np.array(begin), "size": np.array(size)}, expected)


def test_slice_whose_begin_depends_on_data() -> None:
    spec, block = new_program({"x": ("float32", X.shape), "begin": ("int32", (3,))}, {"y": ("float32", (1, 2, 2))})
    inputs = {"x": Ref("x"), "begin": Ref("begin"), "size": np.array([1, 2, 2])}
    add_operation(block, "slice_by_size", inputs, {"y": ("float32", (1, 2, 2))})
    model = Model(spec)
    assert model.graph().layers[0].outputs[0].shape == (1, 2, 2), "the declared sizes complete the inferred"
    found = model.predict({"x": X, "begin": np.array([1, 0, 2])})["y"]
    assert np.array_equal(found, X[1:, :2, 2:])


@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge")]
)
def test_pad(mode: str, numpy_mode: str) -> None:
    given = {"pad": np.array([0, 1, 2, 1]), "mode": mode, "constant_val": np.float32(7)}
    more = {"constant_values": 7} if mode == "constant" else {}
    expected = np.pad(X, [(0, 0), (0, 1), (2, 1)], mode=numpy_mode, **more)  # type: ignore[call-overload]
    run("pad", {"x": X}, given, expected)
    with pytest.raises(InvalidModelError, match="there is no padding"):
        run("pad", {"x": X}, given | {"mode": "reflekt"}, expected)


WEIGHT = RNG.normal(size=(5, 4)).astype(np.float32)
BIAS = RNG.normal(size=5).astype(np.float32)


@pytest.mark.parametrize("x", [X[0, 0], X[0], X])
def test_linear(x: np.ndarray) -> None:
    run("linear", {"x": x}, {"weight": WEIGHT, "bias": BIAS}, x @ WEIGHT.T + BIAS)
    run("linear", {"x": x}, {"weight": WEIGHT}, x @ WEIGHT.T)


@pytest.mark.parametrize("transpose_x", [False, True])
@pytest.mark.parametrize("transpose_y", [False, True])
def test_matmul(transpose_x: bool, transpose_y: bool) -> None:
    y = RNG.normal(size=(2, 1, 4, 5)).astype(np.float32)
    given = {"transpose_x": np.bool_(transpose_x), "transpose_y": np.bool_(transpose_y)}
    x = np.ascontiguousarray(X.swapaxes(1, 2)) if transpose_x else X
    second = np.ascontiguousarray(y.swapaxes(2, 3)) if transpose_y else y
    run("matmul", {"x": x, "y": second}, given, np.matmul(X, y))
    run("matmul", {"x": x}, given | {"y": second}, np.matmul(X, y))


def test_constants_of_another_type() -> None:
    whole = RNG.integers(-5, 5, (3, 4)).astype(np.int32)
    run("matmul", {"x": whole}, {"y": WEIGHT.T}, np.trunc(whole @ WEIGHT.T).astype(np.int32))
    run("linear", {"x": X}, {"weight": whole}, X @ whole.T.astype(np.float32))
    run(
        "linear",
        {"x": X[0]},
        {"weight": whole, "bias": np.int32([1, 2, 3])},
        X[0] @ whole.T.astype(np.float32) + np.float32([1, 2, 3]),
    )


def test_einsum_broadcasts() -> None:
    a = RNG.normal(size=(1, 3, 2, 4)).astype(np.float32)
    b = RNG.normal(size=(5, 4, 2, 6)).astype(np.float32)
    expected = np.einsum("nchw,nwhu->nchu", np.broadcast_to(a, (5, 3, 2, 4)), b)
    for equation, fits in (
        ("nchw,nwhu->nchu", True),
        ("a b c d, a d c e -> a b c e", True),
        ("abcd,abce->ae", False),
    ):
        spec, block = new_program(
            {"a": ("float32", a.shape), "b": ("float32", b.shape)}, {"y": ("float32", expected.shape)}
        )
        inputs = {"values": [Ref("a"), Ref("b")], "equation": equation}
        add_operation(block, "einsum", inputs, {"y": ("float32", expected.shape)})
        if not fits:
            with pytest.raises(UnsupportedModelError, match="equation"):
                Model(spec).graph()
            continue
        np.testing.assert_allclose(Model(spec).predict({"a": a, "b": b})["y"], expected, rtol=1e-5, atol=1e-6)


def test_select() -> None:
    spec, block = new_program({"x": ("float32", X.shape)}, {"y": ("float32", X.shape)})
    add_operation(block, "greater", {"x": Ref("x"), "y": np.float32(0)}, {"c": ("bool", X.shape)})
    add_operation(block, "select", {"cond": Ref("c"), "a": Ref("x"), "b": np.float32(9)}, {"y": ("float32", X.shape)})
    assert np.array_equal(Model(spec).predict({"x": X})["y"], np.where(X > 0, X, np.float32(9)))
