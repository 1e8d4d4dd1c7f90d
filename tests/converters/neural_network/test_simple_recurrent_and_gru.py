"""Simple recurrent and GRU layers against float64 cells written from the format's formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from recurrent_reference import activation, gru, simple_recurrent
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

# A handful of float32 steps with values of order 1; ReLU and linear let errors grow with the values.
TOLERANCE = 1e-5
STEPS, INPUTS, FEATURES = 5, 3, 4

GATES = {"z": "updateGate", "r": "resetGate", "o": "outputGate"}


def blob(x):
    """(S, B, C) as held: [S · B, C, 1, 1]."""
    return x.reshape(-1, x.shape[-1], 1, 1)


def with_state(kind, state):
    names = ("x", "state") if state else ("x",)
    return new_layer(kind, inputs=names, outputs=("y", "last") if state else ("y",))


def check_both_mappings(layer, x, state, expected, sequence_output):
    """Compare with rank-5 and with exact mapping; ``expected`` is (S, B, C)."""
    batch = x.shape[1]
    wanted = expected[0] if sequence_output else expected[1][None]
    inputs = {"x": blob(x)} | ({"state": blob(state[None])} if state is not None else {})
    held = run_layer(layer, inputs, batch=batch)
    assert_close(held["y"], blob(wanted), TOLERANCE)
    exact_inputs = {"x": x[..., None, None]}
    if state is not None:
        assert_close(held["last"], blob(expected[1]), TOLERANCE)
        exact_inputs["state"] = state[None, ..., None, None]
    exact = run_layer(layer, exact_inputs, rank5=False)
    assert_close(exact["y"], wanted[..., None, None], TOLERANCE)
    if state is not None:
        assert_close(exact["last"], expected[1][None, ..., None, None], TOLERANCE)


OPTIONS = list(itertools.product([1, 3], [True, False], [True, False], [True, False], [True, False]))
OPTION_NAMES = ("batch", "sequence_output", "reverse", "bias", "state")


@pytest.mark.parametrize(OPTION_NAMES, OPTIONS)
def test_simple_recurrent_options(rng, batch, sequence_output, reverse, bias, state):
    check_simple(rng, "tanh", batch, sequence_output, reverse, bias, state)


@pytest.mark.parametrize(
    "name",
    [
        "linear",
        "linear:0.5:0.1",
        "sigmoid",
        "ReLU",
        "scaledTanh",
        "scaledTanh:1.2:0.5",
        "sigmoidHard",
        "sigmoidHard:0.3:0.4",
    ],
)
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_simple_recurrent_activations(rng, name, scale):
    # With inputs of up to ±200 the clipping at ±50 shows in linear and ReLU.
    check_simple(rng, name, 2, True, False, True, False, scale)


def check_simple(rng, name, batch, sequence_output, reverse, bias, state, scale=1.0):
    weights = {
        "W": rng.normal(size=(FEATURES, INPUTS)).astype(np.float32),
        "R": rng.normal(size=(FEATURES, FEATURES)).astype(np.float32) / 4,
        "b": rng.normal(size=FEATURES).astype(np.float32) * bias,
    }
    x = (rng.normal(size=(STEPS, batch, INPUTS)) * scale).astype(np.float32)
    y = rng.normal(size=(batch, FEATURES)).astype(np.float32) * state
    function, message = activation(name)
    layer, params = with_state("simpleRecurrent", state)
    params.inputVectorSize, params.outputVectorSize = INPUTS, FEATURES
    params.activation.CopyFrom(message)
    params.sequenceOutput, params.reverseInput, params.hasBiasVector = sequence_output, reverse, bias
    set_weight(params.weightMatrix, weights["W"])
    set_weight(params.recursionMatrix, weights["R"])
    if bias:
        set_weight(params.biasVector, weights["b"])
    weights = {key: value.astype(np.float64) for key, value in weights.items()}
    expected = simple_recurrent(weights, function, x.astype(np.float64), y, reverse)
    check_both_mappings(layer, x, y if state else None, expected, sequence_output)


@pytest.mark.parametrize(OPTION_NAMES, OPTIONS)
def test_gru_options(rng, batch, sequence_output, reverse, bias, state):
    check_gru(rng, ("sigmoid", "tanh"), batch, sequence_output, reverse, bias, state)


@pytest.mark.parametrize(
    "names",
    [
        ("sigmoidHard", "tanh"),
        ("sigmoid", "ReLU"),
        ("tanh", "sigmoid"),
        ("sigmoidHard:0.3:0.4", "scaledTanh"),
        ("sigmoid", "linear"),
        ("linear:0.1:0.5", "scaledTanh:1.2:0.5"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_gru_activations(rng, names, scale):
    check_gru(rng, names, 2, True, False, True, False, scale)


def gru_weights(rng, bias=True):
    weights = {}
    for gate in GATES:
        weights["W" + gate] = rng.normal(size=(FEATURES, INPUTS)).astype(np.float32)
        weights["R" + gate] = rng.normal(size=(FEATURES, FEATURES)).astype(np.float32) / 2
        weights["b" + gate] = rng.normal(size=FEATURES).astype(np.float32) * bias
    return weights


def fill_gru(params, weights, names, bias=True):
    params.inputVectorSize, params.outputVectorSize = INPUTS, FEATURES
    params.activations.extend(activation(name)[1] for name in names)
    params.hasBiasVectors = bias
    for gate, field in GATES.items():
        set_weight(getattr(params, field + "WeightMatrix"), weights["W" + gate])
        set_weight(getattr(params, field + "RecursionMatrix"), weights["R" + gate])
        if bias:
            set_weight(getattr(params, field + "BiasVector"), weights["b" + gate])


def check_gru(rng, names, batch, sequence_output, reverse, bias, state, scale=1.0):
    weights = gru_weights(rng, bias)
    x = (rng.normal(size=(STEPS, batch, INPUTS)) * scale).astype(np.float32)
    y = rng.normal(size=(batch, FEATURES)).astype(np.float32) * state
    layer, params = with_state("gru", state)
    fill_gru(params, weights, names, bias)
    params.sequenceOutput, params.reverseInput = sequence_output, reverse
    weights = {key: value.astype(np.float64) for key, value in weights.items()}
    functions = [activation(name)[0] for name in names]
    expected = gru(weights, *functions, x.astype(np.float64), y, reverse)
    check_both_mappings(layer, x, y if state else None, expected, sequence_output)


def test_states_carry_a_sequence_on(rng):
    layer, params = with_state("gru", True)
    fill_gru(params, gru_weights(rng), ("sigmoid", "tanh"))
    params.sequenceOutput = True
    x = rng.normal(size=(6, INPUTS)).astype(np.float32)
    zeros = np.zeros((1, FEATURES, 1, 1), np.float32)
    whole = run_layer(layer, {"x": blob(x), "state": zeros})
    first = run_layer(layer, {"x": blob(x[:2]), "state": zeros})
    second = run_layer(layer, {"x": blob(x[2:]), "state": first["last"]})
    assert_close(np.concatenate([first["y"], second["y"]]), whole["y"], 1e-6)
    assert_close(second["last"], whole["last"], 1e-6)


def test_the_graph_is_one_recurrent_node(rng):
    layer, params = new_layer("gru")
    fill_gru(params, gru_weights(rng), ("sigmoid", "tanh"))
    builder, context = convert_layer(layer, {"x": (STEPS, INPUTS, 1, 1)})
    nodes = [node.op_type for node in builder.finish([context.values["y"]]).graph]
    assert nodes.count("GRU") == 1 and "Scan" not in nodes


def damaged(name):
    """A GRU message with one fault."""
    rng = np.random.default_rng(5)
    layer, params = new_layer("gru", inputs=("x",))
    fill_gru(params, gru_weights(rng), ("sigmoid", "tanh"))
    match name:
        case "short matrix":
            set_weight(params.resetGateWeightMatrix, np.zeros(5))
        case "empty matrix":
            params.outputGateRecursionMatrix.Clear()
        case "short bias":
            set_weight(params.updateGateBiasVector, np.zeros(3))
        case "no features":
            params.outputVectorSize = 0
        case "absurd features":
            params.outputVectorSize = 2**60
        case "large features":
            params.outputVectorSize = 2**30
        case "absurd inputs":
            params.inputVectorSize = 2**60
        case "other inputs":
            params.inputVectorSize = INPUTS + 1
        case "one activation":
            del params.activations[1:]
        case "unset activation":
            params.activations[0].Clear()
        case "leaky":
            params.activations[0].leakyReLU.alpha = 0.1
        case "nan":
            params.activations[0].sigmoidHard.alpha = float("nan")
        case "three inputs":
            layer.input.extend(["x", "x"])
        case "three outputs":
            layer.output.extend(["a", "b"])
        case "state":
            layer.input.append("x")
        case _:
            raise AssertionError(name)
    return layer


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("short matrix", "resetGateWeightMatrix"),
        ("empty matrix", "outputGateRecursionMatrix"),
        ("short bias", "updateGateBiasVector"),
        ("no features", "outputVectorSize is 0"),
        ("absurd features", "outputVectorSize is 1152921504606846976"),
        ("large features", "RecursionMatrix"),
        ("absurd inputs", "inputVectorSize is"),
        ("other inputs", "expects 4 input channels but gets 3"),
        ("one activation", "activations has 1"),
        ("unset activation", "an activation is not set"),
        ("leaky", "the activation leakyReLU cannot be used"),
        ("nan", "alpha nan"),
        ("three inputs", "3 inputs where it needs 1 or 2"),
        ("three outputs", "3 outputs where it needs 1 or 2"),
        ("state", r"state 'x' has shape \(5, 3, 1, 1\) where 1 × 4 elements"),
    ],
)
def test_damaged_layers(fault, what):
    with pytest.raises(InvalidModelError, match=what) as error:
        run_layer(damaged(fault), {"x": np.zeros((STEPS, INPUTS, 1, 1))})
    assert "the layer" in str(error.value)
