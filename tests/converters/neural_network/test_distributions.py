from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from running import compute, convert_layer, convert_layers, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SHAPE = (40, 50, 25)
COUNT = math.prod(SHAPE)
# Standard errors. A wrong generator is off by far more; a right one, in any of these comparisons, about once
# in 100,000 runs. The seeded ones always give the same.
ERRORS = 5

FORMS = ["Like", "Static", "Dynamic"]
DISTRIBUTIONS: dict[str, dict[str, float]] = {
    "randomNormal": {"mean": -2, "stdDev": 3},
    "randomUniform": {"minVal": -1, "maxVal": 5},
    "randomBernoulli": {"prob": 0.3},
}


def _layer(kind: str, form: str, seed: int, shape: tuple[int, ...] = SHAPE, **parameters: float) -> Any:
    layer, params = new_layer(kind + form, () if form == "Static" else ("x",))
    params.seed = seed
    for name, value in (DISTRIBUTIONS[kind] | parameters).items():
        setattr(params, name, value)
    if form == "Static":
        params.outputShape.extend(shape)
    return layer


def _draw(
    kind: str, form: str, seed: int, shape: tuple[int, ...] = SHAPE, known: bool = True, **parameters: float
) -> np.ndarray:
    inputs = {
        "Like": {"x": np.zeros(shape)},
        "Static": {},
        "Dynamic": {"x": np.array(shape)},
    }[form]
    shapes: Any = {} if known else {name: ("n",) * x.ndim for name, x in inputs.items()}
    if form == "Dynamic":
        shapes = {}
    return run_layer(_layer(kind, form, seed, shape, **parameters), inputs, rank5=False, shapes=shapes)["y"]


def _distribution(kind: str, x: np.ndarray) -> np.ndarray:
    """The cumulative distribution function of the parameters above."""
    if kind == "randomUniform":
        return np.clip((x + 1) / 6, 0, 1)
    return 0.5 * (1 + np.vectorize(math.erf)((x + 2) / 3 / math.sqrt(2)))


