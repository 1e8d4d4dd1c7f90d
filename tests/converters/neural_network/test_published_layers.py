"""Layers of published models, with their real weights, against float64 references."""

from __future__ import annotations

import numpy as np
import pytest
from recurrent_reference import activation, lstm
from running import assert_close, run_layer

from mltoolkit.formats.model_file import to_spec
from mltoolkit.formats.weights import read_weight

GATES = {"i": "inputGate", "f": "forgetGate", "z": "blockInput", "o": "outputGate"}


def layers_of(shared_data, name, kind):
    spec = to_spec(shared_data / "coreml" / f"{name}.mlmodel")
    network = getattr(spec, spec.WhichOneof("Type"))
    return [layer for layer in network.layers if layer.WhichOneof("layer") == kind]


def read_direction(params, weights):
    features, inputs = params.outputVectorSize, params.inputVectorSize
    found = {}
    for gate, field in GATES.items():
        for key, suffix, shape in (
            ("W", "WeightMatrix", (features, inputs)),
            ("R", "RecursionMatrix", (features, features)),
            ("b", "BiasVector", (features,)),
        ):
            found[key + gate] = read_weight(getattr(weights, field + suffix), shape, "test").astype(np.float64)
        found["p" + gate] = 0.0
    if params.params.forgetBias:
        found["bf"] = found["bf"] + 1
    return found


def both_directions(layer, x, states):
    """Outputs of all steps, and y, c of both directions."""
    params = layer.biDirectionalLSTM
    f, g, h = (activation(one.WhichOneof("NonlinearityType"))[0] for one in params.activationsForwardLSTM)
    options = {"limit": params.params.cellClipThreshold, "coupled": params.params.coupledInputAndForgetGate}
    forward, backward = (read_direction(params, weights) for weights in params.weightParams)
    ahead, first = lstm(forward, f, g, h, x, states[:2], **options)
    back, second = lstm(backward, f, g, h, x, states[2:], reverse=True, **options)
    return np.concatenate([ahead, back[::-1]], axis=2), [*first, *second]


def test_states_of_the_activity_lstm(shared_data, rng):
    (layer,) = layers_of(shared_data, "activity_lstm_mariozusag", "biDirectionalLSTM")
    x = rng.normal(size=(500, 1, 3)).astype(np.float32)
    states = [rng.normal(size=(1, 100)).astype(np.float32) for _ in range(4)]
    _, expected = both_directions(layer, x.astype(np.float64), states)
    values = [x.reshape(500, 3, 1, 1), *(state.reshape(1, 100, 1, 1) for state in states)]
    outputs = run_layer(layer, dict(zip(layer.input, values, strict=True)))
    joined = np.concatenate([expected[0], expected[2]], axis=1)
    # 500 float32 steps; hard sigmoids of 0.2 and 0.5, which the file leaves unset, keep errors from growing.
    for name, value in zip(layer.output, [joined, *expected], strict=True):
        assert_close(outputs[name], value.reshape(1, -1, 1, 1), 1e-4, name)


@pytest.mark.parametrize("index", range(4))
def test_krakens_rows(shared_data, rng, index):
    layer = layers_of(shared_data, "kraken_blla", "biDirectionalLSTM")[index]
    channels = layer.biDirectionalLSTM.inputVectorSize
    image = rng.normal(size=(1, channels, 3, 40)).astype(np.float32)
    rows = image.transpose(3, 0, 2, 1).reshape(40, 3, channels).astype(np.float64)
    outputs, _ = both_directions(layer, rows, [np.zeros((3, 32))] * 4)
    expected = outputs.reshape(40, 1, 3, 64).transpose(1, 3, 2, 0)
    # A layer may overwrite its own input's name, so the input is passed under it.
    assert_close(run_layer(layer, {layer.input[0]: image})[layer.output[0]], expected, 2e-5)


def test_deeplabs_resizing_and_argmax(shared_data, rng):
    resizings = layers_of(shared_data, "DeepLabV3Int8LUT", "resizeBilinear")
    last = next(layer for layer in resizings if layer.name == "ResizeBilinear_3:0")
    x = rng.normal(size=(1, 21, 65, 65)).astype(np.float32)
    y = run_layer(last, {last.input[0]: x})[last.output[0]]
    assert y.shape == (1, 21, 513, 513)
    # 513 = 8 · 64 + 1: every eighth pixel is a pixel of the input, those between lie on straight lines.
    assert_close(y[..., ::8, ::8], x, 2e-5)
    assert_close(y[..., 4::8, ::8], (x[..., 1:, :].astype(np.float64) + x[..., :-1, :]) / 2, 2e-5)
    assert_close(y[..., ::8, 2::8], 0.75 * x[..., :-1].astype(np.float64) + 0.25 * x[..., 1:], 2e-5)
    (argmax,) = layers_of(shared_data, "DeepLabV3Int8LUT", "reduce")
    labels = run_layer(argmax, {argmax.input[0]: y})[argmax.output[0]]
    assert_close(labels, np.argmax(y, axis=1, keepdims=True).astype(np.float32), 0)
