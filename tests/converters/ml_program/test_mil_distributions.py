"""Random operations: their distributions, seeds, shapes known and unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

SHAPE = (200, 250)
COUNT = SHAPE[0] * SHAPE[1]
# Five standard errors: a right generator fails once in 1.7 million, and these seeds are fixed.
SIGMAS = 5.0


def random_program(kind: str, constants: dict[str, Any], shape: tuple[int, ...] = SHAPE) -> Any:
    spec, block = new_program({"x": ("float32", (1,))}, {"y": ("float32", shape)})
    add_operation(block, kind, {"shape": np.array(shape)} | constants, {"r": ("float32", shape)})
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("r")}, {"y": ("float32", shape)})
    return spec


def draw(kind: str, constants: dict[str, Any]) -> np.ndarray:
    return Model(random_program(kind, constants)).predict({"x": np.zeros(1, np.float32)})["y"]


MOMENTS: dict[str, tuple[dict[str, Any], float, float]] = {
    "random_uniform": ({"low": -1.0, "high": 3.0}, 1.0, 4 / 12**0.5),
    "random_normal": ({"mean": 2.0, "stddev": 0.5}, 2.0, 0.5),
    "random_bernoulli": ({"prob": 0.3}, 0.3, (0.3 * 0.7) ** 0.5),
}


@pytest.mark.parametrize("kind", sorted(MOMENTS))
@pytest.mark.parametrize("seed", [0, 12345])
def test_mean_and_deviation(kind: str, seed: int) -> None:
    constants, mean, deviation = MOMENTS[kind]
    numbers = draw(kind, constants | {"seed": seed})
    assert abs(numbers.mean() - mean) < SIGMAS * deviation / COUNT**0.5, numbers.mean()
    # The deviation of a sample scatters by at most this for these distributions (excess kurtosis ≤ 0.8).
    assert abs(numbers.std() / deviation - 1) < SIGMAS * (0.7 / COUNT) ** 0.5, numbers.std()
    # Neighbours must not be correlated.
    correlation = np.corrcoef(numbers.reshape(-1)[:-1], numbers.reshape(-1)[1:])[0, 1]
    assert abs(correlation) < SIGMAS / COUNT**0.5, correlation


def test_uniform_numbers_are_equally_distributed() -> None:
    numbers = draw("random_uniform", {"seed": 3})
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    expected = COUNT / 20
    assert np.abs(counts - expected).max() < SIGMAS * expected**0.5, counts


def test_normal_numbers_have_normal_tails() -> None:
    numbers = draw("random_normal", {"seed": 3})
    for bound, inside in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        share = (np.abs(numbers) < bound).mean()
        assert abs(share - inside) < SIGMAS * (inside * (1 - inside) / COUNT) ** 0.5, (bound, share)


@pytest.mark.parametrize("kind", sorted(MOMENTS))
def test_a_seed_fixes_the_numbers_and_none_does_not(kind: str) -> None:
    zero = {"x": np.zeros(1, np.float32)}
    seeded, other = (Model(random_program(kind, {"seed": seed})) for seed in (5, 6))
    first = seeded.predict(zero)["y"]
    assert np.array_equal(first, seeded.predict(zero)["y"])
    assert np.array_equal(first, Model(random_program(kind, {"seed": 5})).predict(zero)["y"])
    assert not np.array_equal(first, other.predict(zero)["y"])
    free = Model(random_program(kind, {}))
    assert not np.array_equal(free.predict(zero)["y"], free.predict(zero)["y"])


@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_classes_are_drawn_by_their_probabilities(mode: str) -> None:
    samples = 20_000
    probabilities = np.array([[0.5, 0.25, 0.25, 0], [0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    with np.errstate(divide="ignore"):
        x = np.log(probabilities) + 2 if mode == "logits" else 3 * probabilities
    spec, block = new_program({"x": ("float32", (2, 4))}, {"y": ("float32", (2, samples))})
    inputs = {"x": Ref("x"), "mode": mode, "size": samples, "seed": 1}
    add_operation(block, "random_categorical", inputs, {"y": ("float32", (2, samples))})
    found = Model(spec).predict({"x": x.astype(np.float32)})["y"]
    for row in range(2):
        shares = np.bincount(found[row].astype(int), minlength=4) / samples
        error = SIGMAS * np.sqrt(probabilities[row] * (1 - probabilities[row]) / samples)
        assert (np.abs(shares - probabilities[row]) <= error).all(), shares


def test_shapes_that_are_only_known_when_the_model_runs() -> None:
    spec, block = new_program({"sizes": ("int32", (2,))}, {"y": ("float32", (None, None))})
    inputs = {"shape": Ref("sizes"), "seed": 4, "stddev": 1.0}
    add_operation(block, "random_normal", inputs, {"y": ("float32", (None, None))})
    model = Model(spec)
    for shape in ((2, 3), (40, 50)):
        assert model.predict({"sizes": np.array(shape, dtype=np.int32)})["y"].shape == shape


DAMAGE: list[tuple[str, Callable[[], dict[str, Any]]]] = [
    ("random_normal", lambda: {"stddev": -1.0}),
    ("random_normal", lambda: {"stddev": float("inf")}),
    ("random_normal", lambda: {"mean": "text"}),
    ("random_normal", lambda: {"shape": np.array([-1, 2])}),
    ("random_normal", lambda: {"shape": np.array([1 << 16, 1 << 16])}),
    ("random_normal", lambda: {"shape": np.array([[1, 2]])}),
    ("random_normal", lambda: {"shape": np.array([1.5])}),
    ("random_uniform", lambda: {"low": 2.0, "high": 1.0}),
    ("random_uniform", lambda: {"seed": 0.5}),
    ("random_bernoulli", lambda: {"prob": 1.5}),
    ("random_bernoulli", lambda: {"prob": float("nan")}),
]


@pytest.mark.parametrize(("kind", "change"), DAMAGE)
def test_damage_is_an_invalid_model(kind: str, change: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(InvalidModelError):
        Model(random_program(kind, change())).graph()


@pytest.mark.parametrize("change", [{"mode": "odds"}, {"size": 0}, {"size": 2**30}, {"x": 1.0}])
def test_damaged_categories_are_an_invalid_model(change: dict[str, Any]) -> None:
    spec, block = new_program({"x": ("float32", (2, 4))}, {"y": ("float32", (2, 1))})
    add_operation(block, "random_categorical", {"x": Ref("x")} | change, {"y": ("float32", (2, 1))})
    with pytest.raises(InvalidModelError):
        Model(spec).graph()
