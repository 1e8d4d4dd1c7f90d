"""Small pipelines of neural networks for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model

ARRAY, DOUBLE, RGB, BGR = 65568, 65600, 20, 30


def add_array(features: Any, name: str, shape: tuple[int, ...], dtype: int = ARRAY) -> None:
    feature = features.add(name=name)
    feature.type.multiArrayType.shape.extend(shape)
    feature.type.multiArrayType.dataType = dtype


def add_picture(features: Any, name: str, color: int, size: int = 6) -> None:
    image = features.add(name=name).type.imageType
    image.width = image.height = size
    image.colorSpace = color


def mixing(name: str, given: str, made: str, seed: int) -> Any:
    """A network with one 1×1 convolution that mixes three channels."""
    spec = new_model()
    spec.specificationVersion = 1
    layer = spec.neuralNetwork.layers.add(name=name, input=[given], output=[made])
    layer.convolution.outputChannels = layer.convolution.kernelChannels = 3
    layer.convolution.nGroups = 1
    layer.convolution.kernelSize.extend([1, 1])
    layer.convolution.stride.extend([1, 1])
    layer.convolution.dilationFactor.extend([1, 1])
    layer.convolution.valid.SetInParent()
    layer.convolution.hasBias = True
    rng = np.random.default_rng(seed)
    layer.convolution.weights.floatValue.extend(rng.uniform(-0.6, 0.9, 9).tolist())
    layer.convolution.bias.floatValue.extend(rng.uniform(-30, 30, 3).tolist())
    return spec


def classifier(given: str, shape: tuple[int, ...]) -> Any:
    """A linear classifier over an array, as a neural network."""
    spec = new_model()
    spec.specificationVersion = 1
    network = spec.neuralNetworkClassifier
    size = int(np.prod(shape))
    flat = network.layers.add(name="flat", input=[given], output=["flat"])
    flat.flatten.SetInParent()
    layer = network.layers.add(name="scores", input=["flat"], output=["scores"])
    layer.innerProduct.inputChannels, layer.innerProduct.outputChannels = size, 3
    layer.innerProduct.weights.floatValue.extend(np.random.default_rng(9).normal(0, 0.01, 3 * size).tolist())
    soft = network.layers.add(name="soft", input=["scores"], output=["probs"])
    soft.softmax.SetInParent()
    network.stringClassLabels.vector.extend(["a", "b", "c"])
    add_array(spec.description.input, given, shape)
    spec.description.output.add(name="probs").type.dictionaryType.stringKeyType.SetInParent()
    spec.description.output.add(name="label").type.stringType.SetInParent()
    spec.description.predictedFeatureName, spec.description.predictedProbabilitiesName = "label", "probs"
    return spec


def pipeline(*stages: Any, kind: str = "pipeline") -> Any:
    spec = new_model()
    spec.specificationVersion = 1
    target = spec.pipeline if kind == "pipeline" else spec.pipelineClassifier.pipeline
    for index, stage in enumerate(stages):
        target.models.add().CopyFrom(stage)
        target.names.append(f"stage {index}")
    spec.description.input.extend(stages[0].description.input)
    spec.description.output.extend(stages[-1].description.output)
    if kind == "pipelineClassifier":
        spec.description.predictedFeatureName = stages[-1].description.predictedFeatureName
        spec.description.predictedProbabilitiesName = stages[-1].description.predictedProbabilitiesName
    return spec


def pictures(second_color: int, size: int = 6) -> Any:
    first = mixing("first", "image", "middle", 1)
    add_picture(first.description.input, "image", RGB)
    add_picture(first.description.output, "middle", RGB)
    second = mixing("second", "middle", "out", 2)
    add_picture(second.description.input, "middle", second_color, size)
    add_array(second.description.output, "out", (3, size, size))
    return pipeline(first, second)
