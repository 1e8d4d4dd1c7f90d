"""Where the weights of a file are used in the hub graph: what they are multiplied with, and how to change them there.

Converters rearrange weights: matrices are transposed, gates of recurrent layers stacked. Which constant of the graph
a weight became, and how, is found by its numbers. A weight whose numbers are not found, or found in several places,
has no site: it can only be quantized from its values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.biases import read_bias, set_constant, shift_bias
from mltoolkit.calibration.layouts import Fingerprint, Layout, find_layouts, fingerprint
from mltoolkit.calibration.operands import Index, Operand, Product, iter_operands
from mltoolkit.calibration.statistics import InputStatistics
from mltoolkit.errors import ArgumentError
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]
Values = Callable[[WeightSlot], NDArray[np.float32]]


@dataclass(frozen=True)
class Site:
    """A weight of the file and the node of the hub that uses it.

    It names nodes and constants, and so serves every copy of the graph it was found in.

    Attributes:
        slot: the weight.
        node_name: the node.
        place: which of the node's inputs the constant is that holds the weight.
        part: the part of the constant that is the weight; () for all of it.
        reads: which of the node's inputs it is multiplied with.
        layout: the order of its numbers.
        product: how it is multiplied.
    """

    slot: WeightSlot
    node_name: str
    place: int
    part: Index
    reads: tuple[int, ...]
    layout: Layout
    product: Product

    @property
    def groups(self) -> int:
        """Products side by side, each with inputs of its own."""
        return self.product.groups

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        return self.product.inputs

    def matrix(self, stored: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """An array of the file's shape as (groups, outputs, inputs)."""
        matrix: NDArray[np.float32] = self.product.matrix(self.layout.to_hub(stored)).astype(np.float32, copy=False)
        return matrix

    def from_matrix(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """The inverse of :meth:`matrix`, for arrays of any type (codes, for instance)."""
        return self.layout.to_file(self.product.weights(matrix))

    def node(self, graph: ModelGraph) -> ir.Node:
        """The node in a copy of the graph.

        Raises:
            ArgumentError: there is none of its name.
        """
        for node in graph.model.graph:
            if node.name == self.node_name:
                return node
        raise ArgumentError(f"the graph has no node {self.node_name!r}", where=self.slot.where)

    def put(self, graph: ModelGraph, stored: NDArray[np.floating[Any]]) -> None:
        """Replace the weight in a copy of the graph.

        Args:
            graph: the copy; see :func:`copy_graph`.
            stored: the new values in the file's shape.
        """
        node = self.node(graph)
        values = self.layout.to_hub(np.asarray(stored, dtype=np.float32))
        if self.part:
            value = node.inputs[self.place]
            assert value is not None and value.const_value is not None
            whole = value.const_value.numpy().copy()
            whole[self.part] = values
            values = whole
        set_constant(graph.model.graph, node, self.place, values)

    def bias(self, graph: ModelGraph) -> NDArray[np.float32] | None:
        """What is added to each output, (groups · outputs,); None where nothing is."""
        return read_bias(self.node(graph), self.product.bias_shape)

    def shift_bias(self, graph: ModelGraph, shift: NDArray[np.floating[Any]]) -> None:
        """Add (groups · outputs,) numbers to the outputs: to the bias, or as a bias that is made."""
        shift_bias(graph.model.graph, self.node(graph), self.product.bias_shape, shift)

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """What :meth:`statistics` needs of a sample, from a run that has stopped in front of the node."""
        node = run.stop
        assert node is not None and node.name == self.node_name
        return tuple(run.value(_name(node, place), sample) for place in self.reads)

    def new_statistics(self) -> InputStatistics:
        """Statistics without any positions."""
        return InputStatistics(self.groups, self.inputs)

    def statistics(
        self,
        x: Sequence[Array],
        x_hat: Sequence[Array],
        into: InputStatistics,
        rng: np.random.Generator,
        rows: int,
    ) -> None:
        """Add positions of one sample.

        Args:
            x: what :meth:`read` gave of the run of the float network.
            x_hat: what it gave of the run of the other network; ``x`` itself where they do not differ.
            into: where to add them.
            rng: chooses the positions.
            rows: take so many positions at most, the same in both.
        """
        into.add(*self.columns(x, x_hat, rng, rows))

    def columns(
        self, x: Sequence[Array], x_hat: Sequence[Array], rng: np.random.Generator, rows: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What :meth:`statistics` adds: twice (groups, inputs, positions)."""
        chosen = choose(self.product.positions(x), rng, rows)
        columns = self.product.columns(x, chosen)
        return columns, columns if x_hat is x else self.product.columns(x_hat, chosen)


def choose(positions: int, rng: np.random.Generator, most: int) -> NDArray[np.intp]:
    """At most so many positions out of all, in order."""
    if positions <= most:
        return np.arange(positions)
    return np.sort(rng.choice(positions, most, replace=False, shuffle=False)).astype(np.intp)


def copy_graph(graph: ModelGraph) -> ModelGraph:
    """A copy with nodes and values of its own, whose constants may be replaced; their numbers are shared."""
    return ModelGraph(**{**graph.__dict__, "model": graph.model.clone()})


def find_sites(graph: ModelGraph, slots: Sequence[WeightSlot], values: Values) -> tuple[list[Site], dict[int, str]]:
    """The sites of weights.

    Args:
        graph: a network's or program's graph.
        slots: weights of that network or program.
        values: gives the values of each in the file's shape.

    Returns:
        The sites in the order in which their nodes run; and for each of the other slots, by its index, why it has
        none.
    """
    order = {node.name or "": index for index, node in enumerate(graph.model.graph)}
    by_print: dict[Fingerprint, list[Operand]] = defaultdict(list)
    for operand in iter_operands(graph.model.graph):
        by_print[fingerprint(operand.values())].append(operand)
    sites: list[Site] = []
    reasons: dict[int, str] = {}
    for slot in slots:
        stored = values(slot)
        found = _match(slot, stored, by_print.get(fingerprint(stored), []))
        if isinstance(found, str):
            reasons[slot.index] = found
        else:
            sites.append(found)
    return sorted(sites, key=lambda site: (order[site.node_name], site.place, site.slot.index)), reasons


def _match(slot: WeightSlot, stored: Array, operands: Sequence[Operand]) -> Site | str:
    matches = []
    for operand in operands:
        layouts = find_layouts(stored, operand.values(), exchange=operand.exchange, blocks=operand.blocks)
        if layouts:
            matches.append((operand, layouts))
    own = [match for match in matches if _belongs(match[0], slot)] or matches
    if not own:
        return "no product with its numbers is in the graph"
    if len(own) > 1:
        return f"its numbers are found in {len(own)} places"
    operand, layouts = own[0]
    if len(operand.constant.uses()) > 1:
        return "several operations use it"
    if len(layouts) > 1:
        return "its numbers fit in more than one order"
    return Site(slot, operand.node.name or "", operand.place, operand.part, operand.reads, layouts[0], operand.product)


def _belongs(operand: Operand, slot: WeightSlot) -> bool:
    """Whether a node was made for the slot's layer."""
    return operand.node.metadata_props.get("layer") == slot.layer


def _name(node: ir.Node, place: int) -> str:
    value = node.inputs[place]
    assert value is not None
    return value.name or ""
