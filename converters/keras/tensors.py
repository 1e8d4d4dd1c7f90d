"""Values of the walk: an ONNX value, and how Keras' axes lie in it.

Keras models are mostly channels-last, (N, H, W, C), while ONNX and Core ML compute on (N, C, H, W). A feature map
is therefore kept channels-first from one layer to the next and only marked as such: `moved` says that Keras' last
axis is stored at place 1. Values are turned where a layer needs Keras' order, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mltoolkit.graph.builder import Dimension, GraphBuilder, shape_of


@dataclass(frozen=True)
class Mask:
    """Keras' mask of a tensor: a bool value in the graph; None where it is not known how it is made."""

    value: ir.Value | None


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the Keras model.

    Attributes:
        value: the ONNX value that holds it.
        moved: Keras' last axis is stored at place 1, the others follow in order: (N, H, W, C) as (N, C, H, W).
            Only from rank 3 on.
        mask: Keras' mask, where one is attached.
    """

    value: ir.Value
    moved: bool = False
    mask: Mask | None = None

    @property
    def stored_shape(self) -> tuple[Dimension, ...]:
        """The shape of the ONNX value."""
        return shape_of(self.value)

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.stored_shape)

    @property
    def shape(self) -> tuple[Dimension, ...]:
        """The shape in Keras' order."""
        stored = self.stored_shape
        return (stored[0], *stored[2:], stored[1]) if self.moved else stored

    def stored_axis(self, axis: int) -> int:
        """Where an axis of Keras' order, which may be negative, lies in the ONNX value."""
        axis %= self.rank
        if not self.moved or axis == 0:
            return axis
        return 1 if axis == self.rank - 1 else axis + 1

    def stored_order(self, values: Sequence[int]) -> list[int]:
        """One number for each axis in Keras' order, in the order of the ONNX value."""
        return [values[0], values[-1], *values[1:-1]] if self.moved else list(values)


class Layouts:
    """Gives tensors in the order that a layer needs; each is turned at most once."""

    def __init__(self, builder: GraphBuilder) -> None:
        self._builder = builder
        self._first: dict[ir.Value, ir.Value] = {}
        self._last: dict[ir.Value, ir.Value] = {}

    def logical(self, tensor: Tensor) -> ir.Value:
        """A value in Keras' order."""
        if not tensor.moved:
            return tensor.value
        if tensor.value not in self._last:
            axes = [0, *range(2, tensor.rank), 1]
            self._pair(tensor.value, self._turned(tensor.value, axes))
        return self._last[tensor.value]

    def channels_first(self, tensor: Tensor) -> ir.Value:
        """A value with Keras' last axis at place 1; one of rank 1 or 2 as it is."""
        if tensor.moved or tensor.rank < 3:
            return tensor.value
        if tensor.value not in self._first:
            axes = [0, tensor.rank - 1, *range(1, tensor.rank - 1)]
            self._pair(self._turned(tensor.value, axes), tensor.value)
        return self._first[tensor.value]

    def moved(self, tensor: Tensor) -> Tensor:
        """The same tensor, channels-first."""
        return Tensor(self.channels_first(tensor), tensor.rank >= 3, tensor.mask)

    def unmoved(self, tensor: Tensor) -> Tensor:
        """The same tensor in Keras' order."""
        return Tensor(self.logical(tensor), False, tensor.mask)

    def stored_in_order(self, tensor: Tensor) -> bool:
        """Whether the elements lie in Keras' order although the axes may not: only axes of size 1 differ in place."""
        axes = [0, *range(2, tensor.rank), 1] if tensor.moved else []
        longer = [axis for axis in axes if tensor.stored_shape[axis] != 1]
        return longer == sorted(longer)

    def _pair(self, first: ir.Value, last: ir.Value) -> None:
        self._first[last] = first
        self._last[first] = last

    def _turned(self, value: ir.Value, axes: list[int]) -> ir.Value:
        shape = [shape_of(value)[axis] for axis in axes]
        longer = [axis for axis in axes if shape_of(value)[axis] != 1]
        unknown = [size for size in shape if not isinstance(size, int)]
        if longer == sorted(longer) and len(unknown) <= 1:
            # Only axes of size 1 change their place, and no element does.
            sizes = [size if isinstance(size, int) else -1 for size in shape]
            return self._builder.op("Reshape", value, self._builder.constant(sizes))
        return self._builder.op("Transpose", value, attributes={"perm": axes})
