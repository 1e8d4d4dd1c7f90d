"""Seeded damage to the parameters of layers: they convert and run, or raise one of the project's errors."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from running import is_refused, new_layer, run_layer, set_weight

from mltoolkit.converters.neural_network import sizes

ROUNDS = 25
EXTREMES = {
    "int": [
        0,
        1,
        2,
        3,
        5,
        7,
        255,
        2**16,
        2**31 - 1,
        2**31,
        2**32,
        2**53,
        2**60,
        2**63 - 1,
        2**64 - 1,
        -1,
        -2,
        -(2**63),
    ],
    "float": [0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, -1e30, float("inf"), float("-inf"), float("nan")],
}


def scalar_fields(message):
    """(message, field, index or None) of every number, flag and enumeration but those of weights."""
    places = []
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            if field.message_type.name == "WeightParams":
                continue
            value = getattr(message, field.name)
            if field.is_repeated:
                for item in value:
                    places += scalar_fields(item)
            elif message.HasField(field.name):
                places += scalar_fields(value)
        elif field.is_repeated:
            places += [(message, field, index) for index in range(len(getattr(message, field.name)))]
        else:
            places.append((message, field, None))
    return places


def damage(layer, params, rng):
    """Change, drop or repeat one number, or one of the layer's blobs."""
    kind = rng.integers(8)
    if kind == 0:
        # Outputs that a layer does not make are found by the walk over the network.
        names = [layer.input, layer.output][rng.integers(2)]
        if len(names):
            names.pop()
        if rng.random() < 0.5:
            layer.input.append(rng.choice(["x", "elsewhere"]))
        return
    places = scalar_fields(params)
    if not places:
        return
    message, field, index = places[rng.integers(len(places))]
    if kind == 1 and index is not None:
        values = getattr(message, field.name)
        values.append(values[index]) if rng.random() < 0.5 else values.pop()
        return
    choices = EXTREMES["float" if field.type == field.TYPE_FLOAT else "int"]
    value = choices[rng.integers(len(choices))]
    if field.type == field.TYPE_BOOL:
        value = bool(value)
    try:
        if index is None:
            setattr(message, field.name, value)
        else:
            getattr(message, field.name)[index] = value
    except ValueError:
        # The field's type cannot hold the number, so no file can.
        return


def borders(message):
    for start, end in ((1, 2), (0, 1)):
        message.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)


def lstm_weights(message, inputs, features):
    for gate in ("inputGate", "forgetGate", "blockInput", "outputGate"):
        set_weight(getattr(message, gate + "WeightMatrix"), np.ones(features * inputs))
        set_weight(getattr(message, gate + "RecursionMatrix"), np.ones(features * features))
        set_weight(getattr(message, gate + "BiasVector"), np.ones(features))
        if gate != "blockInput":
            set_weight(getattr(message, gate + "PeepholeVector"), np.ones(features))


def template(name):
    """A valid layer, and the shapes of its inputs as held with rank-5 mapping."""
    shapes = {"x": (2, 4, 6, 6)}
    layer, params = new_layer(name)
    match name:
        case "reduce":
            params.mode, params.epsilon = 3, 0.1
        case "upsample":
            params.scalingFactor.extend([2, 3])
            params.mode = 1
        case "resizeBilinear":
            params.targetSize.extend([4, 9])
            params.mode.samplingMethod = 3
        case "cropResize":
            layer.input.append("boxes")
            shapes["boxes"] = (3, 5, 1, 1)
            params.targetSize.extend([4, 9])
            params.mode.samplingMethod = 1
            params.boxIndicesMode.boxMode = 2
        case "reshape":
            params.targetShape.extend([2, 4, 6, 3])
        case "flatten":
            params.mode = 1
        case "permute":
            params.axis.extend([3, 2, 1, 0])
        case "concat":
            layer.input.append("x")
        case "split":
            layer.output.append("z")
            params.nOutputs = 2
        case "sequenceRepeat":
            params.nRepetitions = 3
        case "reorganizeData":
            params.blockSize = 2
        case "slice":
            params.endIndex, params.stride = -1, 2
        case "crop":
            borders(params.cropAmounts)
            params.offset.extend([1, 0])
        case "padding":
            params.reflection.SetInParent()
            borders(params.paddingAmounts)
        case "simpleRecurrent" | "gru" | "uniDirectionalLSTM" | "biDirectionalLSTM":
            shapes["x"] = (6, 3, 1, 1)
            recurrent_template(name, params)
    return layer, params, shapes


def recurrent_template(name, params):
    params.inputVectorSize, params.outputVectorSize = 3, 2
    if name == "simpleRecurrent":
        params.activation.scaledTanh.alpha = 1.5
        set_weight(params.weightMatrix, np.ones(6))
        set_weight(params.recursionMatrix, np.ones(4))
        return
    lists = (
        [params.activationsForwardLSTM, params.activationsBackwardLSTM]
        if name == "biDirectionalLSTM"
        else [params.activations]
    )
    for activations in lists:
        for _ in range(2 if name == "gru" else 3):
            activations.add().sigmoidHard.alpha = 0.2
    if name == "gru":
        for gate in ("updateGate", "resetGate", "outputGate"):
            set_weight(getattr(params, gate + "WeightMatrix"), np.ones(6))
            set_weight(getattr(params, gate + "RecursionMatrix"), np.ones(4))
        return
    params.params.hasBiasVectors = params.params.hasPeepholeVectors = True
    params.params.cellClipThreshold = 3
    for _ in range(len(lists)):
        lstm_weights(params.weightParams.add() if len(lists) == 2 else params.weightParams, 3, 2)


KINDS = [
    "reduce",
    "upsample",
    "resizeBilinear",
    "cropResize",
    "reshape",
    "flatten",
    "permute",
    "concat",
    "split",
    "sequenceRepeat",
    "reorganizeData",
    "slice",
    "crop",
    "padding",
    "simpleRecurrent",
    "gru",
    "uniDirectionalLSTM",
    "biDirectionalLSTM",
]


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_own_errors(kind, monkeypatch):
    # Smaller blobs than in earnest, for speed.
    monkeypatch.setattr(sizes, "MAX_ELEMENTS", 1 << 18)
    layer, _, shapes = template(kind)
    assert run_layer(layer, {name: np.ones(shape) for name, shape in shapes.items()}, batch=2)
    refused = 0
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        layer, params, shapes = template(kind)
        for _ in range(rng.integers(1, 4)):
            damage(layer, params, rng)
        # Box numbers must be valid ones, which only the running model can know.
        inputs = {name: np.ones(shape) for name, shape in shapes.items()}
        refused += is_refused(partial(run_layer, layer, inputs, batch=2), layer, seed)
    assert refused, "no damage was found"
