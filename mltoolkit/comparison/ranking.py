"""Which class a score vector puts first, with ties defined: of equal scores the lower index ranks first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_1(scores: NDArray[np.floating]) -> int:
    """Index of the greatest score, the lowest such index where several are equal.

    >>> top_1(np.array([0.1, 0.4, 0.1, 0.4]))
    1
    """
    return int(np.argmax(scores))


def rank_of(scores: NDArray[np.floating], index: int) -> int:
    """Place of ``index`` in the ranking, 0 for the first.

    >>> rank_of(np.array([0.4, 0.1, 0.4, 0.1]), 3)
    3
    """
    score = scores[index]
    return int(np.count_nonzero(scores > score) + np.count_nonzero(scores[:index] == score))


def top_k(scores: NDArray[np.floating], k: int) -> list[int]:
    """Indices of the k first classes, best first; all of them where there are fewer than k.

    >>> top_k(np.array([0.1, 0.4, 0.1, 0.4]), 3)
    [1, 3, 0]
    """
    return [int(index) for index in np.argsort(-scores, kind="stable")[:k]]
