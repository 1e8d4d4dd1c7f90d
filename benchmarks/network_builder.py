"""Writing image classifiers of seeded random weights as Core ML specs, for the shapes to measure on.

Weights are He-normal; batch normalisation holds the statistics such weights have, so activations stay of
order one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float32

_RGB = 20  # ImageFeatureType.ColorSpace
_THRESHOLD = 7  # UnaryFunctionLayerParams.Operation
_AVERAGE = 1  # PoolingLayerParams.PoolingType
EPSILON = 1e-5


class NetworkBuilder:
    """Adds layers to a NeuralNetwork message; every method returns the name of the blob it makes.

    Args:
        network: the message.
        seed: of the weights.
        batchnorm: False folds batch normalisations into the convolutions before them (the same function).
    """

    def __init__(self, network: Any, seed: int, batchnorm: bool) -> None:
        self.layers = network.layers
        self.rng = np.random.default_rng(seed)
        self.batchnorm = batchnorm

    def _add(self, kind: str, name: str, inputs: list[str]) -> Any:
        layer = self.layers.add(name=name, input=inputs, output=[name])
        message = getattr(layer, kind)
        message.SetInParent()
        return message

    def convolution(
        self,
        name: str,
        blob: str,
        shape: tuple[int, int, int],
        stride: int = 1,
        *,
        groups: int = 1,
        gamma: float = 1.0,
    ) -> str:
        """A convolution of (outputs, inputs, size) with its batch normalisation; padded by half its size."""
        outputs, inputs, size = shape
        fan_in = inputs // groups * size * size
        weights = self.rng.standard_normal((outputs, inputs // groups, size, size), dtype=np.float32) * np.sqrt(
            2 / fan_in
        )
        gammas = (gamma * self.rng.uniform(0.8, 1.2, outputs)).astype(np.float32)
        beta = self.rng.normal(0, 0.1, outputs).astype(np.float32)
        mean = self.rng.normal(0, 0.1, outputs).astype(np.float32)
        variance = self.rng.uniform(1.5, 2.5, outputs).astype(np.float32)
        message = self._add("convolution", name, [blob])
        message.outputChannels, message.kernelChannels, message.nGroups = outputs, inputs // groups, groups
        message.kernelSize.extend([size, size])
        message.stride.extend([stride, stride])
        for _ in range(2):
            edge = message.valid.paddingAmounts.borderAmounts.add()
            edge.startEdgeSize = edge.endEdgeSize = size // 2
        if not self.batchnorm:
            factor = gammas / np.sqrt(variance + EPSILON)
            write_float32(message.weights, weights * factor[:, None, None, None])
            message.hasBias = True
            write_float32(message.bias, beta - mean * factor)
            return name
        write_float32(message.weights, weights)
        norm = self._add("batchnorm", f"{name}_bn", [name])
        norm.channels, norm.epsilon = outputs, EPSILON
        for field, values in (("gamma", gammas), ("beta", beta), ("mean", mean), ("variance", variance)):
            write_float32(getattr(norm, field), values)
        return f"{name}_bn"

    def relu(self, name: str, blob: str) -> str:
        """max(x, 0)."""
        self._add("activation", name, [blob]).ReLU.SetInParent()
        return name

    def relu6(self, name: str, blob: str) -> str:
        """min(max(x, 0), 6) as coremltools' Keras converter wrote it: relu, −x, max(x, −6), −x."""
        blob = self._negative(f"{name}_neg", self.relu(f"{name}_relu", blob))
        message = self._add("unary", f"{name}_clip", [blob])
        message.type, message.alpha, message.scale = _THRESHOLD, -6.0, 1.0
        return self._negative(name, f"{name}_clip")

    def _negative(self, name: str, blob: str) -> str:
        self._add("activation", name, [blob]).linear.alpha = -1.0
        return name

    def add(self, name: str, blobs: list[str]) -> str:
        """The sum of blobs of one shape."""
        self._add("add", name, blobs)
        return name

    def max_pool(self, name: str, blob: str) -> str:
        """The maximum of 3 x 3 windows at a stride of 2, padded by 1."""
        message = self._add("pooling", name, [blob])
        message.kernelSize.extend([3, 3])
        message.stride.extend([2, 2])
        for _ in range(2):
            edge = message.valid.paddingAmounts.borderAmounts.add()
            edge.startEdgeSize = edge.endEdgeSize = 1
        return name

    def global_average(self, name: str, blob: str) -> str:
        """The mean over height and width."""
        message = self._add("pooling", name, [blob])
        message.type, message.globalPooling = _AVERAGE, True
        message.valid.SetInParent()
        return name

    def inner_product(self, name: str, blob: str, inputs: int, outputs: int) -> str:
        """A fully connected layer."""
        message = self._add("innerProduct", name, [blob])
        message.inputChannels, message.outputChannels, message.hasBias = inputs, outputs, True
        write_float32(message.weights, self.rng.standard_normal((outputs, inputs), dtype=np.float32) / np.sqrt(inputs))
        write_float32(message.bias, np.zeros(outputs, np.float32))
        return name

    def softmax(self, name: str, blob: str) -> str:
        """Softmax over the channels."""
        self._add("softmax", name, [blob])
        return name


def classifier_spec(description: str, image_size: int, classes: int) -> tuple[Any, Any]:
    """A ``neuralNetworkClassifier`` of specification 1 without layers, and its network message.

    ``image`` → ``classLabel``, ``classLabelProbs``; the last layer must be named ``probabilities``.
    """
    spec = new_model()
    spec.specificationVersion = 1
    image = spec.description.input.add(name="image").type.imageType
    image.width = image.height = image_size
    image.colorSpace = _RGB
    spec.description.output.add(name="classLabel").type.stringType.SetInParent()
    spec.description.output.add(name="classLabelProbs").type.dictionaryType.stringKeyType.SetInParent()
    spec.description.predictedFeatureName = "classLabel"
    spec.description.predictedProbabilitiesName = "classLabelProbs"
    spec.description.metadata.shortDescription = description
    network = spec.neuralNetworkClassifier
    network.stringClassLabels.vector.extend(f"class {index}" for index in range(classes))
    scaler = network.preprocessing.add(featureName="image").scaler
    # ImageNet's mean and mean deviation, as (pixel - mean) / deviation.
    scaler.channelScale = 1 / 58
    scaler.redBias, scaler.greenBias, scaler.blueBias = -123.68 / 58, -116.28 / 58, -103.53 / 58
    network.labelProbabilityLayerName = "probabilities"
    return spec, network


def write_command(make_spec: Callable[..., Any], description: str) -> None:
    """The command line of a shape: write it to a file."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fold-batchnorm", action="store_true")
    arguments = parser.parse_args()
    spec = make_spec(arguments.seed, batchnorm=not arguments.fold_batchnorm)
    arguments.path.write_bytes(spec.SerializeToString())
