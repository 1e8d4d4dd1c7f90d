"""What a NeuralNetwork needs beside its layers: preprocessing, labels, half-precision weights."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.interface import DeclaredInput, DeclaredInterface
from mltoolkit.converters.mil.labels import ClassNames
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.formats.float_field import read_floats
from mltoolkit.formats.weight_fields import Storage, iter_weight_fields
from mltoolkit.formats.weights import Encoding, encoding_of, write_float16

# NeuralNetworkImageShapeMapping: 1 is RANK4_IMAGE_MAPPING, (N, C, H, W).
_RANK4_IMAGES = 1


def finish_network(spec: Any, target: CoreMLTarget, interface: DeclaredInterface, names: ClassNames | None) -> None:
    """Complete a ``Model`` message that holds a plain neural network."""
    network = spec.neuralNetwork
    for item in interface.inputs:
        if item.image is not None:
            network.imageInputShapeMapping = _RANK4_IMAGES
            _preprocess(network, item)
    if names is not None:
        _make_classifier(spec, names)
    if target.precision == "float16":
        halve_weights(spec)


def _preprocess(network: Any, item: DeclaredInput) -> None:
    image = item.image
    assert image is not None
    if not isinstance(image.scale, (int, float)):
        return  # scaled and shifted by layers
    channels = 1 if str(image.color).startswith("GRAYSCALE") else 3
    biases = [image.bias] * channels if isinstance(image.bias, (int, float)) else list(image.bias)
    if image.scale == 1 and not any(biases):
        return
    step = network.preprocessing.add(featureName=item.name)
    step.scaler.channelScale = image.scale
    if channels == 1:
        step.scaler.grayBias = biases[0]
    else:
        red, green, blue = biases if image.color == "RGB" else reversed(biases)
        step.scaler.redBias, step.scaler.greenBias, step.scaler.blueBias = red, green, blue


def _make_classifier(spec: Any, names: ClassNames) -> None:
    classifier = type(spec)().neuralNetworkClassifier
    network = spec.neuralNetwork
    # The messages share the numbers of their common fields; layers are moved, not copied one by one.
    classifier.ParseFromString(network.SerializePartialToString())
    if isinstance(names.labels[0], int):
        classifier.int64ClassLabels.vector.extend(names.labels)
    else:
        classifier.stringClassLabels.vector.extend(names.labels)
    classifier.labelProbabilityLayerName = names.output
    spec.ClearField("neuralNetwork")
    spec.neuralNetworkClassifier.CopyFrom(classifier)


def halve_weights(spec: Any) -> None:
    """Store what Core ML takes in float16 so."""
    for weight in iter_weight_fields(spec):
        if weight.storage in (Storage.ANY, Storage.FLOATS) and encoding_of(weight.params) is Encoding.FLOAT32:
            write_float16(weight.params, read_floats(weight.params, "floatValue"))
