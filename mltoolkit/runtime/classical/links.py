"""Link functions that turn linear scores into probabilities, safe for scores of any size."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def log_logistic(scores: Floats) -> Floats:
    """log(1 / (1 + exp(-x))) for each score."""
    made: Floats = -np.logaddexp(0.0, -scores)
    return made


def logistic(scores: Floats) -> Floats:
    """1 / (1 + exp(-x)) for each score."""
    made: Floats = np.exp(log_logistic(scores))
    return made


def softmax(scores: Floats) -> Floats:
    """exp(x_i) / sum_j exp(x_j)."""
    powers = np.exp(scores - np.max(scores))
    made: Floats = powers / np.sum(powers)
    return made


def normal_cdf(scores: Floats) -> Floats:
    """The standard normal distribution function of each score, the inverse of the probit."""
    return np.array([0.5 * math.erfc(-score / math.sqrt(2.0)) for score in scores.tolist()])
