"""What the names of a program stand for: graph values, constants, and whatever else a converter binds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError, did_you_mean
from mltoolkit.graph.quantization_record import QuantizationRecord


class Constant:
    """A value known before the model runs, read from the program or a weight file when first needed.

    Attributes:
        name: what the program calls it.
        record: how the program stores it, where that is not as it is held.
    """

    def __init__(self, name: str, read: Callable[[], Any], record: QuantizationRecord | None = None) -> None:
        self.name = name
        self.record = record
        self._read: Callable[[], Any] | None = read
        self._stored: Any = None

    @property
    def stored(self) -> Any:
        """The value in its own type: an array (shape () for a scalar), a ``str``, a list or a dictionary."""
        if self._read is not None:
            self._stored, self._read = self._read(), None
        return self._stored


class Decoded(Constant):
    """An array that is made anew each time it is asked for, since what it is made of takes less memory.

    Attributes:
        shape: its shape.
        dtype: its type.
    """

    def __init__(
        self, name: str, make: Callable[[], NDArray[Any]], made: NDArray[Any], record: QuantizationRecord | None
    ) -> None:
        super().__init__(name, make, record)
        self.shape, self.dtype = made.shape, made.dtype
        self._make = make

    @property
    def stored(self) -> Any:
        """The array in its own type."""
        return self._make()


def in_hub_type(array: NDArray[Any]) -> NDArray[Any]:
    """An array in the type in which the hub holds it: float32, int64 or bool; texts stay as they are."""
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind in "bO":
        return array
    # bfloat16 and the 8-bit floats have a kind of their own ("V").
    return array.astype(np.float32, copy=False)


class Scopes:
    """The names that operations can see: those of their own block and of the blocks around it."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = [{}]

    @contextmanager
    def block(self) -> Iterator[None]:
        """Names bound inside are forgotten afterwards."""
        self._blocks.append({})
        try:
            yield
        finally:
            self._blocks.pop()

    def bind(self, name: str, bound: Any) -> None:
        """Let a name stand for something in the innermost block.

        Raises:
            InvalidModelError: it stands for something there already.
        """
        if name in self._blocks[-1]:
            raise InvalidModelError(f"the program gives the name {name!r} twice")
        self._blocks[-1][name] = bound

    def rebind(self, name: str, bound: Any) -> None:
        """Let a name of any visible block stand for something else, as states do."""
        for block in reversed(self._blocks):
            if name in block:
                block[name] = bound
                return
        self.bind(name, bound)

    def find(self, name: str, where: str) -> Any:
        """What a name stands for.

        Raises:
            InvalidModelError: nothing.
        """
        for block in reversed(self._blocks):
            if name in block:
                return block[name]
        known = [known for block in reversed(self._blocks) for known in block]
        raise InvalidModelError(
            f"nothing before the operation makes {name!r}", where=where, fix=did_you_mean(name, known)
        )
