"""Large weights of neural networks, written into their message at once.

coremltools hands weights to protobuf one Python number at a time, which takes most of the time that a large network
needs and four times its memory. Here it gets stand-ins whose ``flatten()`` is a single number, by which the message is
found again and filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.float_field import write_floats
from mltoolkit.formats.weight_fields import iter_weight_fields

# Smaller weights are left to coremltools.
_LEAST_ELEMENTS = 1024
# Operations whose layers do nothing with this input but write it, and that input.
_INPUTS = {"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y"}
# Bits of the first number that stands for a weight: 1.7e38; the next numbers follow.
_FIRST_BITS = 0x7F000000


class DeferredWeights:
    """The weights of one network between coremltools' writing of layers and the finished message."""

    def __init__(self) -> None:
        self._weights: dict[float, NDArray[np.float32]] = {}

    def stand_in(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """The array, whose ``flatten()`` gives a :class:`_Placeholder` (as do its transposed views)."""
        view = array.view(_Deferred)
        view.owner = self
        return view

    def keep(self, array: NDArray[np.float32]) -> float:
        """Keep an array; the number that stands for it."""
        bits = np.uint32(_FIRST_BITS + len(self._weights))
        number = float(bits.view(np.float32))
        self._weights[number] = array
        return number

    def fill(self, spec: Any) -> None:
        """Put the weights in their places.

        Raises:
            UnsupportedModelError: one has no place, so that the network would be wrong.
        """
        for field in iter_weight_fields(spec):
            params = field.params
            if len(params.floatValue) == 1 and params.floatValue[0] in self._weights:
                write_floats(params, "floatValue", self._weights.pop(params.floatValue[0]))
        if self._weights:
            raise UnsupportedModelError(f"{len(self._weights)} weights found no layer", fix="Try format='mlpackage'")


class _Deferred(np.ndarray[Any, np.dtype[np.float32]]):
    """An array whose elements are asked for later."""

    owner: DeferredWeights

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, _Deferred):
            self.owner = source.owner

    def flatten(self, order: Any = "C") -> Any:
        """What coremltools takes for the elements."""
        return _Placeholder(self.owner.keep(self.view(np.ndarray)))


class _Placeholder:
    """The single number that stands for the elements of an array."""

    def __init__(self, number: float) -> None:
        self._number = number

    def __iter__(self) -> Iterator[float]:
        yield self._number

    def flatten(self) -> _Placeholder:
        """Itself: coremltools flattens some weights twice."""
        return self


@contextmanager
def deferred_weights() -> Iterator[DeferredWeights]:
    """Let coremltools' network backend meet stand-ins for large weights; call ``fill`` on what it wrote."""
    from coremltools.converters.mil.backend.nn import load

    deferred = DeferredWeights()
    convert_ops = load.convert_ops

    def convert(const_context: Any, builder: Any, operations: Iterable[Any], outputs: Any) -> None:
        operations = list(operations)
        weights = [weight for operation in operations if (weight := _large_weight(operation)) is not None]
        for weight in weights:
            weight._sym_val.val = deferred.stand_in(weight.val)
        convert_ops(const_context, builder, operations, outputs)
        for weight in weights:
            # The program needs it no more: from here on each weight goes when it is in its place.
            weight._sym_val = weight.op.val._sym_val = None

    load.convert_ops = convert
    try:
        yield deferred
    finally:
        load.convert_ops = convert_ops


def _large_weight(operation: Any) -> Any:
    """The constant of an operation that is to be deferred, None where there is none."""
    name = _INPUTS.get(operation.op_type)
    weight = None if name is None else operation.inputs.get(name)
    if weight is None or weight.op is None or weight.op.op_type != "const" or weight.consuming_blocks:
        return None
    if len(weight.child_ops) != 1 or (name == "y" and weight.rank != 2):
        return None  # read by others too, or not part of the layer
    array = weight.val
    plain = isinstance(array, np.ndarray) and array.dtype == np.float32 and array.ndim > 1
    return weight if plain and array.size >= _LEAST_ELEMENTS else None
