"""Two networks with one layer of nearly every type of specification ≤ 3, side by side on one input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from small_models import add_layer, describe_array, random_values

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float32


def _crop(params: Any) -> None:
    for _ in range(2):
        params.cropAmounts.borderAmounts.add(startEdgeSize=1, endEdgeSize=0)


def _slice(params: Any) -> None:
    params.startIndex, params.endIndex, params.stride, params.axis = 0, -1, 1, 2


def _reduce(params: Any) -> None:
    params.mode, params.axis = 1, 2


def _reorganize(params: Any) -> None:
    params.mode, params.blockSize = 1, 2


def _reshape(params: Any) -> None:
    params.targetShape.extend([8, 4, 2])


def _normalize(params: Any) -> None:
    params.acrossChannels, params.normalizeVariance, params.epsilon = True, True, 1e-5


def _lrn(params: Any) -> None:
    params.alpha, params.beta, params.localSize, params.k = 1e-3, 0.75, 3, 1.0


def _bias(params: Any) -> None:
    params.shape.extend([4, 1, 1])
    write_float32(params.bias, random_values(4))


def _resize(params: Any) -> None:
    params.targetSize.extend([5, 7])
    params.mode.samplingMethod = 1


def _deconvolution(params: Any) -> None:
    params.outputChannels, params.kernelChannels, params.nGroups = 2, 4, 1
    params.kernelSize.extend([2, 2])
    params.stride.extend([2, 2])
    params.same.SetInParent()
    params.isDeconvolution = True
    write_float32(params.weights, random_values(4, 2, 2, 2))


def _prelu(params: Any) -> None:
    write_float32(params.PReLU.alpha, random_values(4))


def _linear(params: Any) -> None:
    params.linear.alpha, params.linear.beta = 2.0, -1.0


def _power(params: Any) -> None:
    params.type, params.alpha, params.epsilon = 3, 2.0, 1e-6


def _depthwise(params: Any) -> None:
    params.outputChannels, params.kernelChannels, params.nGroups = 4, 1, 4
    params.kernelSize.extend([3, 1])
    params.dilationFactor.extend([2, 1])
    params.same.asymmetryMode = 1
    write_float32(params.weights, random_values(4, 1, 3, 1))


def _nothing(params: Any) -> None:
    params.SetInParent()


# Layer type, number of inputs and outputs, how it is filled.
_SPATIAL: tuple[tuple[str, int, int, Callable[[Any], None]], ...] = (
    ("crop", 1, 1, _crop),
    ("slice", 1, 1, _slice),
    ("split", 1, 2, lambda params: setattr(params, "nOutputs", 2)),
    ("concat", 2, 1, _nothing),
    ("reduce", 1, 1, _reduce),
    ("reorganizeData", 1, 1, _reorganize),
    ("reshape", 1, 1, _reshape),
    ("permute", 1, 1, lambda params: params.axis.extend([0, 2, 3, 1])),
    ("mvn", 1, 1, _normalize),
    ("l2normalize", 1, 1, lambda params: setattr(params, "epsilon", 1e-6)),
    ("lrn", 1, 1, _lrn),
    ("bias", 1, 1, _bias),
    ("average", 2, 1, _nothing),
    ("max", 2, 1, _nothing),
    ("min", 2, 1, _nothing),
    ("sequenceRepeat", 1, 1, lambda params: setattr(params, "nRepetitions", 2)),
    ("resizeBilinear", 1, 1, _resize),
    ("convolution", 1, 1, _deconvolution),
    ("convolution", 1, 1, _depthwise),
    ("activation", 1, 1, _prelu),
    ("activation", 1, 1, _linear),
    ("unary", 1, 1, _power),
    ("softmax", 1, 1, _nothing),
)


def spatial_zoo() -> Any:
    """An array (4, 4, 4) that every layer reads; those that can are outputs of the model."""
    spec = new_model()
    spec.specificationVersion = 3
    describe_array(spec.description.input, "x", (4, 4, 4))
    for number, (kind, inputs, outputs, fill) in enumerate(_SPATIAL):
        layer = spec.neuralNetwork.layers.add(name=f"{kind} {number}")
        layer.input.extend(["x"] * inputs)
        layer.output.extend(f"y{number}.{place}" for place in range(outputs))
        fill(getattr(layer, kind))
        for name in layer.output:
            describe_array(spec.description.output, name, ())
    return spec


def _fill_gates(weights: Any, gates: tuple[str, ...]) -> None:
    for gate in gates:
        write_float32(getattr(weights, f"{gate}WeightMatrix"), random_values(2, 3))
        write_float32(getattr(weights, f"{gate}RecursionMatrix"), random_values(2, 2))


_LSTM_GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")


def recurrent_zoo() -> Any:
    """A vector → every recurrent layer, an embedding and a dot product."""
    spec = new_model()
    spec.specificationVersion = 2
    describe_array(spec.description.input, "x", (3,))
    describe_array(spec.description.input, "index", (1,))
    network = spec.neuralNetwork
    rnn = add_layer(network, "rnn", "x", "rnn").simpleRecurrent
    rnn.inputVectorSize, rnn.outputVectorSize, rnn.sequenceOutput = 3, 2, True
    rnn.activation.tanh.SetInParent()
    write_float32(rnn.weightMatrix, random_values(2, 3))
    write_float32(rnn.recursionMatrix, random_values(2, 2))
    gru = add_layer(network, "gru", "x", "gru").gru
    gru.inputVectorSize, gru.outputVectorSize, gru.reverseInput = 3, 2, True
    for kind in ("sigmoidHard", "tanh"):
        getattr(gru.activations.add(), kind).SetInParent()
    gru.activations[0].sigmoidHard.alpha, gru.activations[0].sigmoidHard.beta = 0.2, 0.5
    _fill_gates(gru, ("updateGate", "resetGate", "outputGate"))
    both = add_layer(network, "bilstm", "x", "bilstm").biDirectionalLSTM
    both.inputVectorSize, both.outputVectorSize = 3, 2
    both.params.hasPeepholeVectors = True
    for activations in (both.activationsForwardLSTM, both.activationsBackwardLSTM):
        for kind in ("sigmoid", "tanh", "tanh"):
            getattr(activations.add(), kind).SetInParent()
    for _ in range(2):
        weights = both.weightParams.add()
        _fill_gates(weights, _LSTM_GATES)
        for gate in ("inputGate", "forgetGate", "outputGate"):
            write_float32(getattr(weights, f"{gate}PeepholeVector"), random_values(2))
    embedding = add_layer(network, "embedding", "index", "embedding").embedding
    embedding.inputDim, embedding.outputChannels = 5, 2
    write_float32(embedding.weights, random_values(2, 5))
    add_layer(network, "dot", "x", "dot").dot.cosineSimilarity = True
    network.layers[-1].input.append("x")
    for name in ("rnn", "gru", "bilstm", "embedding", "dot"):
        describe_array(spec.description.output, name, ())
    return spec
