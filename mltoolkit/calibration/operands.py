"""The constants of a hub graph that weights of the file may have become, and how each takes part in a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.biases import Bias, StepBias
from mltoolkit.calibration.constants import Index, constant_array, constant_shape
from mltoolkit.calibration.convolutions import Convolution, TransposedConvolution, Window
from mltoolkit.calibration.embeddings import TableRows
from mltoolkit.calibration.matrix_products import LeftMatrix, Permuted, RightMatrix
from mltoolkit.calibration.readers import NodeInput, Reader
from mltoolkit.calibration.recurrences import (
    GATES,
    StateReader,
    StepMatrix,
    gate_bias,
    knows_reset,
    resets_before,
)
from mltoolkit.calibration.scanned import ScannedState, read_scanned
from mltoolkit.calibration.statistics import Columns

Array = NDArray[Any]
_FIRST = NodeInput(0)


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
        node: the node that multiplies with it.
        place: which of the holder's inputs the constant is.
        product: how it is multiplied.
        reader: takes what it is multiplied with.
        part: the part of the constant; () for all of it.
        exchange: the file may hold it with its last two axes exchanged.
        blocks: of how many blocks of rows it consists whose order may differ.
        transposed: the part is transposed before anything else is done with it.
        holder: the node that reads the constant, where that is not the node itself.
        bias: where its bias is, where that is not behind the node.
    """

    node: ir.Node
    place: int
    product: Product
    reader: Reader = _FIRST
    part: Index = ()
    exchange: bool = False
    blocks: int = 1
    transposed: bool = False
    holder: ir.Node | None = None
    bias: Bias | None = None

    @property
    def constant(self) -> ir.Value:
        """The constant."""
        value = (self.holder or self.node).inputs[self.place]
        assert value is not None
        return value

    def values(self) -> Array:
        """The numbers."""
        array: Array = constant_array(self.constant)[self.part]
        return np.ascontiguousarray(array.T) if self.transposed else array


def _convolution(node: ir.Node) -> Iterator[Operand]:
    shape = constant_shape(node, 1)
    if shape is not None:
        yield Operand(node, 1, Convolution(Window.of(node, shape[2:]), shape))


def _transposed_convolution(node: ir.Node) -> Iterator[Operand]:
    shape = constant_shape(node, 1)
    if shape is not None:
        yield Operand(node, 1, TransposedConvolution(Window.of(node, shape[2:]), shape))


def _gemm(node: ir.Node) -> Iterator[Operand]:
    attributes = node.attributes
    shape = constant_shape(node, 1)
    if shape is None or attributes.get_float("alpha", 1.0) != 1 or attributes.get_float("beta", 1.0) != 1:
        return
    transposed, swapped = bool(attributes.get_int("transB", 0)), bool(attributes.get_int("transA", 0))
    yield Operand(node, 1, RightMatrix(shape, transposed, swapped), exchange=True)


def _matmul(node: ir.Node) -> Iterator[Operand]:
    right, left = constant_shape(node, 1), constant_shape(node, 0)
    if right is not None and left is None:
        yield Operand(node, 1, RightMatrix(right), exchange=True)
    elif left is not None and right is None and len(left) == 2:
        yield Operand(node, 0, LeftMatrix((left[0], left[1])), NodeInput(1), exchange=True)
    elif right is None and left is None:
        yield from _transposed_first(node)


def _transposed_first(node: ir.Node) -> Iterator[Operand]:
    """The right operand of a MatMul that is a Transpose of a constant, as einsum makes it."""
    value = node.inputs[1]
    transpose = value.producer() if value is not None else None
    if value is None or transpose is None or transpose.op_type != "Transpose" or len(value.uses()) != 1:
        return
    shape = constant_shape(transpose, 0)
    if shape is None or transpose.graph is not node.graph:
        return
    order = tuple(transpose.attributes.get_ints("perm", ()) or reversed(range(len(shape))))
    product = Permuted(RightMatrix(tuple(shape[axis] for axis in order)), order)
    yield Operand(node, 0, product, holder=transpose)


def _recurrent(node: ir.Node) -> Iterator[Operand]:
    """W and R of each direction, as a whole and gate by gate."""
    gates = GATES[node.op_type]
    for place in (1, 2):
        shape = constant_shape(node, place)
        for direction in range(shape[0] if shape is not None else 0):
            assert shape is not None
            rows, inputs = shape[1:]
            readers = [_step_reader(node, place, direction, gate == gates - 1) for gate in range(gates)]
            if all(reader is not None for reader in readers):
                own = len(set(readers)) > 1
                product = StepMatrix((rows, inputs), gates if own else 1)
                reader = StateReader(direction, _flags(gates)) if own else readers[0]
                assert reader is not None
                bias = gate_bias(node, place, (direction,))
                yield Operand(node, place, product, reader, (direction,), blocks=gates, bias=bias)
            size = rows // gates
            for gate, one in enumerate(readers if gates > 1 else ()):
                if one is not None:
                    part = (direction, slice(gate * size, (gate + 1) * size))
                    bias = gate_bias(node, place, part)
                    yield Operand(node, place, StepMatrix((size, inputs)), one, part, bias=bias)


def _flags(gates: int) -> tuple[bool, ...]:
    return tuple(gate == gates - 1 for gate in range(gates))


def _step_reader(node: ir.Node, place: int, direction: int, last: bool) -> Reader | None:
    """What a gate's rows are multiplied with; None where that cannot be computed."""
    if place == 1:
        return _FIRST
    if not (last and resets_before(node)):
        return StateReader(direction)
    return StateReader(direction, (True,)) if knows_reset(node, direction) else None


def _scanned(node: ir.Node) -> Iterator[Operand]:
    """W and R of an LSTM that is spelt out as a Scan, as a whole and gate by gate."""
    found = read_scanned(node)
    if found is None:
        return
    for user, holder, place, reader in (
        (found.projection, found.projection, 1, _FIRST),
        (node, found.recursion, 1, ScannedState(found.backward)),
    ):
        shape = constant_shape(holder, place)
        assert shape is not None
        inputs, columns = shape
        size = columns // found.gates
        for start, stop, blocks in (
            (0, columns, found.gates),
            *((gate * size, (gate + 1) * size, 1) for gate in range(found.gates)),
        ):
            yield Operand(
                user,
                place,
                StepMatrix((stop - start, inputs)),
                reader,
                (slice(None), slice(start, stop)),
                blocks=blocks,
                transposed=True,
                holder=holder,
                bias=StepBias(slice(start, stop), found.scanned),
            )


def _gather(node: ir.Node) -> Iterator[Operand]:
    shape = constant_shape(node, 0)
    if shape is not None and len(shape) >= 2 and node.attributes.get_int("axis", 0) == 0:
        yield Operand(node, 0, TableRows(shape), NodeInput(1), exchange=True)


OPERANDS: dict[str, Callable[[ir.Node], Iterator[Operand]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "GRU": _recurrent,
    "Gather": _gather,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _matmul,
    "RNN": _recurrent,
    "Scan": _scanned,
}


def iter_operands(graph: ir.Graph) -> Iterator[Operand]:
    """The operands of all nodes of a graph's main part, in its order."""
    for node in graph:
        if node.domain == "" and node.op_type in OPERANDS:
            yield from OPERANDS[node.op_type](node)
