"""A runnable ResNet50 as a Core ML spec: the real topology, 25.5 M seeded random weights.

    python benchmarks/resnet50_shape.py resnet50.mlmodel [--fold-batchnorm]

He et al., "Deep Residual Learning" (arXiv 1512.03385), with the stride in the 3x3 convolutions as
torchvision has it. Weights are He-normal; batch normalisation holds the statistics such weights have, so
activations stay of order one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float32

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4
_RGB = 20  # ImageFeatureType.ColorSpace


class _Builder:
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
        self, name: str, blob: str, shape: tuple[int, int, int], stride: int, gamma: float = 1.0
    ) -> str:
        """A convolution and its batch normalisation, or one convolution with bias in their place."""
        outputs, inputs, size = shape
        fan_in = inputs * size * size
        weights = self.rng.standard_normal((outputs, inputs, size, size), dtype=np.float32) * np.sqrt(
            2 / fan_in
        )
        gammas = (gamma * self.rng.uniform(0.8, 1.2, outputs)).astype(np.float32)
        beta = self.rng.normal(0, 0.1, outputs).astype(np.float32)
        mean = self.rng.normal(0, 0.1, outputs).astype(np.float32)
        variance = self.rng.uniform(1.5, 2.5, outputs).astype(np.float32)
        message = self._add("convolution", name, [blob])
        message.outputChannels, message.kernelChannels, message.nGroups = outputs, inputs, 1
        message.kernelSize.extend([size, size])
        message.stride.extend([stride, stride])
        for _ in range(2):
            edge = message.valid.paddingAmounts.borderAmounts.add()
            edge.startEdgeSize = edge.endEdgeSize = size // 2
        if not self.batchnorm:
            factor = gammas / np.sqrt(variance + 1e-5)
            write_float32(message.weights, weights * factor[:, None, None, None])
            message.hasBias = True
            write_float32(message.bias, beta - mean * factor)
            return name
        write_float32(message.weights, weights)
        norm = self._add("batchnorm", f"{name}_bn", [name])
        norm.channels, norm.epsilon = outputs, 1e-5
        for field, values in (("gamma", gammas), ("beta", beta), ("mean", mean), ("variance", variance)):
            write_float32(getattr(norm, field), values)
        return f"{name}_bn"

    def relu(self, name: str, blob: str) -> str:
        self._add("activation", name, [blob]).ReLU.SetInParent()
        return name

    def add(self, name: str, blobs: list[str]) -> str:
        self._add("add", name, blobs)
        return name

    def max_pool(self, name: str, blob: str) -> str:
        message = self._add("pooling", name, [blob])
        message.kernelSize.extend([3, 3])
        message.stride.extend([2, 2])
        for _ in range(2):
            edge = message.valid.paddingAmounts.borderAmounts.add()
            edge.startEdgeSize = edge.endEdgeSize = 1
        return name

    def global_average(self, name: str, blob: str) -> str:
        message = self._add("pooling", name, [blob])
        message.type, message.globalPooling = 1, True
        message.valid.SetInParent()
        return name

    def inner_product(self, name: str, blob: str, inputs: int, outputs: int) -> str:
        message = self._add("innerProduct", name, [blob])
        message.inputChannels, message.outputChannels, message.hasBias = inputs, outputs, True
        write_float32(
            message.weights, self.rng.standard_normal((outputs, inputs), dtype=np.float32) / np.sqrt(inputs)
        )
        write_float32(message.bias, np.zeros(outputs, np.float32))
        return name

    def softmax(self, name: str, blob: str) -> str:
        self._add("softmax", name, [blob])
        return name

    def bottleneck(self, name: str, blob: str, inputs: int, width: int, stride: int) -> str:
        outputs = width * _EXPANSION
        branch = self.relu(f"{name}_relu1", self.convolution(f"{name}_conv1", blob, (width, inputs, 1), 1))
        branch = self.relu(
            f"{name}_relu2", self.convolution(f"{name}_conv2", branch, (width, width, 3), stride)
        )
        # A small last gamma keeps the sum of 16 residual branches of order one.
        branch = self.convolution(f"{name}_conv3", branch, (outputs, width, 1), 1, gamma=0.4)
        if stride != 1 or inputs != outputs:
            blob = self.convolution(f"{name}_shortcut", blob, (outputs, inputs, 1), stride)
        return self.relu(f"{name}_relu3", self.add(f"{name}_add", [blob, branch]))


def resnet50_spec(
    seed: int = 0, *, batchnorm: bool = True, image_size: int = 224, classes: int = 1000
) -> Any:
    """A ``neuralNetworkClassifier`` of specification 1: ``image`` → ``classLabel``, ``classLabelProbs``.

    Args:
        seed: of the weights.
        batchnorm: False folds the batch normalisations into the convolutions (the same function).
        image_size: height and width of the RGB picture.
        classes: number of labels.
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
    spec.description.metadata.shortDescription = f"ResNet50 shape, random weights, seed {seed}"
    network = spec.neuralNetworkClassifier
    network.stringClassLabels.vector.extend(f"class {index}" for index in range(classes))
    scaler = network.preprocessing.add(featureName="image").scaler
    # ImageNet's mean and mean deviation, as (pixel - mean) / deviation.
    scaler.channelScale = 1 / 58
    scaler.redBias, scaler.greenBias, scaler.blueBias = -123.68 / 58, -116.28 / 58, -103.53 / 58
    build = _Builder(network, seed, batchnorm)
    blob = build.relu("stem_relu", build.convolution("stem", "image", (64, 3, 7), 2))
    blob = build.max_pool("stem_pool", blob)
    channels = 64
    for stage, (width, blocks) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            blob = build.bottleneck(f"stage{stage}_{block + 1}", blob, channels, width, stride)
            channels = width * _EXPANSION
    blob = build.inner_product("fc", build.global_average("average", blob), channels, classes)
    build.softmax("probabilities", blob)
    network.labelProbabilityLayerName = "probabilities"
    return spec


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fold-batchnorm", action="store_true")
    arguments = parser.parse_args()
    spec = resnet50_spec(arguments.seed, batchnorm=not arguments.fold_batchnorm)
    arguments.path.write_bytes(spec.SerializeToString())


if __name__ == "__main__":
    main()
