"""One walk through two models, layer by layer: each runs freely, and the second also on what the first computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.layer_cuts import CutGraph
from mltoolkit.comparison.noise import Powers, signal_and_noise
from mltoolkit.formats.array_shapes import same_elements
from mltoolkit.runtime.freed_memory import return_freed_memory

_Feeds = Mapping[str, NDArray[Any]]
# After so much has been computed, most of it is freed. glibc fragments it: without giving it back a network of 228 MB
# (DeepLab) took 2.5 GB.
_MANY_BYTES = 64 << 20
# Computing value number i of the first or second model, or setting the two side by side.
_Step = tuple[Literal["a", "b", "compare"], int]


@dataclass(frozen=True)
class LayerPowers:
    """Signal and noise of one layer output on one sample.

    Attributes:
        accumulated: both models running freely.
        isolated: the second model's layer reading what the first model computed; None where that has another shape.
    """

    accumulated: Powers
    isolated: Powers | None


class LayerWalk:
    """Two models cut at the same layer outputs.

    Of the values computed, only those are held that a later layer of one of the models reads.

    Args:
        a: the first model's graph.
        b: the second model's, with as many cuts in the same order.
    """

    def __init__(self, a: CutGraph, b: CutGraph) -> None:
        self._a = a
        self._b = b
        self._steps = list(self._ordered())
        last: dict[_Step, int] = {}
        for number, step in enumerate(self._steps):
            last.update((needed, number) for needed in (step, *self._needed(step)))
        self._dropped: list[list[_Step]] = [[] for _ in self._steps]
        for step, number in last.items():
            self._dropped[number].append(step)

    def run(self, a: _Feeds, b: _Feeds, isolated: _Feeds) -> list[LayerPowers | None]:
        """What every cut gave; None where the two arrays cannot be compared.

        Args:
            a: the inputs of the first model's graph.
            b: those of the second's.
            isolated: the inputs of the second's that layers in isolation read.
        """
        held: dict[_Step, NDArray[Any]] = {}
        computed = 0
        found: list[LayerPowers | None] = [None] * len(self._a.segments)
        for step, dropped in zip(self._steps, self._dropped, strict=True):
            kind, place = step
            if kind == "compare":
                found[place] = self._compared(place, held, found, b, isolated)
            else:
                cut, feeds = (self._a, a) if kind == "a" else (self._b, b)
                given = {name: held[kind, source] for name, source in cut.sources[place].items()}
                held[step] = cut.segments[place].run({**feeds, **given})
                computed += held[step].nbytes
            for gone in dropped:
                held.pop(gone, None)
            if computed > _MANY_BYTES:
                return_freed_memory()
                computed = 0
        return found

    def _compared(
        self,
        place: int,
        held: Mapping[_Step, NDArray[Any]],
        found: Sequence[LayerPowers | None],
        own_inputs: _Feeds,
        inputs: _Feeds,
    ) -> LayerPowers | None:
        reference, own = held["a", place], held["b", place]
        if not same_elements(reference.shape, own.shape):
            return None
        accumulated = signal_and_noise(reference, own)
        sources, segment = self._b.sources[place], self._b.segments[place]
        before = [found[source] for source in sources.values()]
        if any(powers is None for powers in before):
            return LayerPowers(accumulated, None)
        if all(powers is not None and _equal(powers.accumulated) for powers in before) and all(
            inputs[name] is own_inputs[name] or np.array_equal(inputs[name], own_inputs[name])
            for name in segment.reads
            if name not in sources
        ):
            # It has read the same already.
            return LayerPowers(accumulated, accumulated)
        given = {name: _like(held["a", source], held["b", source]) for name, source in sources.items()}
        alone = segment.run({**inputs, **given})
        isolated = signal_and_noise(reference, alone) if same_elements(reference.shape, alone.shape) else None
        return LayerPowers(accumulated, isolated)

    def _needed(self, step: _Step) -> list[_Step]:
        """The steps whose results a step reads."""
        kind, place = step
        if kind != "compare":
            cut = self._a if kind == "a" else self._b
            return [(kind, source) for source in cut.sources[place].values()]
        needed: list[_Step] = [("a", place), ("b", place)]
        for source in self._b.sources[place].values():
            needed += [("a", source), ("b", source), ("compare", source)]
        return needed

    def _ordered(self) -> Iterator[_Step]:
        """Every step after those that it needs, and soon after them: depth first."""
        entered: set[_Step] = set()
        for place in range(len(self._a.segments)):
            ways: list[tuple[_Step | None, Iterator[_Step]]] = [(None, iter([("compare", place)]))]
            while ways:
                step, needed = ways[-1]
                following = next((other for other in needed if other not in entered), None)
                if following is not None:
                    entered.add(following)
                    ways.append((following, iter(self._needed(following))))
                else:
                    ways.pop()
                    if step is not None:
                        yield step


def _equal(powers: Powers) -> bool:
    _, noise, broken = powers
    return noise == 0 and not broken


def _like(array: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):  # NaN where the other model has whole numbers
        return array.reshape(other.shape).astype(other.dtype, copy=False)
