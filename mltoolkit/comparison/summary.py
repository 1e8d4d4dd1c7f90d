"""From the results of single inputs to the figures of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mltoolkit.comparison.records import InputComparison, OutputDifference


@dataclass(frozen=True, slots=True)
class Decibels:
    """A ratio in dB over all inputs.

    Inputs whose outputs are equal (+inf dB) are counted apart, not averaged.

    Attributes:
        mean: mean over the inputs that differ; +inf where none does, -inf where one is broken (infinite
            noise).
        std: standard deviation over the same; NaN where the mean is infinite.
        minimum: the worst input.
    """

    mean: float
    std: float
    minimum: float


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """How one output differs over all inputs.

    Attributes:
        name: the output.
        count: inputs measured.
        identical: inputs for which both models give exactly the same.
        snr: signal-to-noise ratio.
        psnr: peak signal-to-noise ratio.
        ssim: mean structural similarity of pictures; None for other outputs, or without scikit-image.
        equal: mean fraction of equal elements; None unless the output holds integers.
    """

    name: str
    count: int
    identical: int
    snr: Decibels
    psnr: Decibels
    ssim: float | None
    equal: float | None


def summarise_outputs(inputs: Sequence[InputComparison]) -> tuple[OutputSummary, ...]:
    """One summary an output, in the order of the model's outputs."""
    by_name: dict[str, list[OutputDifference]] = {}
    for row in inputs:
        for output in row.outputs:
            by_name.setdefault(output.name, []).append(output)
    return tuple(
        OutputSummary(
            name,
            len(found),
            sum(output.snr_db == math.inf for output in found),
            _decibels([output.snr_db for output in found]),
            _decibels([output.psnr_db for output in found]),
            _mean(found, lambda output: output.ssim),
            _mean(found, lambda output: output.equal),
        )
        for name, found in by_name.items()
    )


def worst_inputs(inputs: Sequence[InputComparison], most: int) -> tuple[InputComparison, ...]:
    """The inputs on which the models disagree most, worst first; those without any difference are left out.

    Classifiers go by the divergence of their probabilities, and where there is none by disagreement; other
    models by the lowest signal-to-noise ratio of any output. Of equal ones the earlier input comes first.
    """

    def badness(row: InputComparison) -> tuple[float, bool, float]:
        return row.kl or 0.0, row.agree is False, -row.lowest_snr_db

    differing = [row for row in inputs if badness(row) != (0.0, False, -math.inf)]
    return tuple(sorted(differing, key=badness, reverse=True)[:most])


def mean_kl(inputs: Sequence[InputComparison]) -> float | None:
    """Mean divergence in nats; None where it does not exist for some input."""
    values = [row.kl for row in inputs if row.kl is not None]
    return statistics.fmean(values) if values and len(values) == len(inputs) else None


def _mean(found: Sequence[OutputDifference], of: Callable[[OutputDifference], float | None]) -> float | None:
    values = [value for value in map(of, found) if value is not None]
    return statistics.fmean(values) if values else None


def _decibels(values: Sequence[float]) -> Decibels:
    minimum = min(values)
    if minimum == -math.inf:
        return Decibels(-math.inf, math.nan, -math.inf)
    finite = [value for value in values if value != math.inf]
    if not finite:
        return Decibels(math.inf, math.nan, math.inf)
    return Decibels(statistics.fmean(finite), statistics.pstdev(finite), minimum)
