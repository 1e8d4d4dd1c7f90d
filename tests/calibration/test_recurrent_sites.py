"""W and R of recurrent nodes: with what the site says they meet, the node's own formulas give its outputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from site_checks import all_products, close_graph, make_slot, outputs_of

from mltoolkit.calibration.sites import Site, find_sites
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph

STEPS, BATCH, INPUTS, SIZE = 5, 2, 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# Float32 sums of a few products, through activations with slopes up to 1 and up to five steps.
TOLERANCE = 1e-5


class Node:
    """A recurrent node of one or two directions with random constants."""

    def __init__(
        self, op_type: str, directions: str = "forward", *, initial: bool = True, **attributes: object
    ) -> None:
        rng = np.random.default_rng(7)
        self.op_type, self.gates = op_type, GATES[op_type]
        self.count = 2 if directions == "bidirectional" else 1
        self.directions = directions

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(np.float32)

        rows = self.gates * SIZE
        self.w, self.r = normal(self.count, rows, INPUTS), normal(self.count, rows, SIZE)
        self.b = normal(self.count, 2 * rows)
        self.feed = {"x": normal(STEPS, BATCH, INPUTS)}
        builder = GraphBuilder("test")
        x = builder.input("x", np.float32, (STEPS, BATCH, INPUTS))
        states = []
        self.h = np.zeros((self.count, BATCH, SIZE), dtype=np.float32)
        if initial:
            self.h = self.feed["h"] = normal(self.count, BATCH, SIZE)
            states = [None, builder.input("h", np.float32, self.h.shape)]
        with builder.scope("layer"):
            (y,) = builder.ops(
                op_type,
                x,
                *(builder.constant(array) for array in (self.w, self.r, self.b)),
                *states,
                attributes={"hidden_size": SIZE, "direction": directions, **attributes},
                names=["y"],
            )
        self.graph: ModelGraph = close_graph(builder, y)

    @property
    def y(self) -> np.ndarray:
        return outputs_of(self.graph, self.feed)["y"]

    def gate(self, array: np.ndarray, direction: int, gate: int) -> np.ndarray:
        return array[direction, gate * SIZE : (gate + 1) * SIZE]

    def sites(self, stored: list[np.ndarray]) -> list[Site]:
        slots = [make_slot(array.shape, index) for index, array in enumerate(stored)]
        sites, reasons = find_sites(self.graph, slots, lambda slot: stored[slot.index])
        assert not reasons, reasons
        return sorted(sites, key=lambda site: site.slot.index)

    def products(self, site: Site, stored: np.ndarray) -> np.ndarray:
        """(rows, steps, batch)."""
        return all_products(self.graph, site, stored, self.feed).reshape(-1, STEPS, BATCH)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step_of(node: Node, total: Callable[[int, int], np.ndarray], direction: int, previous: np.ndarray) -> np.ndarray:
    """The outputs (steps, batch, size) of the ONNX operators' formulas, of the sums that enter each gate."""
    parts = [np.moveaxis(total(direction, gate), 0, -1) for gate in range(node.gates)]
    if node.op_type == "RNN":
        return np.tanh(parts[0])
    if node.op_type == "GRU":
        z = sigmoid(parts[0])
        return (1 - z) * np.tanh(parts[2]) + z * previous
    i, o, f, c = parts
    state, outputs = np.zeros((BATCH, SIZE)), np.zeros((STEPS, BATCH, SIZE))
    order = range(STEPS) if direction == 0 and node.directions != "reverse" else reversed(range(STEPS))
    for step in order:
        state = sigmoid(f[step]) * state + sigmoid(i[step]) * np.tanh(c[step])
        outputs[step] = sigmoid(o[step]) * np.tanh(state)
    return outputs


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("directions", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("initial", [True, False])
def test_every_gate_meets_what_its_site_says(op_type: str, directions: str, initial: bool) -> None:
    node = Node(op_type, directions, initial=initial)
    names = list(itertools.product(range(node.count), range(node.gates)))
    stored = [node.gate(array, *name) for array in (node.w, node.r) for name in names]
    sites = node.sites(stored)
    for site, weights in zip(sites, stored, strict=True):
        np.testing.assert_array_equal(site.from_matrix(site.matrix(weights)), weights)
    products = [node.products(site, weights) for site, weights in zip(sites, stored, strict=True)]
    biases = [site.bias(node.graph) for site in sites]
    entering = dict(zip(names, range(len(names)), strict=True))

    def total(direction: int, gate: int) -> np.ndarray:
        first = entering[direction, gate]
        both = (first, first + len(names))
        return sum(products[one] + biases[one][:, None, None] for one in both)

    y = node.y
    for direction in range(node.count):
        backward = direction == 1 or directions == "reverse"
        own, first = y[:, direction], node.h[direction][None]
        previous = np.concatenate([own[1:], first] if backward else [first, own[:-1]])
        expected = step_of(node, total, direction, previous)
        np.testing.assert_allclose(expected, own, rtol=0, atol=TOLERANCE, err_msg=f"direction {direction}")


def test_a_gru_that_resets_after_its_product() -> None:
    node = Node("GRU", linear_before_reset=1)
    stored = [node.gate(array, 0, gate) for array in (node.w, node.r) for gate in range(3)]
    sites = node.sites(stored)
    sums = [
        node.products(site, one) + site.bias(node.graph)[:, None, None] for site, one in zip(sites, stored, strict=True)
    ]
    z, r = (sigmoid(np.moveaxis(sums[gate] + sums[gate + 3], 0, -1)) for gate in (0, 1))
    o = np.tanh(np.moveaxis(sums[2], 0, -1) + r * np.moveaxis(sums[5], 0, -1))
    y = node.y[:, 0]
    previous = np.concatenate([node.h, y[:-1]])
    np.testing.assert_allclose((1 - z) * o + z * previous, y, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("op_type", "order"), [("LSTM", (0, 2, 1, 3)), ("GRU", (1, 2, 0)), ("RNN", (0,))])
def test_whole_matrices_with_gates_in_another_order(op_type: str, order: tuple[int, ...]) -> None:
    """As ML Programs store them: one matrix for all gates; r, o, z of a GRU where ONNX has z, r, o."""
    node = Node(op_type)
    stored = [
        np.concatenate([node.gate(array, 0, order.index(gate)) for gate in range(node.gates)])
        for array in (node.w, node.r)
    ]
    sites = node.sites(stored)
    gatewise = [node.gate(array, 0, gate) for array in (node.w, node.r) for gate in range(node.gates)]
    for place, (site, whole) in enumerate(zip(sites, stored, strict=True)):
        np.testing.assert_array_equal(site.from_matrix(site.matrix(whole)), whole)
        gates = np.stack(gatewise[place * node.gates : (place + 1) * node.gates])
        np.testing.assert_array_equal(site.matrix(whole).reshape(gates.shape), gates)
    single = node.sites(gatewise)
    for place in (0, 1):
        found = node.products(sites[place], stored[place])
        parts = single[place * node.gates : (place + 1) * node.gates]
        expected = [node.products(site, gatewise[site.slot.index]) for site in parts]
        np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
def test_putting_a_gate_changes_that_gate_only(op_type: str) -> None:
    node = Node(op_type, "bidirectional")
    other = Node(op_type, "bidirectional")
    gate = node.gates - 1
    for array, place in ((node.w, 1), (node.r, 2)):
        (site,) = node.sites([node.gate(array, 1, gate)])
        changed = array.copy()
        changed[1, gate * SIZE : (gate + 1) * SIZE] *= 2
        site.put(node.graph, 2 * node.gate(array, 1, gate))
        constant = site.node(node.graph).inputs[place].const_value.numpy()
        np.testing.assert_array_equal(constant, changed)
    assert not np.array_equal(node.y[:, 1], other.y[:, 1])
    np.testing.assert_array_equal(node.y[:, 0], other.y[:, 0])


@pytest.mark.parametrize("place", ["w", "r"])
def test_the_bias_of_a_gate_is_shifted(place: str) -> None:
    node = Node("LSTM", "bidirectional")
    array = getattr(node, place)
    (site,) = node.sites([node.gate(array, 1, 2)])
    before = site.bias(node.graph)
    shift = np.arange(SIZE, dtype=np.float32)
    site.shift_bias(node.graph, shift)
    np.testing.assert_array_equal(site.bias(node.graph), before + shift)
    changed = site.node(node.graph).inputs[3].const_value.numpy() - node.b
    start = (2 + (4 if place == "r" else 0)) * SIZE
    assert np.count_nonzero(np.delete(changed, np.s_[start : start + SIZE], axis=1)) == 0
    np.testing.assert_allclose(changed[1, start : start + SIZE], shift, atol=1e-6)


def test_a_gru_with_an_activation_that_is_not_computed_here() -> None:
    node = Node("GRU", activations=["Relu", "Tanh"])
    slot = make_slot((SIZE, SIZE))
    weights = node.gate(node.r, 0, 2)
    sites, reasons = find_sites(node.graph, [slot], lambda _: weights)
    assert not sites
    assert 0 in reasons
    assert len(node.sites([node.gate(node.r, 0, 1)])) == 1
