"""The trees of an ensemble as arrays, checked once and walked all together (TreeEnsemble.proto)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# TreeNodeBehavior, in the order of its numbers; 6 is LeafNode.
_COMPARISONS: tuple[Callable[[Floats, Floats], NDArray[np.bool_]], ...] = (
    np.less_equal,
    np.less,
    np.greater_equal,
    np.greater,
    np.equal,
    np.not_equal,
)
_LEAF = 6


class Trees:
    """All nodes of an ensemble in the file's order.

    A branch compares a feature with its value and goes on at its true or false child; NaN is a missing
    value and goes where ``missingValueTracksTrueChild`` says. A leaf adds its values to the prediction.

    Args:
        parameters: a ``TreeEnsembleParameters`` message.

    Raises:
        InvalidModelError: a child does not exist, a node has two parents, a tree has several roots, nodes
            form a circle, or a leaf adds to a dimension that there is not.
    """

    def __init__(self, parameters: Any) -> None:
        nodes = parameters.nodes
        if not nodes:
            raise InvalidModelError("the tree ensemble has no nodes")
        self.dimensions = _dimensions(parameters)
        self._mode = np.array([node.nodeBehavior for node in nodes], dtype=np.int64)
        if np.any((self._mode < 0) | (self._mode > _LEAF)):
            raise InvalidModelError("a node of the tree ensemble has a behaviour that is not known")
        self._threshold = np.array([node.branchFeatureValue for node in nodes], dtype=np.float64)
        self._missing = np.array([node.missingValueTracksTrueChild for node in nodes], dtype=np.bool_)
        self._feature, self.features = _branch_features(nodes, self._mode)
        self._true, self._false, self._roots = _links(nodes, self._mode)
        self._leaf_start, self._leaf_index, self._leaf_value = _leaf_values(nodes, self.dimensions)
        base = np.array(parameters.basePredictionValue, dtype=np.float64)
        if base.size not in (0, self.dimensions):
            raise InvalidModelError(f"the tree ensemble has {self.dimensions} dimensions and {base.size} base values")
        self._base = base if base.size else np.zeros(self.dimensions)

    def __call__(self, vector: Floats) -> Floats:
        """The base values plus those of the leaf that each tree leads to (dimensions,)."""
        leaves = self._leaves(vector)
        starts, ends = self._leaf_start[leaves], self._leaf_start[leaves + 1]
        counts = ends - starts
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        entries = np.repeat(starts, counts) + within
        made: Floats = self._base + np.bincount(
            self._leaf_index[entries], weights=self._leaf_value[entries], minlength=self.dimensions
        )
        return made

    def _leaves(self, vector: Floats) -> Integers:
        at = self._roots.copy()
        walking = np.flatnonzero(self._mode[at] != _LEAF)
        while walking.size:
            node = at[walking]
            value, threshold, mode = vector[self._feature[node]], self._threshold[node], self._mode[node]
            goes = np.zeros(node.shape, dtype=np.bool_)
            for number, compare in enumerate(_COMPARISONS):
                chosen = mode == number
                if chosen.any():
                    goes[chosen] = compare(value[chosen], threshold[chosen])
            goes = np.where(np.isnan(value), self._missing[node], goes)
            at[walking] = np.where(goes, self._true[node], self._false[node])
            walking = walking[self._mode[at[walking]] != _LEAF]
        return at


def _dimensions(parameters: Any) -> int:
    dimensions = int(parameters.numPredictionDimensions)
    # More dimensions than the file has values for would stay at their base value for ever.
    stored = max(len(parameters.basePredictionValue), sum(len(node.evaluationInfo) for node in parameters.nodes), 1)
    if not 1 <= dimensions <= stored:
        raise InvalidModelError(f"the tree ensemble declares {dimensions:,} dimensions and has {stored} values")
    return dimensions


def _branch_features(nodes: Any, mode: Integers) -> tuple[Integers, int]:
    """The feature that each branch looks at (0 for leaves), and how many features that takes."""
    features = [0 if leaf else node.branchFeatureIndex for node, leaf in zip(nodes, mode == _LEAF, strict=True)]
    largest = max(features)
    if largest >= 1 << 31:
        raise InvalidModelError(f"a branch of the tree ensemble looks at the feature {largest:,}")
    return np.array(features, dtype=np.int64), largest + 1 if (mode != _LEAF).any() else 0


def _links(nodes: Any, mode: Integers) -> tuple[Integers, Integers, Integers]:
    """The places of each node's true and false child, and of the roots, ordered by tree."""
    place: dict[tuple[int, int], int] = {}
    for position, node in enumerate(nodes):
        if place.setdefault((node.treeId, node.nodeId), position) != position:
            raise InvalidModelError(f"two nodes are called {node.nodeId} in the tree {node.treeId}")
    true, false = np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes), dtype=np.int64)
    parents = np.zeros(len(nodes), dtype=np.int64)
    for position, node in enumerate(nodes):
        if mode[position] == _LEAF:
            continue
        for children, child in ((true, node.trueChildNodeId), (false, node.falseChildNodeId)):
            found = place.get((node.treeId, child))
            if found is None:
                raise InvalidModelError(
                    f"the node {node.nodeId} of the tree {node.treeId} leads to the node {child}, which does not exist"
                )
            children[position] = found
            parents[found] += 1
    if parents.max() > 1:
        node = nodes[int(parents.argmax())]
        raise InvalidModelError(f"the node {node.nodeId} of the tree {node.treeId} has two parents")
    roots = np.flatnonzero(parents == 0)
    if len({nodes[int(root)].treeId for root in roots}) != len(roots):
        raise InvalidModelError("a tree of the ensemble has several roots")
    _check_reached(roots, true, false, mode)
    return true, false, roots


def _check_reached(roots: Integers, true: Integers, false: Integers, mode: Integers) -> None:
    """Every node comes after a root: as none has two parents, what is left over goes round in circles."""
    reached, level = 0, roots
    while level.size:
        reached += level.size
        branches = level[mode[level] != _LEAF]
        level = np.concatenate([true[branches], false[branches]])
    if reached != len(mode):
        raise InvalidModelError(f"{len(mode) - reached} nodes of the tree ensemble form a circle")


def _leaf_values(nodes: Any, dimensions: int) -> tuple[Integers, Integers, Floats]:
    """The values of all nodes in a row, and where those of each node start."""
    counts = [len(node.evaluationInfo) for node in nodes]
    entries = [entry for node in nodes for entry in node.evaluationInfo]
    largest = max((entry.evaluationIndex for entry in entries), default=0)
    if largest >= dimensions:
        raise InvalidModelError(f"a leaf adds to the dimension {largest} of a tree ensemble that has {dimensions}")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    index = np.array([entry.evaluationIndex for entry in entries], dtype=np.int64)
    return starts, index, np.array([entry.evaluationValue for entry in entries], dtype=np.float64)
