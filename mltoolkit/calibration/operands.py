"""The constants of a hub graph that weights of the file may have become, and how each takes part in a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.convolutions import Convolution, TransposedConvolution, Window
from mltoolkit.calibration.matrix_products import LeftMatrix, RightMatrix
from mltoolkit.calibration.statistics import Columns

Array = NDArray[Any]
Index = tuple[int | slice, ...]


class Product(Protocol):
    """How a constant, or a part of one, is multiplied with what it meets."""

    @property
    def groups(self) -> int:
        """Products side by side."""
        ...

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        ...

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape, groups times outputs numbers, can be added to the result."""
        ...

    def matrix(self, weights: Array) -> Array:
        """The part of the constant as (groups, outputs, inputs)."""
        ...

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        ...

    def positions(self, arrays: Sequence[Array]) -> int:
        """How many positions a sample has."""
        ...

    def columns(self, arrays: Sequence[Array], chosen: NDArray[np.intp]) -> Columns:
        """The inputs at some of them, (groups, inputs, positions)."""
        ...


@dataclass(frozen=True)
class Operand:
    """A constant of a node, or a part of it.

    Attributes:
        node: the node.
        place: which of its inputs the constant is.
        product: how it is multiplied.
        reads: which of the node's inputs it is multiplied with.
        part: the part of the constant; () for all of it.
        exchange: the file may hold it with its last two axes exchanged.
        blocks: of how many blocks of rows it consists whose order may differ.
    """

    node: ir.Node
    place: int
    product: Product
    reads: tuple[int, ...] = (0,)
    part: Index = ()
    exchange: bool = False
    blocks: int = 1

    @property
    def constant(self) -> ir.Value:
        """The constant."""
        value = self.node.inputs[self.place]
        assert value is not None
        return value

    def values(self) -> Array:
        """The numbers."""
        tensor = self.constant.const_value
        assert tensor is not None
        array: Array = tensor.numpy()
        return array[self.part]


def _convolution(node: ir.Node) -> Iterator[Operand]:
    shape = _constant_shape(node, 1)
    if shape is not None:
        yield Operand(node, 1, Convolution(Window.of(node, shape[2:]), shape))


def _transposed_convolution(node: ir.Node) -> Iterator[Operand]:
    shape = _constant_shape(node, 1)
    if shape is not None:
        yield Operand(node, 1, TransposedConvolution(Window.of(node, shape[2:]), shape))


def _gemm(node: ir.Node) -> Iterator[Operand]:
    attributes = node.attributes
    shape = _constant_shape(node, 1)
    if shape is None or attributes.get_float("alpha", 1.0) != 1 or attributes.get_float("beta", 1.0) != 1:
        return
    transposed, swapped = bool(attributes.get_int("transB", 0)), bool(attributes.get_int("transA", 0))
    yield Operand(node, 1, RightMatrix(shape, transposed, swapped), exchange=True)


def _matmul(node: ir.Node) -> Iterator[Operand]:
    right, left = _constant_shape(node, 1), _constant_shape(node, 0)
    if right is not None and left is None:
        yield Operand(node, 1, RightMatrix(right), exchange=True)
    elif left is not None and right is None and len(left) == 2:
        yield Operand(node, 0, LeftMatrix((left[0], left[1])), reads=(1,), exchange=True)


def _constant_shape(node: ir.Node, place: int) -> tuple[int, ...] | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    tensor = value.const_value if value is not None else None
    if tensor is None or tensor.dtype != ir.DataType.FLOAT:
        return None
    return tuple(int(size) for size in tensor.shape.numpy())


OPERANDS: dict[str, Callable[[ir.Node], Iterator[Operand]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
}


def iter_operands(graph: ir.Graph) -> Iterator[Operand]:
    """The operands of all nodes of a graph's main part, in its order."""
    for node in graph:
        if node.domain == "" and node.op_type in OPERANDS:
            yield from OPERANDS[node.op_type](node)