@pytest.mark.parametrize("kind", ["randomNormal", "randomUniform"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", [-1, 0, 42])
def test_the_distribution(kind: str, form: str, seed: int) -> None:
    x = _draw(kind, form, seed)
    assert x.shape == SHAPE
    assert x.dtype == np.float32
    ordered = np.sort(x.ravel().astype(np.float64))
    # Kolmogorov-Smirnov: √n · D exceeds 2.5 once in 130,000 times.
    steps = np.arange(COUNT + 1) / COUNT
    cdf = _distribution(kind, ordered)
    distance = max(np.max(steps[1:] - cdf), np.max(cdf - steps[:-1])) * math.sqrt(COUNT)
    assert distance < 2.5, f"√n · D = {distance:.2f}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", [-1, 0, 42])
def test_bernoulli(form: str, seed: int) -> None:
    x = _draw("randomBernoulli", form, seed)
    assert x.shape == SHAPE
    assert set(np.unique(x)) == {0, 1}
    assert abs(x.mean() - 0.3) < ERRORS * math.sqrt(0.3 * 0.7 / COUNT), x.mean()


@pytest.mark.parametrize("kind", ["randomNormal", "randomUniform"])
def test_neighbours_are_unrelated(kind: str) -> None:
    x = _draw(kind, "Static", 7).ravel().astype(np.float64)
    x = (x - x.mean()) / x.std()
    for lag in (1, 2, 3, 25, 50, 64, 1250):
        correlation = np.mean(x[lag:] * x[:-lag])
        assert abs(correlation) < ERRORS / math.sqrt(COUNT), (lag, correlation)
        squares = np.mean((x[lag:] ** 2 - 1) * (x[:-lag] ** 2 - 1)) / np.var(x**2)
        assert abs(squares) < ERRORS / math.sqrt(COUNT), (lag, squares)


def test_moments_of_the_normal_distribution() -> None:
    x = _draw("randomNormal", "Static", 3, mean=0, stdDev=1).astype(np.float64)
    # Moments 1 to 6; the square of their standard error is (moment of twice the order − square) / n.
    moments = [0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395]
    for order in range(1, 7):
        expected = moments[order - 1]
        error = math.sqrt((moments[2 * order - 1] - expected**2) / COUNT)
        measured = float(np.mean(x**order))
        assert abs(measured - expected) < ERRORS * error, (order, measured, expected)


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_a_seed_fixes_the_numbers(kind: str) -> None:
    shape = (7, 3)
    first = _draw(kind, "Static", 42, shape)
    for form in FORMS:
        for known in (True, False):
            np.testing.assert_array_equal(_draw(kind, form, 42, shape, known), first)
    others = [_draw(kind, "Static", seed, (50, 50)) for seed in (0, 1, 2, 42, 43, 1 << 62)]
    for index, numbers in enumerate(others):
        for other in others[:index]:
            assert (numbers != other).any()


def test_every_run_of_a_session_gives_the_same_numbers_with_a_seed() -> None:
    layers = [_layer("randomNormal", "Like", seed) for seed in (9, -1)]
    layers[1].output[0] = "free"
    builder, context = convert_layers(layers, {"x": ("n", "m")}, rank5=False)
    outputs = [
        builder.op("Identity", context.values[blob], name=name)
        for blob, name in (("y", "seeded"), ("free", "unseeded"))
    ]
    model = ir.to_proto(builder.finish(outputs)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feeds = {"x": np.zeros((4, 5), dtype=np.float32)}
    first, second = (session.run(["seeded", "unseeded"], feeds) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[1] != second[1]).all()


@pytest.mark.parametrize("kind", ["randomNormal", "randomUniform"])
def test_unseeded_numbers_differ_from_session_to_session(kind: str) -> None:
    first, second = (_draw(kind, "Static", -1, (50,)) for _ in range(2))
    assert (first != second).all()


def test_unseeded_layers_are_unrelated() -> None:
    layers = [_layer("randomUniform", "Static", -1, (20000,), minVal=0, maxVal=1) for _ in range(2)]
    layers[1].output[0] = "z"
    builder, context = convert_layers(layers, {}, rank5=False)
    y, z = compute(builder, {name: context.values[name] for name in ("y", "z")}, {}).values()
    correlation = np.corrcoef(y, z)[0, 1]
    assert abs(correlation) < ERRORS / math.sqrt(len(y)), correlation


@pytest.mark.parametrize("seed", [-1, 5])
def test_certain_and_impossible_events(seed: int) -> None:
    assert (_draw("randomBernoulli", "Static", seed, (1000,), prob=0) == 0).all()
    assert (_draw("randomBernoulli", "Static", seed, (1000,), prob=1) == 1).all()
    assert (_draw("randomUniform", "Static", seed, (10,), minVal=2, maxVal=2) == 2).all()
    assert (_draw("randomNormal", "Static", seed, (10,), mean=2, stdDev=0) == 2).all()


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("randomNormal", {"stdDev": -1}),
        ("randomNormal", {"stdDev": math.nan}),
        ("randomUniform", {"minVal": 6}),
        ("randomUniform", {"maxVal": math.nan}),
        ("randomBernoulli", {"prob": 1.5}),
        ("randomBernoulli", {"prob": -0.1}),
        ("randomBernoulli", {"prob": math.nan}),
    ],
)
def test_impossible_parameters_are_refused(kind: str, parameters: dict[str, float]) -> None:
    with pytest.raises(InvalidModelError, match=next(iter(parameters))):
        convert_layer(_layer(kind, "Static", 1, **parameters), {}, rank5=False)


@pytest.mark.parametrize("shape", [(), (0,), (1 << 31,), (1 << 28, 3)])
def test_absurd_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidModelError, match=r"outputShape|limit here"):
        convert_layer(_layer("randomNormal", "Static", 1, shape), {}, rank5=False)
