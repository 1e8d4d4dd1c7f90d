"""LSTM, GRU and RNN in all their forms, in both formats, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from checking import check_onnx, one_node, reference

RNG = np.random.default_rng(31)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OUTPUTS = {"LSTM": 3, "GRU": 2, "RNN": 2}
BATCH, INPUTS, FEATURES = 2, 3, 4


def random(*shape: int) -> np.ndarray:
    return RNG.uniform(-0.8, 0.8, size=shape).astype(np.float32)


def arrays(operator: str, directions: int, steps: int, *, states: bool, peepholes: bool) -> dict[str, np.ndarray]:
    rows = GATES[operator] * FEATURES
    given = {
        "X": random(steps, BATCH, INPUTS),
        "W": random(directions, rows, INPUTS),
        "R": random(directions, rows, FEATURES),
        "B": random(directions, 2 * rows),
    }
    if states:
        given["h"] = random(directions, BATCH, FEATURES)
        if operator == "LSTM":
            given["c"] = random(directions, BATCH, FEATURES)
    if peepholes:
        given["P"] = random(directions, 3 * FEATURES)
    return given


def build(
    operator: str,
    given: dict[str, np.ndarray],
    feeds: tuple[str, ...] = ("X", "h", "c"),
    shapes: dict[str, Any] | None = None,
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    names = ["X", "W", "R", "B", "lengths", "h", *(["c", "P"] if operator == "LSTM" else [])]
    inputs = [name if name in given else "" for name in names]
    while not inputs[-1]:
        inputs.pop()
    fed = {name: array for name, array in given.items() if name in feeds}
    rest = {name: array for name, array in given.items() if name not in feeds}
    outputs = OUTPUTS[operator]
    built = one_node(operator, fed, rest, inputs, outputs, shapes, hidden_size=FEATURES, **attributes)
    return built, fed


def operations(checked: Any) -> dict[str, int]:
    return checked["mlpackage"].written.operations


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize(
    ("direction", "states"), [("forward", True), ("reverse", True), ("bidirectional", True), ("bidirectional", False)]
)
def test_directions(operator: str, direction: str, states: bool) -> None:
    count = 2 if direction == "bidirectional" else 1
    model, feeds = build(
        operator, arrays(operator, count, 5, states=states, peepholes=operator == "LSTM"), direction=direction
    )
    checked = check_onnx(model, feeds)
    assert operations(checked)[operator.lower()] == (1 if operator == "LSTM" else count)


@pytest.mark.parametrize(("steps", "direction"), [(5, "bidirectional"), (40, "forward")])
def test_gru_that_resets_afterwards(steps: int, direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    given = arrays("GRU", count, steps, states=True, peepholes=False)
    model, feeds = build("GRU", given, direction=direction, linear_before_reset=1)
    checked = check_onnx(model, feeds)
    # Before iOS 18 it is written as steps: single ones, or a loop for more than 16.
    assert ("while_loop" in operations(checked)) == (steps > 16)
    newer = check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS18")
    assert operations(newer)["gru"] == count


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("LSTM", {"activations": ["HardSigmoid", "Relu", "Affine"], "activation_alpha": [0.2, 1.0]}),
        ("LSTM", {"activations": ["Sigmoid", "Softsign", "LeakyRelu"], "activation_alpha": [0.3]}),
        ("LSTM", {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [0.3], "activation_beta": [0.4]}),
        ("LSTM", {"clip": 0.3}),
        ("LSTM", {"input_forget": 1}),
        ("GRU", {"activations": ["Sigmoid", "Elu"], "activation_alpha": [0.7]}),
        ("GRU", {"activations": ["HardSigmoid", "Relu"], "clip": 0.2}),
        ("RNN", {"activations": ["ScaledTanh"], "activation_alpha": [1.7], "activation_beta": [0.6]}),
        ("RNN", {"activations": ["Relu"]}),
        ("RNN", {"activations": ["Softplus"]}),
    ],
)
def test_activations_and_limits(operator: str, attributes: dict[str, Any]) -> None:
    model, feeds = build(operator, arrays(operator, 1, 4, states=True, peepholes=False), **attributes)
    check_onnx(model, feeds)


@pytest.mark.parametrize(("operator", "steps"), [("LSTM", 5), ("GRU", 36), ("RNN", 5)])
def test_sequences_of_different_lengths(operator: str, steps: int) -> None:
    given = arrays(operator, 2, steps, states=True, peepholes=False)
    given["lengths"] = np.array([3, steps], dtype=np.int32)
    model, feeds = build(operator, given, ("X", "h", "c", "lengths"), direction="bidirectional")
    check_onnx(model, feeds)


@pytest.mark.parametrize("operator", GATES)
def test_weights_that_are_computed(operator: str) -> None:
    given = arrays(operator, 1, 3, states=False, peepholes=operator == "LSTM")
    model, feeds = build(operator, given, tuple(given))
    check_onnx(model, feeds)


@pytest.mark.parametrize("operator", GATES)
def test_batch_first(operator: str) -> None:
    given = arrays(operator, 1, 5, states=True, peepholes=False)
    plain, feeds = build(operator, given)
    expected = reference(plain, feeds)
    turned = {name: np.ascontiguousarray(array.swapaxes(0, 1)) for name, array in feeds.items()}
    model, _ = build(operator, given | turned, layout=1)
    # onnxruntime has no batch-first form: (S, D, B, H) becomes (B, S, D, H), (D, B, H) becomes (B, D, H).
    orders = {"y": (2, 0, 1, 3), "y1": (1, 0, 2), "y2": (1, 0, 2)}
    wanted = {name: array.transpose(orders[name]) for name, array in expected.items()}
    check_onnx(model, turned, expected=wanted)


@pytest.mark.parametrize(("operator", "reset"), [("LSTM", 0), ("GRU", 0), ("GRU", 1), ("RNN", 0)])
def test_flexible_length_and_batch(operator: str, reset: int) -> None:
    given = arrays(operator, 1, 7, states=False, peepholes=False)
    attributes = {"linear_before_reset": 1} if reset else {}
    model, feeds = build(operator, given, shapes={"X": ["steps", "batch", INPUTS]}, **attributes)
    check_onnx(model, feeds)


@pytest.mark.parametrize("operator", GATES)
def test_two_layers_that_share_input_and_initial_state(operator: str) -> None:
    """coremltools 9.0 alone gives two layers of a neural network one name."""
    first, feeds = build(operator, arrays(operator, 1, 3, states=True, peepholes=False))
    second = onnx.compose.add_prefix(build(operator, arrays(operator, 1, 3, states=True, peepholes=False))[0], "b_")
    for node in second.graph.node:
        for index, name in enumerate(node.input):
            if name.removeprefix("b_") in feeds:
                node.input[index] = name.removeprefix("b_")
    first.graph.node.extend(second.graph.node)
    first.graph.initializer.extend(second.graph.initializer)
    first.graph.output.extend(second.graph.output)
    check_onnx(first, feeds)
