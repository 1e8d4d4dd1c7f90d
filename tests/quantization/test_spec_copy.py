"""Copies without weights keep everything else, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layer_zoo import every_layer, nested_network, network_spec, pipeline_spec

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.quantization.spec_copy import copy_without_weights, serialized_bytes


def rich_spec() -> Any:
    """A model with maps, preprocessing, flexible shapes, unset and zero fields."""
    spec = pipeline_spec()
    spec.description.metadata.userDefined.update({"b": "2", "a": "1"})
    network = spec.pipelineClassifier.pipeline.models[0].neuralNetwork
    every_layer(network)
    nested_network(network)
    network.preprocessing.add(featureName="x").meanImage.meanImage.extend(range(100))
    custom = network.layers.add(name="mine").custom
    custom.className = "Mine"
    custom.parameters["alpha"].doubleValue = 0.0
    custom.parameters["name"].stringValue = "é"
    network.layers.add(name="empty").softmax.SetInParent()
    network.layers.add(name="empty, of a type with weights").activation.SetInParent()
    network.layers.add(name="a weight without values").bias.bias.SetInParent()
    weight = network.layers[0].convolution.weights
    weight.isUpdatable = True
    network.updateParams.epochs.defaultValue = 3
    image = spec.description.input.add(name="x").type.imageType
    image.imageSizeRange.widthRange.upperBound = -1
    return spec


def refill(source: Any, copy: Any) -> None:
    for old, new in zip(iter_weight_fields(source), iter_weight_fields(copy), strict=True):
        assert (old.layer, old.name) == (new.layer, new.name)
        assert not new.params.floatValue
        new.params.CopyFrom(old.params)


def test_a_copy_lacks_nothing_but_the_weights() -> None:
    spec = rich_spec()
    before = spec.SerializeToString(deterministic=True)
    copy = copy_without_weights(spec)
    assert len(copy.SerializeToString()) < 0.2 * len(before)
    refill(spec, copy)
    assert copy == spec
    assert copy.SerializeToString(deterministic=True) == before
    assert spec.SerializeToString(deterministic=True) == before


def test_a_weight_keeps_its_flag() -> None:
    spec = network_spec(every_layer)
    spec.neuralNetwork.layers[0].convolution.weights.isUpdatable = True
    copy = copy_without_weights(spec)
    assert copy.neuralNetwork.layers[0].convolution.weights.isUpdatable
    assert not copy.neuralNetwork.layers[0].convolution.weights.floatValue


# Field numbers that the format does not use, in each wire type.
UNKNOWN = {
    "number": bytes.fromhex("a0bb01") + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "8 bytes": bytes.fromhex("a1bb01") + bytes(range(8)),
    "text": bytes.fromhex("a2bb01") + b"\x04abcd",
    "group": bytes.fromhex("a3bb01") + b"\x08\x05\x12\x01x" + bytes.fromhex("a4bb01"),
    "4 bytes": bytes.fromhex("a5bb01") + b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_fields_of_a_newer_format_survive_everywhere(unknown: bytes) -> None:
    spec = rich_spec()
    stage = spec.pipelineClassifier.pipeline.models[0]
    layer = stage.neuralNetwork.layers[0]
    places = (
        spec,
        spec.description,
        stage,
        stage.neuralNetwork,
        layer,
        layer.convolution,
        layer.convolution.weights,
    )
    for place in places:
        place.MergeFromString(unknown)
    copy = copy_without_weights(spec)
    assert copy.SerializeToString().count(unknown) == len(places)
    refill(spec, copy)
    assert copy.SerializeToString(deterministic=True) == spec.SerializeToString(deterministic=True)
    assert serialized_bytes(spec) == len(spec.SerializeToString())


def test_the_size_is_that_of_the_file() -> None:
    for spec in (new_model(), rich_spec(), network_spec(every_layer)):
        assert serialized_bytes(spec) == len(spec.SerializeToString())
    half = network_spec(lambda network: every_layer(network, half=True))
    assert serialized_bytes(half) == len(half.SerializeToString())


def test_real_models_are_copied_and_measured(shared_data: Path) -> None:
    for path in sorted((shared_data / "coreml").glob("*.mlmodel")):
        spec = new_model()
        spec.ParseFromString(path.read_bytes())
        assert serialized_bytes(spec) == path.stat().st_size, path.name
        copy = copy_without_weights(spec)
        refill(spec, copy)
        assert copy.SerializeToString(deterministic=True) == spec.SerializeToString(deterministic=True), path.name
