from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# A handful of float32 roundings, against float64.
TOLERANCE = 1e-6

NARY: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "add": lambda xs: reduce(np.add, xs),
    "multiply": lambda xs: reduce(np.multiply, xs),
    "average": lambda xs: reduce(np.add, xs) / len(xs),
    "max": lambda xs: reduce(np.maximum, xs),
    "min": lambda xs: reduce(np.minimum, xs),
}


@pytest.mark.parametrize("kind", NARY)
@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3, 4, 5)] * 2,
        [(2, 3, 4, 5)] * 5,
        [(2, 3, 4, 5), (2, 3, 1, 1), (2, 1, 4, 5), (2, 1, 1, 1)],
        [(1, 1, 1, 1), (2, 3, 4, 5)],
        [(2, 3, 4, 1), (1, 3, 1, 5)],
    ],
    ids=str,
)
def test_several_inputs_broadcast(kind: str, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(1)
    names = [f"x{index}" for index in range(len(shapes))]
    layer, _ = new_layer(kind, names)
    inputs = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in zip(names, shapes, strict=True)}
    expected = NARY[kind]([x.astype(np.float64) for x in inputs.values()])
    assert_close(run_layer(layer, inputs)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("kind", NARY)
def test_own_ranks(kind: str) -> None:
    rng = np.random.default_rng(2)
    layer, _ = new_layer(kind, ["a", "b"])
    a, b = rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal((2, 1)).astype(np.float32)
    expected = NARY[kind]([a.astype(np.float64), b.astype(np.float64)])
    assert_close(run_layer(layer, {"a": a, "b": b}, rank5=False)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 2.5])
def test_a_single_input_takes_alpha(alpha: float) -> None:
    x = np.random.default_rng(3).standard_normal((1, 3, 4, 5)).astype(np.float32)
    layer, params = new_layer("add")
    params.alpha = alpha
    assert_close(run_layer(layer, {"x": x})["y"], x.astype(np.float64) + alpha, TOLERANCE)
    layer, params = new_layer("multiply")
    params.alpha = alpha
    assert_close(run_layer(layer, {"x": x})["y"], x.astype(np.float64) * alpha, TOLERANCE)


@pytest.mark.parametrize("kind", ["average", "max", "min"])
def test_a_single_input_is_its_own_result(kind: str) -> None:
    x = np.random.default_rng(4).standard_normal((1, 3, 4, 5)).astype(np.float32)
    layer, _ = new_layer(kind)
    assert_close(run_layer(layer, {"x": x})["y"], x, 0)


def test_several_inputs_do_not_take_alpha() -> None:
    x = np.ones((1, 2, 1, 1), dtype=np.float32)
    for kind, expected in (("add", 2), ("multiply", 1)):
        layer, params = new_layer(kind, ["x", "x"])
        params.alpha = 7
        assert run_layer(layer, {"x": x})["y"].reshape(-1).tolist() == [expected] * 2


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("shape", [(4, 9, 1, 1), (9, 1, 1), (2, 3, 9, 1, 1)])
def test_dot(cosine: bool, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    layer, params = new_layer("dot", ["a", "b"])
    params.cosineSimilarity = cosine
    a, b = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    expected = (a.astype(np.float64) * b).sum(axis=-3, keepdims=True)
    if cosine:
        expected = expected / np.prod(
            [np.linalg.norm(x.astype(np.float64), axis=-3, keepdims=True) for x in (a, b)], axis=0
        )
    result = run_layer(layer, {"a": a, "b": b}, rank5=len(shape) == 4)["y"]
    # Sums of 9 products.
    assert_close(result, expected, 2e-6)


def test_cosine_similarity_of_short_and_zero_vectors() -> None:
    layer, params = new_layer("dot", ["a", "b"])
    params.cosineSimilarity = True
    a = np.array([[1e-15, 0], [0, 0]], dtype=np.float32).reshape(2, 2, 1, 1)
    result = run_layer(layer, {"a": a, "b": a})["y"].reshape(-1)
    assert result.tolist() == pytest.approx([1, 0], abs=1e-6)


@pytest.mark.parametrize("kind", [*NARY, "dot"])
def test_too_few_inputs_are_refused(kind: str) -> None:
    layer, _ = new_layer(kind, [])
    with pytest.raises(InvalidModelError, match="needs at least 1 inputs"):
        convert_layer(layer, {})


@pytest.mark.parametrize("kind", NARY)
def test_shapes_that_do_not_broadcast_are_refused(kind: str) -> None:
    layer, _ = new_layer(kind, ["a", "b"])
    with pytest.raises(InvalidModelError, match="'the layer'"):
        convert_layer(layer, {"a": (1, 3, 4, 5), "b": (1, 2, 4, 5)})


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((1, 3, 1, 1), (1, 4, 1, 1), "one length but gets 3 and 4"),
        ((1, 3, 2, 1), (1, 3, 2, 1), "vectors of shape"),
    ],
)
def test_dot_of_other_shapes_is_refused(a: tuple[int, ...], b: tuple[int, ...], message: str) -> None:
    layer, _ = new_layer("dot", ["a", "b"])
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"a": a, "b": b})
