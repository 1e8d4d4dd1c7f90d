"""Weights of ML Programs: the constants of every kind of product, with gates in the order that the format has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program
from site_checks import all_products, make_slot, outputs_of

from mltoolkit.calibration.sites import Site, copy_graph, find_sites
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model

Arrays = dict[str, np.ndarray]
STEPS, BATCH, INPUTS, SIZE = 5, 2, 6, 7


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


class Program:
    """One operation whose weights are ``const`` operations.

    Args:
        kind: its type.
        shape: of its input x.
        weights: parameter → array; these become constants of the name "the <parameter>".
        output: shape of its first output.
        others: further parameters; further outputs' shapes under "outputs".
        name: the parameter that the input is.
        dtype: the input's type.
    """

    def __init__(
        self,
        kind: str,
        shape: tuple[int, ...],
        weights: Arrays,
        output: tuple[int, ...],
        *,
        name: str = "x",
        dtype: str = "float32",
        outputs: tuple[tuple[int, ...], ...] = (),
        **others: Any,
    ) -> None:
        self.kind, self.shape, self.weights, self.output = kind, shape, weights, output
        self.name, self.dtype, self.others, self.outputs = name, dtype, others, outputs

    def model(self, **changed: np.ndarray) -> Model:
        spec, block = new_program({"x": (self.dtype, self.shape)}, {"y": ("float32", self.output)})
        given: dict[str, Any] = {}
        for parameter, array in (self.weights | changed).items():
            name = f"the {parameter}"
            described = {name: (array.dtype.name, array.shape)}
            add_operation(block, "const", {}, described, {"name": name, "val": array})
            given[parameter] = Ref(name)
        made = {"y": ("float32", self.output)} | {
            f"y{index}": ("float32", shape) for index, shape in enumerate(self.outputs)
        }
        add_operation(block, self.kind, {self.name: Ref("x")} | given | self.others, made)
        return Model.from_spec(spec)

    def feed(self, graph: ModelGraph) -> Arrays:
        (value,) = graph.model.graph.inputs
        if self.dtype == "int32":
            return {"x": np.random.default_rng(0).integers(0, 5, self.shape).astype(value.dtype.numpy())}
        return {"x": normal(*self.shape)}


def recurrent(kind: str, gates: int, *, both: bool = False, **others: Any) -> Program:
    count = 2 if both else 1
    weights = {}
    for suffix in ("", "_back")[:count]:
        weights |= {
            f"weight_ih{suffix}": normal(gates * SIZE, INPUTS, seed=len(weights)),
            f"weight_hh{suffix}": normal(gates * SIZE, SIZE, seed=len(weights)),
            f"bias{suffix}": normal(gates * SIZE, seed=len(weights)),
        }
    states = {"initial_h": normal(BATCH, count * SIZE, seed=5)}
    last: tuple[tuple[int, ...], ...] = ((BATCH, count * SIZE),)
    if kind == "lstm":
        states["initial_c"] = normal(BATCH, count * SIZE, seed=6)
        last *= 2
    direction = "bidirectional" if both else "forward"
    output = (STEPS, BATCH, count * SIZE)
    settings = {"direction": direction, "output_sequence": True} | states | others
    return Program(kind, (STEPS, BATCH, INPUTS), weights, output, outputs=last, **settings)


PROGRAMS: dict[str, Callable[[], Program]] = {
    "conv": lambda: Program(
        "conv",
        (1, 6, 9, 8),
        {"weight": normal(8, 3, 3, 3), "bias": normal(8)},
        (1, 8, 7, 6),
        groups=2,
        pad_type="valid",
    ),
    "conv of one axis": lambda: Program("conv", (2, 6, 9), {"weight": normal(8, 6, 4)}, (2, 8, 6), pad_type="valid"),
    "conv of three axes": lambda: Program(
        "conv", (1, 2, 4, 5, 6), {"weight": normal(3, 2, 2, 3, 2)}, (1, 3, 3, 3, 5), pad_type="valid"
    ),
    "conv_transpose": lambda: Program(
        "conv_transpose",
        (1, 6, 4, 4),
        {"weight": normal(6, 5, 3, 3)},
        (1, 10, 9, 9),
        groups=2,
        strides=np.array([2, 2]),
        pad_type="valid",
    ),
    "linear of rows": lambda: Program("linear", (3, 8), {"weight": normal(9, 8), "bias": normal(9)}, (3, 9)),
    "linear of matrices": lambda: Program("linear", (2, 3, 8), {"weight": normal(9, 8), "bias": normal(9)}, (2, 3, 9)),
    "matmul": lambda: Program("matmul", (2, 3, 8), {"y": normal(8, 9)}, (2, 3, 9)),
    "matmul transposed": lambda: Program("matmul", (2, 3, 8), {"y": normal(9, 8)}, (2, 3, 9), transpose_y=True),
    "matmul from the left": lambda: Program("matmul", (2, 8, 3), {"x": normal(9, 8)}, (2, 9, 3), name="y"),
    "matmul of stacked matrices": lambda: Program("matmul", (2, 3, 8), {"y": normal(2, 8, 9)}, (2, 3, 9)),
    "gather": lambda: Program(
        "gather", (4,), {"x": normal(11, 6)}, (4, 6), name="indices", dtype="int32", axis=0, batch_dims=0
    ),
    "lstm": lambda: recurrent("lstm", 4),
    "lstm in both directions": lambda: recurrent("lstm", 4, both=True),
    "lstm with a limit": lambda: recurrent("lstm", 4, both=True, clip=0.5),
    "lstm backwards": lambda: recurrent("lstm", 4, direction="reverse"),
    "gru": lambda: recurrent("gru", 3),
    "gru that resets after its product": lambda: recurrent("gru", 3, reset_after=True),
    "rnn": lambda: recurrent("rnn", 1),
}


def sites_of(program: Program, graph: ModelGraph) -> list[Site]:
    slots, stored = [], []
    for parameter, array in program.weights.items():
        if array.ndim > 1:
            slots.append(make_slot(array.shape, len(slots), layer="y", aliases=(f"the {parameter}",), name=parameter))
            stored.append(array)
    sites, reasons = find_sites(graph, slots, lambda slot: stored[slot.index])
    assert not reasons, reasons
    return sites


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_weight_has_a_site_and_put_does_what_the_program_does(name: str) -> None:
    program = PROGRAMS[name]()
    graph = program.model().graph()
    sites = sites_of(program, graph)
    feed = program.feed(graph)
    changed: Arrays = {}
    copy = copy_graph(graph)
    for number, site in enumerate(sites):
        stored = program.weights[site.slot.name]
        matrix = site.matrix(stored)
        assert matrix.shape == (site.groups, site.outputs, site.inputs)
        np.testing.assert_array_equal(site.from_matrix(matrix), stored)
        changed[site.slot.name] = np.round(stored, 1) + np.float32(number)
        site.put(copy, changed[site.slot.name])
    expected = outputs_of(program.model(**changed).graph(), feed)["y"]
    np.testing.assert_array_equal(outputs_of(copy, feed)["y"], expected)
    assert not np.array_equal(outputs_of(graph, feed)["y"], expected)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name.startswith(("lstm", "gru", "rnn"))])
def test_a_shift_of_the_outputs_does_what_the_same_shift_of_the_programs_bias_does(name: str) -> None:
    program = PROGRAMS[name]()
    graph = program.model().graph()
    feed = program.feed(graph)
    for site in sites_of(program, graph):
        suffix = "_back" if site.slot.name.endswith("_back") else ""
        parameter = f"bias{suffix}"
        if name.endswith("after its product") and site.slot.name == "weight_ih":
            # "bias" is added to R h, before r takes effect.
            parameter = "input_bias"
        bias = program.weights.get(parameter, np.zeros(3 * SIZE, np.float32))
        shift = np.random.default_rng(1).standard_normal(bias.shape).astype(np.float32)
        # Which output each row of the file's matrix is, as calibration/layer.py finds it.
        numbers = np.arange(shift.size).reshape(site.groups, site.outputs, 1)
        whole = np.ascontiguousarray(np.broadcast_to(numbers, (site.groups, site.outputs, site.inputs)))
        rows = site.from_matrix(whole)[:, 0]
        copy = copy_graph(graph)
        site.shift_bias(copy, shift)
        before, after = site.bias(graph), site.bias(copy)
        assert before is not None
        assert after is not None
        np.testing.assert_allclose(after, before + shift, rtol=0, atol=1e-6)
        expected = outputs_of(program.model(**{parameter: bias + shift[rows]}).graph(), feed)["y"]
        # The same sums, in another order.
        np.testing.assert_allclose(outputs_of(copy, feed)["y"], expected, rtol=0, atol=1e-5)


def test_an_lstm_with_a_limit_meets_what_its_sites_say() -> None:
    program = PROGRAMS["lstm with a limit"]()
    graph = program.model().graph()
    assert any(node.op_type == "Scan" for node in graph.model.graph)
    feed = program.feed(graph)
    y = outputs_of(graph, feed)["y"]
    sites = {site.slot.name: site for site in sites_of(program, graph)}
    for direction, suffix in enumerate(("", "_back")):
        total: np.ndarray = np.zeros((4 * SIZE, STEPS, BATCH))
        for name in (f"weight_ih{suffix}", f"weight_hh{suffix}"):
            products = all_products(graph, sites[name], program.weights[name], feed)
            total += products.reshape(-1, STEPS, BATCH)
        bias = sites[f"weight_ih{suffix}"].bias(graph)
        assert bias is not None
        i, o, f, z = np.moveaxis((total + bias[:, None, None]).reshape(4, SIZE, STEPS, BATCH), 1, -1)
        cell = program.others["initial_c"][:, direction * SIZE : (direction + 1) * SIZE]
        outputs = np.zeros((STEPS, BATCH, SIZE))
        for step in range(STEPS) if direction == 0 else reversed(range(STEPS)):
            gate = [1 / (1 + np.exp(-part[step])) for part in (i, o, f)]
            cell = np.clip(cell * gate[2] + gate[0] * np.tanh(z[step]), -0.5, 0.5)
            outputs[step] = gate[1] * np.tanh(cell)
        own = y[:, :, direction * SIZE : (direction + 1) * SIZE]
        # Sums of float32 products, through gates.
        np.testing.assert_allclose(outputs, own, rtol=0, atol=1e-5)
