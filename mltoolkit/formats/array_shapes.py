"""Shapes that hold the same elements in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def same_elements(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two shapes differ in axes of size 1 alone: a network's rank-5 blobs against a program's tensors.

    >>> same_elements((1, 10, 1, 1), (1, 10))
    True
    """
    return [size for size in a if size != 1] == [size for size in b if size != 1]
