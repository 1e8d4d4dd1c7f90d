"""Which layer of one file is which of another, by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

# What coremltools appends to the outputs of operations that it moves to float16 (its pass add_fp16_cast).
_IN_FLOAT16 = "_cast_fp16"


def match_names(a: Sequence[str], b: Sequence[str]) -> dict[int, int]:
    """For the places in ``a`` the places in ``b`` of the same names; places without a twin are left out.

    A name that stands several times in one file is matched in order. What finds no twin is matched by the identifier
    that its name becomes in an ML Program (``conv1/relu`` → ``conv1_relu``, in float16 ``conv1_relu_cast_fp16``), where
    that is the only one.

    >>> match_names(["conv1/relu", "pool"], ["pool", "conv1_relu_cast_fp16", "fc"])
    {0: 1, 1: 0}
    """
    exact = dict(_numbered(b))
    twins = {place: exact[key] for key, place in _numbered(a) if key in exact}
    taken = set(twins.values())
    first = _unique((place, name) for place, name in enumerate(a) if place not in twins)
    second = _unique((place, name) for place, name in enumerate(b) if place not in taken)
    twins.update((place, second[name]) for name, place in first.items() if name in second)
    return dict(sorted(twins.items()))


def _numbered(names: Sequence[str]) -> Iterator[tuple[tuple[str, int], int]]:
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        yield (name, seen[name]), place
        seen[name] += 1


def _unique(names: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Identifier → place, of the identifiers that stand there once."""
    found = [(re.sub(r"\W", "_", name).removesuffix(_IN_FLOAT16), place) for place, name in names]
    counts = Counter(identifier for identifier, _ in found)
    return {identifier: place for identifier, place in found if counts[identifier] == 1}
