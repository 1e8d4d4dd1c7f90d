"""Which class became which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mltoolkit.comparison.report import ComparisonReport


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A class of the first model that the second takes for another.

    Attributes:
        first: the first model's answer.
        second: the second model's answer.
        count: inputs for which that is so.
        example: one of them, the one on which the second model is surest.
    """

    first: str
    second: str
    count: int
    example: str


def disagreements(report: ComparisonReport) -> tuple[Disagreement, ...]:
    """Every pair of different answers, the most frequent first; none for models that are no classifiers."""
    examples: dict[tuple[str, str], tuple[float, str]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in report.inputs:
        if row.agree is False:
            pair = str(row.reference_label), str(row.other_label)
            counts[pair] += 1
            score = row.other_score or 0.0
            if pair not in examples or score > examples[pair][0]:
                examples[pair] = score, row.name
    return tuple(Disagreement(*pair, count, examples[pair][1]) for pair, count in counts.most_common())


def confusion_matrix(report: ComparisonReport, most: int) -> tuple[list[str], list[list[int]]]:
    """How often the second model gives each answer for each of the first's, agreements included.

    Args:
        report: of two classifiers.
        most: the most labels that may occur.

    Returns:
        The labels that occur, sorted, and counts by first and second answer. Both
        are empty where more labels than ``most`` occur.
    """
    pairs = Counter((str(row.reference_label), str(row.other_label)) for row in report.inputs if row.agree is not None)
    labels = sorted({label for pair in pairs for label in pair})
    if len(labels) > most:
        return [], []
    return labels, [[pairs[first, second] for second in labels] for first in labels]
