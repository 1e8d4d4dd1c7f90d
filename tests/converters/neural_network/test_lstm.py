"""LSTM layers against a float64 cell written from the format's formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from recurrent_reference import activation, lstm
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

import mltoolkit as mlt
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.protobuf import new_model

# A handful of float32 steps with values of order 1; ReLU and linear let errors grow with the values.
TOLERANCE = 1e-5
STEPS, INPUTS, FEATURES = 5, 3, 4
USUAL = ("sigmoid", "tanh", "tanh")
GATES = {"i": "inputGate", "f": "forgetGate", "z": "blockInput", "o": "outputGate"}


def blob(x):
    """(S, B, C) as held: [S · B, C, 1, 1]."""
    return x.reshape(-1, x.shape[-1], 1, 1)


def random_weights(rng, bias=True, peepholes=False):
    weights = {}
    for gate in GATES:
        weights["W" + gate] = rng.normal(size=(FEATURES, INPUTS))
        weights["R" + gate] = rng.normal(size=(FEATURES, FEATURES)) / 2
        weights["b" + gate] = rng.normal(size=FEATURES) * bias
        weights["p" + gate] = rng.normal(size=FEATURES) * peepholes
    return {key: value.astype(np.float32).astype(np.float64) for key, value in weights.items()}


def fill_weights(message, weights, bias=True, peepholes=False):
    for gate, field in GATES.items():
        set_weight(getattr(message, field + "WeightMatrix"), weights["W" + gate])
        set_weight(getattr(message, field + "RecursionMatrix"), weights["R" + gate])
        if bias:
            set_weight(getattr(message, field + "BiasVector"), weights["b" + gate])
        if peepholes and gate != "z":
            set_weight(getattr(message, field + "PeepholeVector"), weights["p" + gate])


def make_layer(weights, names=USUAL, *, states=False, bias=True, peepholes=False, **options):
    """An LSTM layer, in two directions with two sets of weights; ``options`` are fields of LSTMParams."""
    both = len(weights) == 2
    inputs, outputs = ["x"], ["y"]
    if states:
        inputs += [f"s{index}" for index in range(2 * len(weights))]
        outputs += [f"t{index}" for index in range(2 * len(weights))]
    layer, params = new_layer("biDirectionalLSTM" if both else "uniDirectionalLSTM", inputs, outputs)
    params.inputVectorSize, params.outputVectorSize = INPUTS, FEATURES
    messages = [activation(name)[1] for name in names]
    if both:
        params.activationsForwardLSTM.extend(messages)
        params.activationsBackwardLSTM.extend(messages)
    else:
        params.activations.extend(messages)
        params.reverseInput = options.pop("reverse", False)
    params.params.hasBiasVectors, params.params.hasPeepholeVectors = bias, peepholes
    for option, value in options.items():
        setattr(params.params, option, value)
    for one in weights:
        fill_weights(params.weightParams.add() if both else params.weightParams, one, bias, peepholes)
    return layer, params


def expected_outputs(weights, names, x, states, *, reverse=False, limit=50.0, coupled=False, forget_bias=False):
    """y of all steps (S, B, D · H), y of the last step of each direction (B, D · H), and [y, c, …] (B, H)."""
    functions = [activation(name)[0] for name in names]
    sequences, last = [], []
    for index, one in enumerate(weights):
        one = dict(one, bf=one["bf"] + 1) if forget_bias else one
        backwards = reverse or index == 1
        outputs, state = lstm(
            one,
            *functions,
            x.astype(np.float64),
            states[2 * index : 2 * index + 2],
            limit=limit,
            coupled=coupled,
            reverse=backwards,
        )
        # "Output of the bi-dir layer": [yf_1, yb_3], [yf_2, yb_2], [yf_3, yb_1]; yb_1 is computed first.
        sequences.append(outputs[::-1] if index == 1 else outputs)
        last += state
    return np.concatenate(sequences, axis=2), np.concatenate(last[0::2], axis=1), last


def check(layer, x, states, expected, sequence_output, tolerance=TOLERANCE):
    """Compare with rank-5 and with exact mapping; ``states`` are fed if the layer takes them."""
    batch = x.shape[1]
    wanted = expected[0] if sequence_output else expected[1][None]
    fed = dict(zip(layer.input[1:], states, strict=False))
    held = run_layer(layer, {"x": blob(x)} | {name: blob(state[None]) for name, state in fed.items()}, batch=batch)
    assert_close(held["y"], blob(wanted), tolerance, "y")
    exact = run_layer(
        layer,
        {"x": x[..., None, None]} | {name: state[None, ..., None, None] for name, state in fed.items()},
        rank5=False,
    )
    assert_close(exact["y"], wanted[..., None, None], tolerance, "y")
    for name, state in zip(layer.output[1:], expected[2], strict=False):
        assert_close(held[name], blob(state[None]), tolerance, name)
        assert_close(exact[name], state[None, ..., None, None], tolerance, name)


def operators(layer, steps, batch=1):
    builder, context = convert_layer(layer, {"x": (steps * batch, INPUTS, 1, 1)}, batch=batch)
    return [node.op_type for node in builder.finish([context.values["y"]]).graph]


def run_case(
    rng,
    names=USUAL,
    *,
    directions=1,
    steps=STEPS,
    batch=2,
    scale=1.0,
    sequence_output=True,
    reverse=False,
    states=False,
    bias=True,
    peepholes=False,
    coupled=False,
    forget_bias=False,
    limit=0.0,
):
    weights = [random_weights(rng, bias, peepholes) for _ in range(directions)]
    x = (rng.normal(size=(steps, batch, INPUTS)) * scale).astype(np.float32)
    first = [rng.normal(size=(batch, FEATURES)).astype(np.float32) * states for _ in range(2 * directions)]
    options = {} if directions == 2 else {"reverse": reverse}
    layer, _ = make_layer(
        weights,
        names,
        states=states,
        bias=bias,
        peepholes=peepholes,
        sequenceOutput=sequence_output,
        coupledInputAndForgetGate=coupled,
        forgetBias=forget_bias,
        cellClipThreshold=limit,
        **options,
    )
    expected = expected_outputs(
        weights,
        names,
        x,
        first,
        reverse=reverse,
        limit=limit or 50.0,
        coupled=coupled,
        forget_bias=forget_bias,
    )
    check(layer, x, first, expected, sequence_output)
    return layer


YES_NO = [False, True]


@pytest.mark.parametrize(("sequence_output", "reverse", "states", "bias"), list(itertools.product(YES_NO, repeat=4)))
@pytest.mark.parametrize(("peepholes", "coupled", "forget_bias"), list(itertools.product(YES_NO, repeat=3)))
def test_options(rng, sequence_output, reverse, states, bias, peepholes, coupled, forget_bias):
    run_case(
        rng,
        sequence_output=sequence_output,
        reverse=reverse,
        states=states,
        bias=bias,
        peepholes=peepholes,
        coupled=coupled,
        forget_bias=forget_bias,
        limit=50_000,
    )


@pytest.mark.parametrize(("sequence_output", "states"), list(itertools.product(YES_NO, repeat=2)))
@pytest.mark.parametrize(("peepholes", "coupled"), list(itertools.product(YES_NO, repeat=2)))
@pytest.mark.parametrize("limit", [50_000, 0.7])
@pytest.mark.parametrize("batch", [1, 3])
def test_both_directions(rng, sequence_output, states, peepholes, coupled, limit, batch):
    run_case(
        rng,
        directions=2,
        batch=batch,
        sequence_output=sequence_output,
        states=states,
        peepholes=peepholes,
        coupled=coupled,
        limit=limit,
    )


@pytest.mark.parametrize("limit", [50_000, 0.5])
@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize(
    "names",
    [
        ("sigmoidHard", "tanh", "tanh"),
        ("sigmoidHard:0.3:0.4", "scaledTanh", "scaledTanh:1.2:0.5"),
        ("sigmoid", "ReLU", "linear"),
        ("sigmoid", "linear", "ReLU"),
        ("sigmoid", "linear:0.5:0.1", "sigmoid"),
        ("tanh", "sigmoid", "sigmoidHard"),
        ("linear:0.1:0.5", "tanh", "tanh"),
        ("sigmoid", "scaledTanh", "linear:2:0.25"),
    ],
)
def test_activations(rng, names, limit, scale):
    run_case(rng, names, peepholes=True, limit=limit, scale=scale)


@pytest.mark.parametrize("reverse", YES_NO)
@pytest.mark.parametrize(("states", "peepholes", "coupled"), list(itertools.product(YES_NO, repeat=3)))
@pytest.mark.parametrize("limit", [0.2, 1.5, 4.5])
def test_the_cell_is_clipped(rng, reverse, states, peepholes, coupled, limit):
    layer = run_case(
        rng,
        reverse=reverse,
        states=states,
        peepholes=peepholes,
        coupled=coupled,
        limit=limit,
        forget_bias=True,
    )
    if not states:
        # Five steps take |c| to 5 at most, coupled gates to 1.
        assert ("Scan" in operators(layer, STEPS)) == (limit < (1 if coupled else 5))


def test_clipping_shows(rng):
    # Forget and input gates wide open and a block input of 1: without clipping c counts the steps.
    weights = {key: np.zeros_like(value) for key, value in random_weights(rng).items()}
    for gate in "ifzo":
        weights["b" + gate] += 30
    x = np.zeros((80, 1, INPUTS), np.float32)
    cells = {}
    for limit in (0.0, 7.0, 100.0):
        layer, _ = make_layer([weights], ("sigmoid", "tanh", "linear"), cellClipThreshold=limit, sequenceOutput=True)
        cells[limit] = run_layer(layer, {"x": blob(x)})["y"][:, 0, 0, 0]
    steps = np.arange(1, 81)
    for limit, shown in {0.0: 50, 7.0: 7, 100.0: 80}.items():
        assert_close(cells[limit], np.minimum(steps, shown).astype(np.float64), 1e-5, f"limit {limit}")


def test_an_unset_limit_of_a_long_sequence_is_50(rng):
    layer, _ = make_layer([random_weights(rng)])
    assert "LSTM" in operators(layer, 50)
    assert "Scan" in operators(layer, 51)


def test_long_sequences_take_one_node_with_the_usual_limit(rng):
    layer, _ = make_layer([random_weights(rng)] * 2, cellClipThreshold=50_000)
    nodes = operators(layer, 3000)
    assert nodes.count("LSTM") == 1 and "Scan" not in nodes


def test_rows_of_an_image_are_sequences(rng):
    """[N, C, H, W] with H · W > 1, as kraken stores it."""
    weights = [random_weights(rng), random_weights(rng)]
    image = rng.normal(size=(2, INPUTS, 4, 6)).astype(np.float32)
    rows = image.transpose(3, 0, 2, 1).reshape(6, 8, INPUTS)
    zeros = [np.zeros((8, FEATURES))] * 4
    whole, last, _ = expected_outputs(weights, USUAL, rows, zeros)
    layer, params = make_layer(weights, cellClipThreshold=50_000, sequenceOutput=True)
    expected = whole.reshape(6, 2, 4, 2 * FEATURES).transpose(1, 3, 2, 0)
    assert_close(run_layer(layer, {"x": image})["y"], expected, TOLERANCE)
    params.params.sequenceOutput = False
    expected = last.reshape(2, 4, 2 * FEATURES).transpose(0, 2, 1)[..., None]
    assert_close(run_layer(layer, {"x": image})["y"], expected, TOLERANCE)


def damaged(name):
    rng = np.random.default_rng(5)
    layer, params = make_layer([random_weights(rng)] * 2, peepholes=True, bias=True)
    match name:
        case "short matrix":
            set_weight(params.weightParams[1].forgetGateWeightMatrix, np.zeros(5))
        case "no peephole":
            params.weightParams[0].outputGatePeepholeVector.Clear()
        case "one set of weights":
            del params.weightParams[1:]
        case "absurd features":
            params.outputVectorSize = 2**31 - 1
        case "two activations":
            del params.activationsBackwardLSTM[2:]
        case "softsign":
            params.activationsForwardLSTM[1].softsign.SetInParent()
        case "negative limit":
            params.params.cellClipThreshold = -1
        case "nan limit":
            params.params.cellClipThreshold = float("nan")
        case "three inputs":
            layer.input.extend(["x", "x"])
        case "six outputs":
            layer.output.extend("abcde")
        case _:
            raise AssertionError(name)
    return layer


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("short matrix", r"weightParams\[1\].forgetGateWeightMatrix"),
        ("no peephole", r"weightParams\[0\].outputGatePeepholeVector"),
        ("one set of weights", "weightParams has 1 entries"),
        ("absurd features", "RecursionMatrix"),
        ("two activations", "activationsBackwardLSTM has 2"),
        ("softsign", "softsign cannot be used in a recurrent layer"),
        ("negative limit", "cellClipThreshold is -1"),
        ("nan limit", "cellClipThreshold is nan"),
        ("three inputs", "3 inputs where it needs 1 or 5"),
        ("six outputs", "6 outputs"),
    ],
)
def test_damaged_layers(fault, what):
    with pytest.raises(InvalidModelError, match=what) as error:
        run_layer(damaged(fault), {"x": np.zeros((STEPS, INPUTS, 1, 1))})
    assert "the layer" in str(error.value)


@pytest.mark.parametrize(
    ("shape", "rank5", "what"),
    [
        ((5, INPUTS, 1, 1), True, "5 vectors cannot be a sequence with batch size 2"),
        ((4, INPUTS, 1, 2), False, "rank 5 but gets rank 4"),
        ((4, 1, INPUTS, 2, 1), False, r"\(S, B, 3, 1, 1\)"),
        ((4, 1, INPUTS + 1, 1, 1), False, "expects 3 input channels but gets 4"),
    ],
)
def test_wrong_inputs(rng, shape, rank5, what):
    layer, _ = make_layer([random_weights(rng)])
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros(shape)}, rank5, batch=2)


def test_images_have_no_states(rng):
    layer, _ = make_layer([random_weights(rng)], states=True)
    state = np.zeros((1, FEATURES, 1, 1))
    with pytest.raises(InvalidModelError, match="a layer on images can have no states"):
        run_layer(layer, {"x": np.zeros((1, INPUTS, 2, 5)), "s0": state, "s1": state})


def test_a_large_scan_runs_as_a_model(rng):
    # The runtime hands large weights to onnxruntime outside the graph, those inside a Scan too.
    features, x = 24, rng.normal(size=(5, INPUTS)).astype(np.float32)
    layer, params = make_layer([random_weights(rng)], cellClipThreshold=0.3)
    params.outputVectorSize = features
    weights = {}
    for gate, field in GATES.items():
        weights["W" + gate] = rng.normal(size=(features, INPUTS)).astype(np.float32)
        weights["R" + gate] = rng.normal(size=(features, features)).astype(np.float32) / features
        weights["b" + gate], weights["p" + gate] = np.zeros(features), np.zeros(features)
        set_weight(getattr(params.weightParams, field + "WeightMatrix"), weights["W" + gate])
        set_weight(getattr(params.weightParams, field + "RecursionMatrix"), weights["R" + gate])
    params.params.hasBiasVectors = False
    spec = new_model()
    spec.specificationVersion = 1
    spec.neuralNetwork.layers.append(layer)
    for feature, name, size in (
        (spec.description.input, "x", INPUTS),
        (spec.description.output, "y", features),
    ):
        array = feature.add(name=name).type.multiArrayType
        array.shape.append(size)
        array.dataType = 65568
    zeros = [np.zeros((1, features))] * 2
    expected = expected_outputs([weights], USUAL, x[:, None], zeros, limit=0.3)
    found = mlt.load(spec).predict({"x": x[:, None]})["y"]
    assert_close(found.reshape(-1), expected[1].reshape(-1), TOLERANCE)
