"""LSTM, GRU and RNN operations against step-by-step references, in every option."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from recurrent_programs import (
    ACTIVATIONS,
    gru_reference,
    lstm_reference,
    recurrent_program,
    run_recurrent,
)

from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model

S, B, N, H = 5, 3, 4, 2  # steps, batch, sizes of input and state
RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


X = normal(S, B, N)


def lstm_constants(**more: Any) -> dict[str, Any]:
    return {"weight_ih": normal(4 * H, N), "weight_hh": normal(4 * H, H)} | more


def shown(outputs: np.ndarray, whole: bool) -> np.ndarray:
    return outputs if whole else outputs[-1:]


def check_lstm(given: dict[str, Any], whole: bool = True) -> None:
    directions = 2 if given.get("direction") == "bidirectional" else 1
    inputs = {"x": X, "initial_h": normal(B, directions * H), "initial_c": normal(B, directions * H)}
    way = given.get("direction", "forward")
    x = X[::-1] if way == "reverse" else X
    h, c = np.split(inputs["initial_h"], directions, 1), np.split(inputs["initial_c"], directions, 1)
    outputs, last_h, last_c = lstm_reference(x, h[0], c[0], given)
    every = shown(outputs, whole)
    if directions == 2:
        back, back_h, back_c = lstm_reference(X[::-1], h[1], c[1], given, "_back")
        every = np.concatenate([every, back[::-1] if whole else back[-1:]], axis=2)
        last_h, last_c = np.hstack([last_h, back_h]), np.hstack([last_c, back_c])
    run_recurrent("lstm", inputs, given | {"output_sequence": whole}, [every, last_h, last_c])


BACK = ("weight_ih", "weight_hh", "bias", "peephole")


@pytest.mark.parametrize(
    ("way", "whole", "biased", "peeping", "clip"),
    list(
        itertools.product(
            ("forward", "reverse", "bidirectional"), (True, False), (True, False), (True, False), (None, 0.3)
        )
    ),
)
def test_lstm(way: str, whole: bool, biased: bool, peeping: bool, clip: float | None) -> None:
    given = lstm_constants(direction=way)
    if biased:
        given["bias"] = normal(4 * H)
    if peeping:
        given["peephole"] = normal(3 * H)
    if way == "bidirectional":
        given |= {f"{name}_back": normal(*given[name].shape) for name in BACK if name in given}
    if clip is not None:
        given["clip"] = clip
    check_lstm(given, whole)


@pytest.mark.parametrize("name", ["recurrent_activation", "cell_activation", "activation"])
@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
@pytest.mark.parametrize("clip", [None, 0.7])
def test_lstm_activations(name: str, kind: str, clip: float | None) -> None:
    given = lstm_constants(**{name: kind}) | ({} if clip is None else {"clip": clip})
    check_lstm({key: 0.3 * value if key.startswith("weight") else value for key, value in given.items()})


def test_one_peephole_of_two_directions() -> None:
    given = lstm_constants(direction="bidirectional", peephole=normal(3 * H))
    check_lstm(given | {"weight_ih_back": normal(4 * H, N), "weight_hh_back": normal(4 * H, H)})


def operators(graph: ModelGraph) -> set[str]:
    return {node.op_type for node in graph.model.graph}


def test_the_scan_serves_only_cells_that_can_reach_their_limit() -> None:
    zeros = np.zeros((B, H), dtype=np.float32)
    shapes = [(1, B, H), (B, H), (B, H)]
    for clip, operator in ((None, "LSTM"), (50.0, "LSTM"), (S - 0.5, "Scan")):
        given = lstm_constants(initial_h=zeros, initial_c=zeros) | ({} if clip is None else {"clip": clip})
        graph = Model(recurrent_program("lstm", {"x": X}, given, shapes)).graph()
        assert operator in operators(graph), f"clip {clip}: {operators(graph)}"


def test_input_of_constants_is_not_folded_by_a_reference_without_activations() -> None:
    given = lstm_constants(recurrent_activation="hard_sigmoid", output_sequence=True)
    small = {name: value[:, :1] if name == "weight_ih" else value for name, value in given.items()}
    x, state = normal(3, 1, 1), {"initial_h": normal(1, H), "initial_c": normal(1, H)}
    expected = lstm_reference(x, state["initial_h"], state["initial_c"], small)
    spec = recurrent_program("lstm", {}, small | {"x": x} | state, [array.shape for array in expected])
    found = Model(spec).predict({})
    np.testing.assert_allclose(found["out_0"], expected[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("way", "whole", "bias", "input_bias", "after"),
    list(itertools.product(("forward", "reverse"), (True, False), (True, False), (True, False), (None, True, False))),
)
def test_gru(way: str, whole: bool, bias: bool, input_bias: bool, after: bool | None) -> None:
    given: dict[str, Any] = {
        "weight_ih": normal(3 * H, N),
        "weight_hh": normal(3 * H, H),
        "direction": way,
        "output_sequence": whole,
    }
    given |= {"bias": normal(3 * H)} if bias else {}
    given |= {"input_bias": normal(3 * H)} if input_bias else {}
    given |= {} if after is None else {"reset_after": after}
    h = normal(B, H)
    outputs, last = gru_reference(X[::-1] if way == "reverse" else X, h, given)
    run_recurrent("gru", {"x": X, "initial_h": h}, given, [shown(outputs, whole), last])


@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
@pytest.mark.parametrize(("way", "whole"), [("forward", True), ("reverse", True), ("reverse", False)])
def test_rnn(kind: str, way: str, whole: bool) -> None:
    weight, recursion, bias = normal(H, N), 0.3 * normal(H, H), normal(H)
    h = start = normal(B, H)
    outputs = []
    for step in X[::-1] if way == "reverse" else X:
        h = ACTIVATIONS[kind](step.astype(np.float64) @ weight.T + h @ recursion.T + bias)
        outputs.append(h)
    given = {"weight_ih": weight, "weight_hh": recursion, "bias": bias, "activation": kind}
    given |= {"direction": way, "output_sequence": whole}
    run_recurrent("rnn", {"x": X, "initial_h": start}, given, [shown(np.stack(outputs), whole), h])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"direction": "sideways"}, "no direction"),
        ({"activation": "wobble"}, "no activation"),
        ({"weight_ih": normal(4 * H, N + 1)}, "weight_ih has the shape"),
        ({"weight_ih": normal(4 * H + 1, N)}, "weight_ih has the shape"),
        ({"weight_hh": normal(4 * H, H + 1)}, "weight_hh has the shape|weight_ih has the shape"),
        ({"weight_hh": normal(4 * H, H, 1)}, "make no recurrent operation"),
        ({"weight_hh": np.zeros((4 * H, H), dtype=np.int32)}, "weight_hh"),
        ({"bias": normal(4 * H + 1)}, "bias has the shape"),
        ({"peephole": normal(H)}, "peephole has the shape"),
        ({"clip": -1.0}, "must be positive"),
        ({"clip": float("nan")}, "clip"),
        ({"direction": "bidirectional"}, "needs one 'weight_ih_back'"),
        ({"x": normal(S, B)}, "make no recurrent operation"),
        ({"initial_h": normal(B + 1, H)}, "initial_h has the shape"),
        ({"initial_c": normal(B, H, 1)}, "initial_c has the shape"),
    ],
)
def test_damage_is_an_invalid_model(change: dict[str, Any], says: str) -> None:
    given = {"x": X, "initial_h": normal(B, H), "initial_c": normal(B, H), **lstm_constants()} | change
    spec = recurrent_program("lstm", {}, given, [(1, B, H), (B, H), (B, H)])
    with pytest.raises(InvalidModelError, match=says):
        Model(spec).graph()
