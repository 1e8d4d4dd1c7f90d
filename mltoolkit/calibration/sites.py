"""Where the weights of a file are used in the hub graph: what they meet, and how to change them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.biases import Bias, ProductBias
from mltoolkit.calibration.constants import Index, constant_array, set_constant
from mltoolkit.calibration.embeddings import TableRows
from mltoolkit.calibration.layouts import Layout
from mltoolkit.calibration.matching import Match, Values, match_slots
from mltoolkit.calibration.operands import Product
from mltoolkit.calibration.readers import Reader, stop_of
from mltoolkit.calibration.statistics import InputStatistics, RowFrequencies
from mltoolkit.errors import ArgumentError
from mltoolkit.graph.captured import inner_nodes
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]


@dataclass(frozen=True)
class Site:
    """A weight of the file and the node of the hub that uses it.

    It names nodes and constants, and so serves every copy of the graph it was found in.

    Attributes:
        slot: the weight.
        node_name: the node that multiplies with it, in front of which runs stop.
        holder_name: the node that reads the constant: the same one, a Transpose in front of it, or one inside it.
        place: which of the holder's inputs the constant is that holds the weight.
        part: the part of the constant that is the weight; () for all of it.
        transposed: whether the part is transposed there.
        layout: the order of its numbers.
        product: how it is multiplied.
        reader: takes what it is multiplied with.
        bias_place: where its bias is.
        added: what the constant holds besides the weight, in the file's shape; None for nothing.
    """

    slot: WeightSlot
    node_name: str
    holder_name: str
    place: int
    part: Index
    transposed: bool
    layout: Layout
    product: Product
    reader: Reader
    bias_place: Bias
    added: NDArray[np.float32] | None = None

    @property
    def groups(self) -> int:
        """Products side by side, each with inputs of its own."""
        return self.product.groups

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        return self.product.inputs

    @property
    def outputs(self) -> int:
        """Outputs of each."""
        return self.slot.count // (self.groups * self.inputs)

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
        return _named(graph, self.node_name, self.slot.where)

    def put(self, graph: ModelGraph, stored: NDArray[np.floating[Any]]) -> None:
        """Replace the weight in a copy of the graph.

        Args:
            graph: the copy; see :func:`copy_graph`.
            stored: the new values in the file's shape.
        """
        holder = _named(graph, self.holder_name, self.slot.where)
        values = np.asarray(stored, dtype=np.float32)
        values = self.layout.to_hub(values if self.added is None else values + self.added)
        if self.transposed:
            values = values.T
        if self.part:
            constant = holder.inputs[self.place]
            assert constant is not None
            whole = constant_array(constant).copy()
            whole[self.part] = values
            values = whole
        set_constant(graph.model.graph, holder, self.place, values)

    def bias(self, graph: ModelGraph) -> NDArray[np.float32] | None:
        """What is added to each output, (groups · outputs,); None where nothing is."""
        return self.bias_place.read(self.node(graph))

    def shift_bias(self, graph: ModelGraph, shift: NDArray[np.floating[Any]]) -> None:
        """Add (groups · outputs,) numbers to the outputs: to the bias, or as a bias that is made."""
        self.bias_place.shift(graph.model.graph, self.node(graph), shift)

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """What :meth:`columns` needs of a sample, from a run that has stopped in front of the node."""
        assert stop_of(run).name == self.node_name
        return self.reader.read(run, sample)

    def new_statistics(self) -> InputStatistics | RowFrequencies:
        """Statistics without any positions: frequencies for a table that rows are looked up in."""
        if isinstance(self.product, TableRows):
            return RowFrequencies(self.inputs)
        return InputStatistics(self.groups, self.inputs)

    def columns(
        self, x: Sequence[Array], x_hat: Sequence[Array], rng: np.random.Generator, rows: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What a product is given at positions of one sample.

        Args:
            x: what :meth:`read` gave of the run of the float network.
            x_hat: what it gave of the run of the other network; ``x`` itself where they do not differ.
            rng: chooses the positions.
            rows: take so many positions at most, the same in both.

        Returns:
            Twice float32 (groups, inputs, positions).
        """
        chosen = choose(self.product.positions(x), rng, rows)
        columns = self.product.columns(x, chosen)
        return columns, columns if x_hat is x else self.product.columns(x_hat, chosen)


def _named(graph: ModelGraph, name: str, where: str) -> ir.Node:
    for node in graph.model.graph:
        if node.name == name:
            return node
    for node in graph.model.graph:
        for inner in inner_nodes(node):
            if inner.name == name:
                return inner
    raise ArgumentError(f"the graph has no node {name!r}", where=where)


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
        slots: weights of that network or program; all of them, since a bias may be part of another's constant.
        values: gives the values of each in the file's shape.

    Returns:
        The sites in the order in which their nodes run; and for each of the other slots, by its index, why it has
        none.
    """
    order = {node.name or "": index for index, node in enumerate(graph.model.graph)}
    matches, reasons = match_slots(graph.model.graph, slots, values)
    sites = [_site(match) for match in matches]
    return sorted(sites, key=lambda site: (order[site.node_name], site.place, site.slot.index)), reasons


def _site(match: Match) -> Site:
    operand = match.operand
    return Site(
        slot=match.slot,
        node_name=operand.node.name or "",
        holder_name=(operand.holder or operand.node).name or "",
        place=operand.place,
        part=operand.part,
        transposed=operand.transposed,
        layout=match.layout,
        product=operand.product,
        reader=operand.reader,
        bias_place=operand.bias or ProductBias(operand.product.bias_shape),
        added=match.added,
    )
