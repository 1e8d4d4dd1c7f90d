"""In which order the numbers of a weight of the file stand in the hub's constant."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.array_shapes import same_elements

Array = NDArray[Any]


class Layout(Protocol):
    """A rearrangement that loses nothing."""

    def to_hub(self, stored: Array) -> Array:
        """An array of the file's shape as the hub's constant holds it."""
        ...

    def to_file(self, constant: Array) -> Array:
        """The inverse of :meth:`to_hub`."""
        ...


@dataclass(frozen=True)
class SameOrder:
    """The same numbers in the same order, perhaps under another shape."""

    file_shape: tuple[int, ...]
    hub_shape: tuple[int, ...]

    def to_hub(self, stored: Array) -> Array:
        """See :class:`Layout`."""
        return stored.reshape(self.hub_shape)

    def to_file(self, constant: Array) -> Array:
        """See :class:`Layout`."""
        return constant.reshape(self.file_shape)


@dataclass(frozen=True)
class Exchanged:
    """The last two axes exchanged; else as :class:`SameOrder`."""

    file_shape: tuple[int, ...]
    hub_shape: tuple[int, ...]

    def to_hub(self, stored: Array) -> Array:
        """See :class:`Layout`."""
        return np.ascontiguousarray(stored.swapaxes(-1, -2)).reshape(self.hub_shape)

    def to_file(self, constant: Array) -> Array:
        """See :class:`Layout`."""
        swapped = constant.reshape(*self.file_shape[:-2], self.file_shape[-1], self.file_shape[-2])
        return np.ascontiguousarray(swapped.swapaxes(-1, -2))


@dataclass(frozen=True)
class BlocksInOrder:
    """Equal blocks of rows, such as the gates of a recurrent layer, in another order.

    Attributes:
        order: which of the file's blocks stands first in the hub, which second, …
        file_shape: the file's shape.
        hub_shape: the hub's.
    """

    order: tuple[int, ...]
    file_shape: tuple[int, ...]
    hub_shape: tuple[int, ...]

    def to_hub(self, stored: Array) -> Array:
        """See :class:`Layout`."""
        blocks = stored.reshape(len(self.order), -1)
        return blocks[list(self.order)].reshape(self.hub_shape)

    def to_file(self, constant: Array) -> Array:
        """See :class:`Layout`."""
        blocks = constant.reshape(len(self.order), -1)
        return blocks[np.argsort(self.order)].reshape(self.file_shape)


Fingerprint = tuple[int, int, int]


def fingerprint(array: Array) -> Fingerprint:
    """A number of float32 values and two sums over their bits, which no rearrangement changes."""
    bits = np.ascontiguousarray(array, dtype=np.float32).reshape(-1).view(np.uint32)
    return bits.size, int(bits.sum(dtype=np.uint64)), int(np.bitwise_xor.reduce(bits)) if bits.size else 0


def find_layouts(stored: Array, constant: Array, *, exchange: bool, blocks: int) -> list[Layout]:
    """All ways in which an array of the file becomes the hub's, of those that the hub's operation allows.

    Args:
        stored: of the file's shape.
        constant: the hub's.
        exchange: the last two axes may be exchanged.
        blocks: of how many blocks of rows the constant consists that may stand in any order; 1 for none.
    """
    return [
        layout
        for layout in _candidates(stored, constant, exchange, blocks)
        if np.array_equal(layout.to_hub(stored), constant)
    ]


def _candidates(stored: Array, constant: Array, exchange: bool, blocks: int) -> Iterator[Layout]:
    file_shape, hub_shape = stored.shape, constant.shape
    if blocks > 1:
        rows, wanted = stored.reshape(blocks, -1), constant.reshape(blocks, -1)
        equal = [[np.array_equal(row, one) for row in rows] for one in wanted]
        for order in itertools.permutations(range(blocks)):
            if all(equal[place][source] for place, source in enumerate(order)):
                yield BlocksInOrder(order, file_shape, hub_shape)
        return
    yield SameOrder(file_shape, hub_shape)
    if exchange and len(file_shape) >= 2 and min(file_shape[-2:]) > 1 and _fits_exchanged(file_shape, hub_shape):
        yield Exchanged(file_shape, hub_shape)


def _fits_exchanged(file_shape: tuple[int, ...], hub_shape: tuple[int, ...]) -> bool:
    swapped = (*file_shape[:-2], file_shape[-1], file_shape[-2])
    return same_elements(swapped, hub_shape)
