"""Neural networks with one layer that has weights, one of each type."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model

FLOAT, INT = 65568, 131104
Builder = Callable[[], tuple[Any, tuple[int, ...]]]


_calls = itertools.count()


def fill(weight: Any, *shape: int) -> None:
    """Set a ``WeightParams`` message to random numbers, other ones each time."""
    numbers = np.random.default_rng(next(_calls)).standard_normal(shape)
    weight.floatValue.extend(numbers.astype(np.float32).reshape(-1).tolist())


def network(layer_type: str, shape: Sequence[int], *, dtype: int = FLOAT, rank5: bool = False) -> tuple[Any, Any]:
    """A network of one layer, and the layer's parameters."""
    spec = new_model()
    spec.specificationVersion = 1 if rank5 else 5
    spec.neuralNetwork.arrayInputShapeMapping = 0 if rank5 else 1
    layer = spec.neuralNetwork.layers.add(name="the layer", input=["x"], output=["y"])
    for names, feature in ((spec.description.input, "x"), (spec.description.output, "y")):
        array = names.add(name=feature).type.multiArrayType
        array.dataType = dtype if feature == "x" else FLOAT
        if feature == "x":
            array.shape.extend(shape)
    params = getattr(layer, layer_type)
    params.SetInParent()
    return spec, params


def convolution(*, groups: int = 1, bias: bool = True, transposed: bool = False) -> tuple[Any, tuple[int, ...]]:
    shape = (2, 4, 7, 6)
    spec, params = network("convolution", shape)
    params.isDeconvolution = transposed
    params.outputChannels, params.nGroups = 8, groups
    params.kernelChannels = 4 if transposed else 4 // groups
    params.kernelSize.extend([3, 2])
    params.stride.extend([2, 1])
    params.dilationFactor.extend([1, 1] if transposed else [1, 2])
    params.valid.SetInParent()
    fill(params.weights, *((4, 8 // groups, 3, 2) if transposed else (8, 4 // groups, 3, 2)))
    params.hasBias = bias
    if bias:
        fill(params.bias, 8)
    return spec, shape


def inner_product(*shape: int, bias: bool = True) -> tuple[Any, tuple[int, ...]]:
    spec, params = network("innerProduct", shape)
    params.inputChannels, params.outputChannels = shape[-1], 9
    fill(params.weights, 9, shape[-1])
    params.hasBias = bias
    if bias:
        fill(params.bias, 9)
    return spec, shape


def matrix_product() -> tuple[Any, tuple[int, ...]]:
    shape = (2, 5, 7)
    spec, params = network("batchedMatmul", shape)
    params.weightMatrixFirstDimension, params.weightMatrixSecondDimension = 7, 12
    fill(params.weights, 12, 7)
    params.hasBias = True
    fill(params.bias, 12)
    return spec, shape


def embedding() -> tuple[Any, tuple[int, ...]]:
    spec, params = network("embeddingND", (6, 1), dtype=INT)
    params.vocabSize, params.embeddingSize, params.hasBias = 11, 7, True
    fill(params.weights, 7, 11)
    fill(params.bias, 7)
    return spec, (6, 1)


SIZES = 5, 9


def _gates(holder: Any, gates: Sequence[str], features: int, inputs: int) -> None:
    for gate in gates:
        fill(getattr(holder, f"{gate}WeightMatrix"), features, inputs)
        fill(getattr(holder, f"{gate}RecursionMatrix"), features, features)
        fill(getattr(holder, f"{gate}BiasVector"), features)


def _recurrent(layer_type: str) -> tuple[Any, Any, tuple[int, ...]]:
    inputs, features = SIZES
    shape = (6, 2, inputs)
    spec, params = network(layer_type, (inputs,), rank5=True)
    params.inputVectorSize, params.outputVectorSize = inputs, features
    return spec, params, shape


_LSTM_GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")


def lstm(*, both: bool = False, limit: float = 0.0) -> tuple[Any, tuple[int, ...]]:
    spec, params, shape = _recurrent("biDirectionalLSTM" if both else "uniDirectionalLSTM")
    params.params.sequenceOutput = params.params.hasBiasVectors = params.params.forgetBias = True
    params.params.cellClipThreshold = limit
    owners = ("activationsForwardLSTM", "activationsBackwardLSTM") if both else ("activations",)
    for owner in owners:
        for name in ("sigmoid", "tanh", "tanh"):
            getattr(getattr(params, owner).add(), name).SetInParent()
        _gates(params.weightParams.add() if both else params.weightParams, _LSTM_GATES, SIZES[1], SIZES[0])
    return spec, shape


def gru() -> tuple[Any, tuple[int, ...]]:
    spec, params, shape = _recurrent("gru")
    params.sequenceOutput = params.hasBiasVectors = True
    for name in ("sigmoid", "tanh"):
        getattr(params.activations.add(), name).SetInParent()
    _gates(params, ("updateGate", "resetGate", "outputGate"), SIZES[1], SIZES[0])
    return spec, shape


def simple_recurrent() -> tuple[Any, tuple[int, ...]]:
    spec, params, shape = _recurrent("simpleRecurrent")
    params.sequenceOutput = params.hasBiasVector = True
    params.activation.tanh.SetInParent()
    fill(params.weightMatrix, SIZES[1], SIZES[0])
    fill(params.recursionMatrix, SIZES[1], SIZES[1])
    fill(params.biasVector, SIZES[1])
    return spec, shape


# Name → the network with its input's shape, and how many weights (biases aside) it has.
NETWORKS: dict[str, tuple[Builder, int]] = {
    "convolution": (convolution, 1),
    "grouped convolution": (lambda: convolution(groups=2, bias=False), 1),
    "depthwise convolution": (lambda: convolution(groups=4), 1),
    "deconvolution": (lambda: convolution(transposed=True), 1),
    "grouped deconvolution": (lambda: convolution(transposed=True, groups=2), 1),
    "inner product of vectors": (lambda: inner_product(13), 1),
    "inner product of rows": (lambda: inner_product(4, 13), 1),
    "inner product of matrices": (lambda: inner_product(3, 4, 13, bias=False), 1),
    "matrix product": (matrix_product, 1),
    "embedding": (embedding, 1),
    "lstm": (lstm, 8),
    "lstm in both directions": (lambda: lstm(both=True), 16),
    "lstm with a limit": (lambda: lstm(both=True, limit=0.5), 16),
    "gru": (gru, 6),
    "simple recurrent": (simple_recurrent, 2),
}
