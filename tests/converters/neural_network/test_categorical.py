from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SAMPLES = 40000


def _layer(samples: int = SAMPLES, *, logits: bool = True, seed: int = 42, **parameters: float) -> Any:
    layer, params = new_layer("categoricalDistribution")
    params.numSamples, params.isLogits, params.seed = samples, logits, seed
    for name, value in parameters.items():
        setattr(params, name, value)
    return layer


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _check(drawn: np.ndarray, probabilities: np.ndarray) -> None:
    classes = probabilities.shape[-1]
    for row, expected in zip(drawn.reshape(-1, SAMPLES), probabilities.reshape(-1, classes), strict=True):
        assert (row == np.rint(row)).all()
        counts = np.bincount(row.astype(int), minlength=classes)
        assert len(counts) == classes, counts
        # Five standard deviations of a binomial distribution.
        errors = 5 * np.sqrt(SAMPLES * expected * (1 - expected)) + 1e-3
        assert (np.abs(counts - SAMPLES * expected) <= errors).all(), (counts, SAMPLES * expected)


@pytest.mark.parametrize("shape", [(10,), (2, 10), (2, 1, 2, 6)])
@pytest.mark.parametrize("logits", [True, False])
@pytest.mark.parametrize("seed", [-1, 42])
@pytest.mark.parametrize("known", [True, False])
def test_frequencies(shape: tuple[int, ...], logits: bool, seed: int, known: bool, rng: np.random.Generator) -> None:
    x = rng.normal(0, 1.5, shape)
    probabilities = _softmax(x)
    given = x if logits else probabilities
    shapes: Any = {} if known else {"x": (None,) * len(shape)}
    y = run_layer(_layer(logits=logits, seed=seed), {"x": given}, rank5=False, shapes=shapes)["y"]
    assert y.shape == (*shape[:-1], SAMPLES)
    _check(y, probabilities)


@pytest.mark.parametrize("logits", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature(logits: bool, temperature: float, rng: np.random.Generator) -> None:
    x = rng.normal(0, 1, (2, 5))
    given = x if logits else _softmax(x)
    y = run_layer(_layer(logits=logits, temperature=temperature), {"x": given}, rank5=False)["y"]
    _check(y, _softmax(x / temperature))


def test_eps_keeps_impossible_classes_possible() -> None:
    given = np.array([0.0, 1.0])
    y = run_layer(_layer(logits=False, eps=0.25), {"x": given}, rank5=False)["y"]
    _check(y, np.array([0.25, 1.25]) / 1.5)
    assert (run_layer(_layer(logits=False), {"x": given}, rank5=False)["y"] == 1).all()


def test_impossible_logits_are_never_drawn() -> None:
    given = np.array([-np.inf, 0, -np.inf, 0, -np.inf])
    y = run_layer(_layer(), {"x": given}, rank5=False)["y"]
    _check(y, np.array([0, 0.5, 0, 0.5, 0]))


def test_a_single_class() -> None:
    assert (run_layer(_layer(5), {"x": np.array([[3.0], [4.0]])}, rank5=False)["y"] == np.zeros((2, 5))).all()


def test_a_seed_fixes_the_classes(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4))
    first, again, other = (run_layer(_layer(200, seed=seed), {"x": x}, rank5=False)["y"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("samples", [-1, 0, 1 << 40, (1 << 31) - 1])
def test_absurd_numbers_of_samples_are_refused(samples: int) -> None:
    with pytest.raises(InvalidModelError, match=r"numSamples|limit here"):
        convert_layer(_layer(samples), {"x": (2, 10)}, rank5=False)


@pytest.mark.parametrize("temperature", [-1.0, math.nan])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(InvalidModelError, match="temperature"):
        convert_layer(_layer(temperature=temperature), {"x": (2, 10)}, rank5=False)
