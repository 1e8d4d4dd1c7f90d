"""How far the outputs of a quantized network are from those of the float network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.graph.model_graph import ModelGraph

Outputs = Sequence[Mapping[str, NDArray[Any]]]
# A probability below this is no information, and its logarithm noise.
_LEAST_PROBABILITY = 1e-9
# Above it a quantized network is as good as any other: NaN and overflow count as this.
WORST = 1e6


def divergence(graph: ModelGraph, reference: Outputs, other: Outputs) -> float:
    """For a classifier the mean Kullback-Leibler divergence of its probabilities in nats, else the relative error.

    The relative error of an output is the mean square of its difference over its variance; the mean of all outputs
    is taken.

    Args:
        graph: says which output holds probabilities.
        reference: the float network's outputs for each sample.
        other: those of the other network, for the same samples.
    """
    if graph.probabilities:
        pairs = zip(reference, other, strict=True)
        result = np.mean([_kullback_leibler(a[graph.probabilities], b[graph.probabilities]) for a, b in pairs])
    else:
        floats = [name for name, array in reference[0].items() if array.dtype.kind == "f" and array.size]
        result = np.mean([_relative_error(reference, other, name) for name in floats]) if floats else np.float64(0)
    return float(result) if np.isfinite(result) else WORST


def _kullback_leibler(expected: NDArray[Any], found: NDArray[Any]) -> float:
    p = np.maximum(expected.reshape(-1).astype(np.float64), _LEAST_PROBABILITY)
    q = np.maximum(found.reshape(-1).astype(np.float64), _LEAST_PROBABILITY)
    p, q = p / p.sum(), q / q.sum()
    return float(p @ (np.log(p) - np.log(q)))


def _relative_error(reference: Outputs, other: Outputs, name: str) -> float:
    error = total = square = 0.0
    count = 0
    for expected, found in zip(reference, other, strict=True):
        a, b = expected[name].astype(np.float64).reshape(-1), found[name].astype(np.float64).reshape(-1)
        if a.size != b.size:
            return WORST
        error += float(((a - b) ** 2).sum())
        total, square, count = total + float(a.sum()), square + float((a**2).sum()), count + a.size
    variance = square - total**2 / max(count, 1)
    return error / variance if variance > 0 else (0.0 if error == 0 else WORST)


def top_class_agrees(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """1 where two classifiers' most probable class is the same, else 0; of equal ones the first counts."""
    return float(expected.reshape(-1).argmax() == found.reshape(-1).argmax())
