"""Models of a few hundred bytes for tests: one of each kind that files hold, with every weight encoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import LinearCodes, TableCodes, write_codes, write_float16, write_float32

FLOAT32 = 65568


def describe_array(features: Any, name: str, shape: tuple[int, ...]) -> None:
    array = features.add(name=name).type.multiArrayType
    array.shape.extend(shape)
    array.dataType = FLOAT32


def _describe_image(features: Any, name: str, width: int, height: int) -> None:
    image = features.add(name=name).type.imageType
    image.width, image.height, image.colorSpace = width, height, 30


def add_layer(network: Any, name: str, source: str, target: str) -> Any:
    """A layer without type that reads the blob ``source`` and makes ``target``."""
    layer = network.layers.add(name=name)
    layer.input.append(source)
    layer.output.append(target)
    return layer


def random_values(*shape: int) -> np.ndarray:
    return np.random.default_rng(int(np.prod(shape))).normal(0, 0.5, shape).astype(np.float32)


def _linear(params: Any, nbits: int, count: int, channels: int) -> None:
    codes = np.random.default_rng(count).integers(0, 1 << nbits, count, dtype=np.uint8)
    scale = np.linspace(0.1, 0.2, channels, dtype=np.float32)
    write_codes(params, LinearCodes(codes, nbits, scale, np.full(channels, -0.5, np.float32)))


def _table(params: Any, nbits: int, count: int) -> None:
    codes = np.random.default_rng(count).integers(0, 1 << nbits, count, dtype=np.uint8)
    write_codes(params, TableCodes(codes, nbits, np.linspace(-0.5, 0.5, 1 << nbits, dtype=np.float32)))


def _add_convolution(network: Any, name: str, source: str, target: str, channels: int, kernels: int) -> Any:
    convolution = add_layer(network, name, source, target).convolution
    convolution.outputChannels, convolution.kernelChannels, convolution.nGroups = kernels, channels, 1
    convolution.kernelSize.extend([3, 3])
    convolution.stride.extend([1, 1])
    convolution.dilationFactor.extend([1, 1])
    convolution.valid.SetInParent()
    convolution.hasBias = True
    write_float16(convolution.bias, np.linspace(-0.1, 0.1, kernels))
    return convolution


def _add_inner_product(network: Any, name: str, source: str, target: str, inputs: int, outputs: int) -> Any:
    inner = add_layer(network, name, source, target).innerProduct
    inner.inputChannels, inner.outputChannels = inputs, outputs
    write_float32(inner.weights, random_values(outputs, inputs))
    return inner


def image_classifier() -> Any:
    """A picture → convolution (4-bit table) → batchnorm → ReLU → pooling → inner product → softmax."""
    spec = new_model()
    spec.specificationVersion = 3
    _describe_image(spec.description.input, "image", 8, 8)
    spec.description.output.add(name="label").type.stringType.SetInParent()
    spec.description.output.add(name="scores").type.dictionaryType.stringKeyType.SetInParent()
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "scores"
    network = spec.neuralNetworkClassifier
    network.stringClassLabels.vector.extend(["cat", "dog", "owl"])
    network.labelProbabilityLayerName = "probabilities"
    network.preprocessing.add(featureName="image").scaler.channelScale = 1 / 255
    convolution = _add_convolution(network, "conv", "image", "features", 3, 4)
    _table(convolution.weights, 4, 4 * 3 * 9)
    batchnorm = add_layer(network, "norm", "features", "normed").batchnorm
    batchnorm.channels, batchnorm.epsilon = 4, 1e-5
    for field in ("gamma", "beta", "mean", "variance"):
        write_float32(getattr(batchnorm, field), np.linspace(0.5, 1.5, 4))
    add_layer(network, "relu", "normed", "active").activation.ReLU.SetInParent()
    pooling = add_layer(network, "pool", "active", "pooled").pooling
    pooling.type = 1
    pooling.kernelSize.extend([2, 2])
    pooling.stride.extend([2, 2])
    pooling.valid.SetInParent()
    add_layer(network, "flat", "pooled", "vector").flatten.SetInParent()
    inner = _add_inner_product(network, "fc", "vector", "logits", 36, 3)
    _linear(inner.weights, 8, 108, 3)
    add_layer(network, "softmax", "logits", "probabilities").softmax.SetInParent()
    return spec


def image_filter() -> Any:
    """A picture of flexible size → padding → convolution → upsampling → a picture."""
    spec = new_model()
    spec.specificationVersion = 3
    _describe_image(spec.description.input, "image", 6, 6)
    sizes = spec.description.input[0].type.imageType.imageSizeRange
    sizes.widthRange.lowerBound, sizes.widthRange.upperBound = 4, 16
    sizes.heightRange.lowerBound, sizes.heightRange.upperBound = 4, -1
    _describe_image(spec.description.output, "filtered", 12, 12)
    network = spec.neuralNetwork
    padding = add_layer(network, "pad", "image", "padded").padding
    padding.reflection.SetInParent()
    for _ in range(2):
        padding.paddingAmounts.borderAmounts.add(startEdgeSize=1, endEdgeSize=1)
    convolution = _add_convolution(network, "conv", "padded", "smooth", 3, 3)
    _linear(convolution.weights, 6, 81, 1)
    upsample = add_layer(network, "up", "smooth", "large").upsample
    upsample.scalingFactor.extend([2, 2])
    upsample.mode = 1
    unary = add_layer(network, "clip", "large", "filtered").unary
    unary.type, unary.alpha, unary.scale = 7, 0.0, 1.0
    return spec


def vector_regressor() -> Any:
    """Two vectors, one of them optional → sums and products → a number."""
    spec = new_model()
    spec.specificationVersion = 5
    describe_array(spec.description.input, "x", (4,))
    describe_array(spec.description.input, "y", (4,))
    optional = spec.description.input[1].type
    optional.isOptional = True
    optional.multiArrayType.floatDefaultValue = 0.25
    describe_array(spec.description.output, "value", (1,))
    spec.description.predictedFeatureName = "value"
    network = spec.neuralNetworkRegressor
    add_layer(network, "sum", "x", "both").add.SetInParent()
    network.layers[-1].input.append("y")
    scale = add_layer(network, "scale", "both", "scaled").scale
    scale.shapeScale.append(4)
    write_float16(scale.scale, np.linspace(1, 2, 4))
    constant = network.layers.add(name="constant")
    constant.output.append("constant")
    constant.loadConstant.shape.extend([4, 1, 1])
    write_float32(constant.loadConstant.data, np.linspace(-1, 1, 4))
    add_layer(network, "product", "scaled", "multiplied").multiply.SetInParent()
    network.layers[-1].input.append("constant")
    _add_inner_product(network, "fc", "multiplied", "value", 4, 1)
    return spec


def sequence_model() -> Any:
    """A sequence of vectors with an LSTM and its states."""
    spec = new_model()
    spec.specificationVersion = 1
    describe_array(spec.description.input, "step", (3,))
    for name in ("hidden_in", "cell_in"):
        describe_array(spec.description.input, name, (2,))
        spec.description.input[-1].type.isOptional = True
    for name in ("out", "hidden_out", "cell_out"):
        describe_array(spec.description.output, name, (2,))
    network = spec.neuralNetwork
    layer = network.layers.add(name="lstm")
    layer.input.extend(["step", "hidden_in", "cell_in"])
    layer.output.extend(["out", "hidden_out", "cell_out"])
    lstm = layer.uniDirectionalLSTM
    lstm.inputVectorSize, lstm.outputVectorSize = 3, 2
    for kind in ("sigmoid", "tanh", "tanh"):
        getattr(lstm.activations.add(), kind).SetInParent()
    lstm.params.hasBiasVectors = True
    for gate in ("inputGate", "forgetGate", "blockInput", "outputGate"):
        write_float32(getattr(lstm.weightParams, f"{gate}WeightMatrix"), random_values(2, 3))
        write_float32(getattr(lstm.weightParams, f"{gate}RecursionMatrix"), random_values(2, 2))
        write_float32(getattr(lstm.weightParams, f"{gate}BiasVector"), random_values(2))
    return spec


def pipeline() -> Any:
    """A network and a classifier, one after the other."""
    spec = new_model()
    spec.specificationVersion = 3
    describe_array(spec.description.input, "x", (4,))
    spec.description.output.add(name="label").type.int64Type.SetInParent()
    spec.description.predictedFeatureName = "label"
    stages = spec.pipelineClassifier.pipeline
    stages.names.extend(["features", "decision"])
    first = stages.models.add(specificationVersion=3)
    describe_array(first.description.input, "x", (4,))
    describe_array(first.description.output, "hidden", (3,))
    _add_inner_product(first.neuralNetwork, "fc1", "x", "hidden", 4, 3)
    second = stages.models.add(specificationVersion=3)
    describe_array(second.description.input, "hidden", (3,))
    second.description.output.add(name="label").type.int64Type.SetInParent()
    second.description.predictedFeatureName = "label"
    network = second.neuralNetworkClassifier
    network.int64ClassLabels.vector.extend([10, 20])
    _add_inner_product(network, "fc2", "hidden", "logits", 3, 2)
    add_layer(network, "softmax", "logits", "probabilities").softmax.SetInParent()
    return spec


SMALL_MODELS: dict[str, Callable[[], Any]] = {
    function.__name__: function
    for function in (image_classifier, image_filter, vector_regressor, sequence_model, pipeline)
}
