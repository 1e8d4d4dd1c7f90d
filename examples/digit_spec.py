"""Writes the digit network as a Core ML specification, layer by layer, with the protobuf classes alone.

Field names and their meaning: NeuralNetwork.proto of Core ML, specification version 1 (iOS 11).
"""

from __future__ import annotations

from typing import Any

import torch
from digit_network import DigitNetwork
from torch import nn

from mltoolkit.formats.protobuf import new_model, proto_module

PROBABILITIES = "labelProbabilities"


def digit_spec(network: DigitNetwork) -> Any:
    """The trained network as a neuralNetworkClassifier that opens on every version of Core ML.

    Input ``image``: 28 × 28 grayscale. Outputs ``classLabel``, "0" … "9", and ``labelProbabilities``, a
    dictionary from label to probability.
    """
    spec = new_model()
    spec.specificationVersion = 1
    _describe(spec.description)
    net = spec.neuralNetworkClassifier
    net.stringClassLabels.vector.extend(str(digit) for digit in range(10))
    net.labelProbabilityLayerName = PROBABILITIES
    preprocessing = net.preprocessing.add(featureName="image")
    preprocessing.scaler.channelScale = 1 / 255

    flow = "image"
    for number, (conv, norm) in enumerate(network.blocks(), start=1):
        flow = _convolution(_layer(net, f"conv{number}", flow), conv)
        flow = _batchnorm(_layer(net, f"norm{number}", flow), norm)
        flow = _relu(_layer(net, f"relu{number}", flow))
        flow = _max_pool(_layer(net, f"pool{number}", flow))
    flow = _flatten(_layer(net, "flatten", flow))
    flow = _inner_product(_layer(net, "dense1", flow), network.dense1)
    flow = _relu(_layer(net, "relu_dense1", flow))
    flow = _inner_product(_layer(net, "dense2", flow), network.dense2)
    net.layers.add(name="softmax", input=[flow], output=[PROBABILITIES]).softmax.SetInParent()
    return spec


def _describe(description: Any) -> None:
    image = description.input.add(name="image", shortDescription="A handwritten digit, white on black")
    image.type.imageType.width = 28
    image.type.imageType.height = 28
    image.type.imageType.colorSpace = proto_module("FeatureTypes_pb2").ImageFeatureType.GRAYSCALE
    probabilities = description.output.add(name=PROBABILITIES, shortDescription="Probability of each digit")
    probabilities.type.dictionaryType.stringKeyType.SetInParent()
    label = description.output.add(name="classLabel", shortDescription="The most probable digit")
    label.type.stringType.SetInParent()
    description.predictedFeatureName = "classLabel"
    description.predictedProbabilitiesName = PROBABILITIES
    description.metadata.shortDescription = (
        "Recognises handwritten digits. Trained only on digits drawn by mltoolkit.digits.generator."
    )
    description.metadata.author = "The mltoolkit founders"
    description.metadata.license = "MIT"
    description.metadata.versionString = "1.0"


def _layer(net: Any, name: str, flow: str) -> Any:
    return net.layers.add(name=name, input=[flow], output=[f"{name}_out"])


def _fill(weights: Any, tensor: torch.Tensor) -> None:
    weights.floatValue.extend(tensor.detach().flatten().tolist())


def _convolution(layer: Any, conv: nn.Conv2d) -> str:
    # Core ML and torch store the weights alike: output channel, input channel, height, width.
    params = layer.convolution
    params.outputChannels, params.kernelChannels = conv.out_channels, conv.in_channels
    params.nGroups = 1
    params.kernelSize.extend(conv.kernel_size)
    params.stride.extend(conv.stride)
    params.dilationFactor.extend(conv.dilation)
    params.same.SetInParent()
    params.hasBias = False
    _fill(params.weights, conv.weight)
    return str(layer.output[0])


def _batchnorm(layer: Any, norm: nn.BatchNorm2d) -> str:
    params = layer.batchnorm
    params.channels = norm.num_features
    params.epsilon = norm.eps
    assert norm.running_mean is not None and norm.running_var is not None
    _fill(params.gamma, norm.weight)
    _fill(params.beta, norm.bias)
    _fill(params.mean, norm.running_mean)
    _fill(params.variance, norm.running_var)
    return str(layer.output[0])


def _relu(layer: Any) -> str:
    layer.activation.ReLU.SetInParent()
    return str(layer.output[0])


def _max_pool(layer: Any) -> str:
    params = layer.pooling
    params.type = params.MAX
    params.kernelSize.extend((2, 2))
    params.stride.extend((2, 2))
    for _ in range(2):
        params.valid.paddingAmounts.borderAmounts.add()
    return str(layer.output[0])


def _flatten(layer: Any) -> str:
    layer.flatten.mode = layer.flatten.CHANNEL_FIRST
    return str(layer.output[0])


def _inner_product(layer: Any, dense: nn.Linear) -> str:
    params = layer.innerProduct
    params.inputChannels, params.outputChannels = dense.in_features, dense.out_features
    params.hasBias = True
    _fill(params.weights, dense.weight)
    _fill(params.bias, dense.bias)
    return str(layer.output[0])
