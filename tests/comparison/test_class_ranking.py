"""Ties and class lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mltoolkit.comparison.labels import match_classes
from mltoolkit.comparison.metrics import kl_divergence
from mltoolkit.comparison.ranking import rank_of, top_1, top_k

# Few distinct values, so that ties are common.
score_vectors = hnp.arrays(np.float32, st.integers(1, 8), elements=st.sampled_from([0, 0.25, 0.5, 1]))


@given(scores=score_vectors)
def test_ranking_is_by_score_then_index(scores: np.ndarray) -> None:
    expected = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    assert top_k(scores, len(scores) + 2) == expected
    assert top_1(scores) == expected[0]
    assert [rank_of(scores, index) for index in expected] == list(range(len(scores)))


def test_ties_go_to_the_lowest_index_in_both_models() -> None:
    match = match_classes(["a", "b", "c"], ["a", "b", "c"])
    tied = np.array([0.1, 0.45, 0.45])
    assert match.compare(tied, np.array([0.1, 0.5, 0.4]), 1).agree
    assert not match.compare(tied, np.array([0.1, 0.4, 0.5]), 1).agree


def test_repeated_labels_are_told_apart_by_index() -> None:
    """Two classes called "pot" are two classes while both models list them alike."""
    match = match_classes(["pot", "pot", "pan"], ["pot", "pot", "pan"])
    assert not match.compare(np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.8, 0.1]), 1).agree


def test_another_order_is_matched_by_label() -> None:
    match = match_classes(["cat", "dog", "eel"], ["eel", "cat", "dog"])
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.3, 0.5, 0.2])
    found = match.compare(p, q, 1)
    assert (match.by_index, found.reference_class, found.other_class, found.agree) == (False, 0, 1, True)
    assert found.kl == pytest.approx(kl_divergence(p, [0.5, 0.2, 0.3]))


def test_other_labels_have_no_divergence_but_an_agreement() -> None:
    match = match_classes(["cat", "dog"], ["dog", "fox", "owl"])
    found = match.compare(np.array([0.1, 0.9]), np.array([0.3, 0.4, 0.3]), 2)
    assert (found.agree, found.in_top_k, found.kl) == (False, True, None)


def test_numbers_and_their_strings_are_the_same_labels() -> None:
    assert match_classes([0, 1, 2], ["0", "1", "2"]).by_index


def test_scores_that_are_no_probabilities_have_no_divergence() -> None:
    match = match_classes(["a", "b"], ["a", "b"])
    found = match.compare(np.array([-3.0, 2.0]), np.array([-2.0, 5.0]), 1)
    assert found.agree
    assert found.kl is None


@given(p=score_vectors, k=st.integers(1, 4))
def test_top_k_by_index_and_by_label_agree(p: np.ndarray, k: int) -> None:
    """The same classes in another order give the same answer wherever no score ties."""
    labels = [f"class {index}" for index in range(len(p))]
    q = np.random.default_rng(len(p)).permutation(len(p)).astype(np.float32)
    straight = match_classes(labels, labels).compare(p, q, k)
    turned = match_classes(labels, labels[::-1]).compare(p, q[::-1], k)
    assert (straight.agree, straight.in_top_k) == (turned.agree, turned.in_top_k)
