"""Matching the class lists of two classifiers.

Label strings need not be unique: Apple's SqueezeNet has "macbook" and "pot" twice. Where both models carry
the same list, classes are therefore matched by index. Only where the lists differ does a class go by its
label string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.metrics import is_distribution, kl_divergence
from mltoolkit.comparison.ranking import rank_of, top_1, top_k


@dataclass(frozen=True, slots=True)
class ClassDifference:
    """What two classifiers say of one input.

    Attributes:
        reference_class: index of the first model's answer in its own class list.
        other_class: index of the second model's answer in its own class list.
        agree: whether both answers are the same class.
        in_top_k: whether the first model's answer is among the k best of the second.
        kl: divergence of the probabilities in nats; None where the scores are not probabilities, or the two
            lists do not hold the same classes.
    """

    reference_class: int
    other_class: int
    agree: bool
    in_top_k: bool
    kl: float | None


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """How the classes of a first model correspond to those of a second.

    Attributes:
        reference: labels of the first model as strings, by class index.
        other: labels of the second model as strings, by class index.
        by_index: the two lists are equal, so that an index means the same class in both.
        order: for each class of the first model its index in the second; None where the lists hold
            different or repeated labels.
    """

    reference: tuple[str, ...]
    other: tuple[str, ...]
    by_index: bool
    order: NDArray[np.intp] | None

    def compare(self, p: NDArray[np.floating], q: NDArray[np.floating], k: int) -> ClassDifference:
        """The difference of the score vectors ``p`` (first model) and ``q`` (second), without NaN."""
        first, second = top_1(p), top_1(q)
        if self.by_index:
            agree = first == second
            in_top_k = rank_of(q, first) < k
        else:
            answer = self.reference[first]
            agree = answer == self.other[second]
            in_top_k = answer in {self.other[index] for index in top_k(q, k)}
        kl = None
        if self.order is not None and is_distribution(p) and is_distribution(q):
            kl = kl_divergence(p, q if self.by_index else q[self.order])
        return ClassDifference(first, second, agree, in_top_k, kl)


def match_classes(reference: Sequence[str | int], other: Sequence[str | int]) -> ClassMatch:
    """Match two class lists: by index where they are equal, else by label string.

    >>> match_classes(["cat", "dog"], ["dog", "cat"]).order
    array([1, 0])
    >>> match_classes(["pot", "pot"], ["pot", "pot"]).by_index
    True
    """
    first, second = tuple(map(str, reference)), tuple(map(str, other))
    if first == second:
        return ClassMatch(first, second, True, np.arange(len(first)))
    places = {label: index for index, label in enumerate(second)}
    unique = len(places) == len(second) and len(set(first)) == len(first)
    if unique and set(first) == set(second):
        return ClassMatch(first, second, False, np.array([places[label] for label in first], dtype=np.intp))
    return ClassMatch(first, second, False, None)
