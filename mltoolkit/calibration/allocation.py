"""Sharing out bytes: which form each weight gets, so that the whole fits a budget and loses least.

Each weight has options of some bytes and some loss, and the losses are taken to add up. The Lagrangian
Σ loss + λ Σ bytes is minimised weight by weight; λ is searched until the budget is met, and what is left over is
spent greedily (Everett 1963; Shoham and Gersho 1988, "Efficient bit allocation for an arbitrary set of quantizers").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mltoolkit.quantization.slots import Form

_STEPS = 60


@dataclass(frozen=True)
class Option:
    """A way to store a weight.

    Attributes:
        form: how; None leaves it as it is.
        bytes: what it takes.
        loss: how far the network's outputs move if this weight alone is stored so.
    """

    form: Form | None
    bytes: int
    loss: float


Choice = dict[int, Option]


def allocate(options: Mapping[int, Sequence[Option]], budget: int) -> Choice | None:
    """The option of each weight, by its number; None where not even the smallest fit.

    Args:
        options: at least one for each weight.
        budget: bytes for all of them.
    """
    choice = {key: min(own, key=lambda option: (option.bytes, option.loss)) for key, own in options.items()}
    if size(choice) > budget:
        return None
    low, high = 0.0, _largest_price(options)
    for _ in range(_STEPS):
        price = (low + high) / 2
        found = {
            key: min(own, key=lambda option: (option.loss + price * option.bytes, option.bytes))
            for key, own in options.items()
        }
        if size(found) <= budget:
            choice, high = found, price
        else:
            low = price
    return filled(options, choice, budget)


def filled(options: Mapping[int, Sequence[Option]], choice: Choice, budget: int) -> Choice:
    """A choice with what the budget leaves spent where a byte gains most."""
    result, left = dict(choice), budget - size(choice)
    while True:
        better = [
            ((result[key].loss - option.loss) / max(option.bytes - result[key].bytes, 1), key, option)
            for key, own in options.items()
            for option in own
            if option.loss < result[key].loss and option.bytes - result[key].bytes <= left
        ]
        if not better:
            return result
        _, key, option = max(better, key=lambda item: (item[0], -item[1]))
        left -= option.bytes - result[key].bytes
        result[key] = option


def size(choice: Mapping[int, Option]) -> int:
    """The bytes of a choice."""
    return sum(option.bytes for option in choice.values())


def _largest_price(options: Mapping[int, Sequence[Option]]) -> float:
    """A price of a byte at which every weight takes its smallest option."""
    return 1.0 + max((option.loss for own in options.values() for option in own), default=0.0)
