"""Things that take time to make, kept for the next use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

# A flexible model may see many input shapes; each takes a copy of the weights.
MAX_SHAPES = 4
MAX_RUNNERS = 8

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """The most recently used items, made on demand."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, Item] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """The item of that key, made now if it is not there; the one not used for longest goes."""
        if key not in self._items:
            self._items[key] = make()
            while len(self._items) > self._size:
                self._items.popitem(last=False)
        self._items.move_to_end(key)
        return self._items[key]
