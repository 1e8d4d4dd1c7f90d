"""The bias that is added to a product in the hub: read, and shifted by what calibration finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.constants import Array, constant_at, constant_shape, floats_at, new_constant, set_constant

Shift = NDArray[np.floating[Any]]
_WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")


class Bias(Protocol):
    """Where a product's bias is."""

    def read(self, node: ir.Node) -> NDArray[np.float32] | None:
        """What is added to each output of the node's product, flat; None where nothing is."""
        ...

    def shift(self, graph: ir.Graph, node: ir.Node, shift: Shift) -> None:
        """Add to the bias, or make one.

        Args:
            graph: the graph.
            node: the node.
            shift: a number for each output, flat.
        """
        ...


@dataclass(frozen=True)
class ProductBias:
    """An input of a Conv, ConvTranspose or Gemm, else a constant that an Add behind the node adds.

    Attributes:
        shape: such that a bias of it broadcasts against the node's result: (C, 1, 1) for a 2-D convolution.
    """

    shape: tuple[int, ...]

    def read(self, node: ir.Node) -> NDArray[np.float32] | None:
        """See :class:`Bias`."""
        found = self._find(node)
        return np.broadcast_to(floats_at(*found).reshape(-1), (math.prod(self.shape),)).copy() if found else None

    def shift(self, graph: ir.Graph, node: ir.Node, shift: Shift) -> None:
        """See :class:`Bias`."""
        found = self._find(node)
        flat = np.asarray(shift, dtype=np.float32).reshape(-1)
        if found is None:
            if node.op_type in _WITH_BIAS and (len(node.inputs) < 3 or node.inputs[2] is None):
                if len(node.inputs) < 3:
                    node.resize_inputs(3)
                node.replace_input_with(2, new_constant(graph, f"{node.name}/bias", flat))
            else:
                _insert_add(graph, node, flat.reshape(self.shape))
            return
        adder, place = found
        before = floats_at(adder, place)
        # A single number for all outputs becomes one for each.
        own = before.shape if before.size == flat.size else flat.shape if adder is node else self.shape
        set_constant(graph, adder, place, (before.reshape(-1) + flat).reshape(own))

    def _find(self, node: ir.Node) -> tuple[ir.Node, int] | None:
        """The node that adds the bias, and which of its inputs that is."""
        if node.op_type in _WITH_BIAS and len(node.inputs) > 2 and node.inputs[2] is not None:
            return (node, 2) if _is_bias(node, 2, (math.prod(self.shape),)) else None
        product = node.outputs[0]
        uses = list(product.uses())
        if node.op_type in _WITH_BIAS or len(uses) != 1 or product.is_graph_output() or uses[0].node.op_type != "Add":
            return None
        add, place = uses[0].node, 1 - uses[0].idx
        return (add, place) if _is_bias(add, place, self.shape) else None


def _is_bias(node: ir.Node, place: int, shape: tuple[int, ...]) -> bool:
    """Whether a node reads a constant with one number for each output, or one for all."""
    own = constant_shape(node, place)
    if own is None:
        return False
    return all(size == 1 for size in own) or _without_leading_ones(own) == _without_leading_ones(shape)


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _insert_add(graph: ir.Graph, node: ir.Node, bias: Array) -> None:
    product = node.outputs[0]
    constant = new_constant(graph, f"{node.name}/bias", bias)
    total = ir.Value(name=f"{product.name}/with_bias", type=product.type, shape=product.shape)
    users = list(product.uses())
    add = ir.node("Add", [product, constant], outputs=[total], name=f"{node.name}/Add")
    add.metadata_props.update(node.metadata_props)
    graph.insert_after(node, add)
    for use in users:
        use.node.replace_input_with(use.idx, total)
    for index, output in enumerate(graph.outputs):
        if output is product:
            # The output keeps its name.
            total.name, product.name = product.name, f"{product.name}/without_bias"
            graph.outputs[index] = total


@dataclass(frozen=True)
class GateBias:
    """A part of B of an LSTM, GRU or RNN.

    Attributes:
        place: which input B is.
        part: the rows.
        shape: B's.
    """

    place: int
    part: tuple[int, slice]
    shape: tuple[int, int]

    def read(self, node: ir.Node) -> NDArray[np.float32] | None:
        """See :class:`Bias`."""
        if constant_at(node, self.place) is None:
            return None
        return floats_at(node, self.place)[self.part].copy()

    def shift(self, graph: ir.Graph, node: ir.Node, shift: Shift) -> None:
        """See :class:`Bias`."""
        whole = np.zeros(self.shape, dtype=np.float32)
        known = constant_at(node, self.place) is not None
        if known:
            whole += floats_at(node, self.place)
        whole[self.part] += np.asarray(shift, dtype=np.float32).reshape(-1)
        if known:
            set_constant(graph, node, self.place, whole)
            return
        if len(node.inputs) <= self.place:
            node.resize_inputs(self.place + 1)
        node.replace_input_with(self.place, new_constant(graph, f"{node.name}/bias", whole))


@dataclass(frozen=True)
class StepBias:
    """A part of the constant that is added in front of a Scan to what enters its gates.

    Attributes:
        part: the part.
        scanned: which input of the Scan the sum is; the node itself may be the product in front of the Add.
    """

    part: slice
    scanned: int

    def read(self, node: ir.Node) -> NDArray[np.float32] | None:
        """See :class:`Bias`."""
        add, place = self._add(node)
        return floats_at(add, place)[self.part].copy()

    def shift(self, graph: ir.Graph, node: ir.Node, shift: Shift) -> None:
        """See :class:`Bias`."""
        add, place = self._add(node)
        whole = floats_at(add, place).copy()
        whole[self.part] += np.asarray(shift, dtype=np.float32).reshape(-1)
        set_constant(graph, add, place, whole)

    def _add(self, node: ir.Node) -> tuple[ir.Node, int]:
        if node.op_type == "Scan":
            total = node.inputs[self.scanned]
            add = total.producer() if total is not None else None
        else:
            add = next(iter(node.outputs[0].uses())).node
        assert add is not None
        return add, 0 if constant_at(add, 0) is not None else 1
