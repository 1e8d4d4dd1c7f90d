"""Every WeightParams field of the format is in the table, with the shape that the layer gives it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mltoolkit.formats.networks import NESTED_NETWORKS, iter_layers, iter_models
from mltoolkit.formats.protobuf import new_model, proto_module
from mltoolkit.formats.weight_fields import WEIGHT_TABLE, Storage, iter_weight_fields
from mltoolkit.formats.weights import Encoding, check_size, encoding_of, write_float32

NN = proto_module("NeuralNetwork_pb2")


def _is_repeated(field: Any) -> bool:
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def _weight_paths(descriptor: Any, prefix: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    for field in descriptor.fields:
        if field.message_type is None or field.message_type.full_name in seen:
            continue
        path = prefix + field.name + ("[]" if _is_repeated(field) else "")
        if field.message_type is NN.WeightParams.DESCRIPTOR:
            yield path
        elif field.message_type is not NN.NeuralNetwork.DESCRIPTOR:
            yield from _weight_paths(field.message_type, path + ".", (*seen, descriptor.full_name))


def _layer_types() -> dict[str, Any]:
    fields = NN.NeuralNetworkLayer.DESCRIPTOR.oneofs_by_name["layer"].fields
    return {field.name: field.message_type for field in fields}


def test_every_weight_field_of_the_format_is_in_the_table() -> None:
    of_format = {kind: sorted(_weight_paths(message)) for kind, message in _layer_types().items()}
    of_format = {kind: paths for kind, paths in of_format.items() if paths}
    of_table = {kind: sorted(row.field for row in rows) for kind, rows in WEIGHT_TABLE.items()}
    assert of_table == of_format


def test_every_layer_that_holds_networks_is_known() -> None:
    of_format = {
        kind: tuple(field.name for field in message.fields if field.message_type is NN.NeuralNetwork.DESCRIPTOR)
        for kind, message in _layer_types().items()
    }
    assert {kind: fields for kind, fields in of_format.items() if fields} == NESTED_NETWORKS


def _network_with(kind: str) -> tuple[Any, Any]:
    spec = new_model()
    layer = spec.neuralNetwork.layers.add(name=f"the {kind}")
    message = getattr(layer, kind)
    message.SetInParent()
    return spec, message


def _sized(message: Any, **sizes: int) -> None:
    for name, size in sizes.items():
        field = getattr(message, name)
        if isinstance(field, int):
            setattr(message, name, size)
        else:
            field.extend(size)


# Layer type, sizes, then field → (shape, channel axis, per channel, role).
SHAPES: list[tuple[str, dict[str, Any], dict[str, tuple[tuple[int, ...], int, bool, str]]]] = [
    (
        "convolution",
        {"outputChannels": 6, "kernelChannels": 2, "nGroups": 3, "kernelSize": [5, 4]},
        {"weights": ((6, 2, 5, 4), 0, True, "weight"), "bias": ((6,), 0, False, "bias")},
    ),
    (
        "convolution",
        {"outputChannels": 6, "kernelChannels": 2, "isDeconvolution": 1},
        {"weights": ((2, 6, 3, 3), 1, True, "weight"), "bias": ((6,), 0, False, "bias")},
    ),
    (
        "convolution",
        {"outputChannels": 6, "kernelChannels": 4, "nGroups": 2, "kernelSize": [7], "isDeconvolution": 1},
        {"weights": ((4, 3, 7, 3), 1, False, "weight")},
    ),
    (
        "convolution3d",
        {
            "outputChannels": 6,
            "inputChannels": 4,
            "nGroups": 2,
            "kernelDepth": 1,
            "kernelHeight": 2,
            "kernelWidth": 3,
        },
        {"weights": ((6, 2, 1, 2, 3), 0, False, "weight"), "bias": ((6,), 0, False, "bias")},
    ),
    (
        "convolution3d",
        {
            "outputChannels": 6,
            "inputChannels": 4,
            "nGroups": 2,
            "kernelDepth": 1,
            "kernelHeight": 2,
            "kernelWidth": 3,
            "isDeconvolution": 1,
        },
        {"weights": ((4, 3, 1, 2, 3), 1, False, "weight")},
    ),
    (
        "innerProduct",
        {"inputChannels": 5, "outputChannels": 3},
        {"weights": ((3, 5), 0, True, "weight"), "bias": ((3,), 0, False, "bias")},
    ),
    (
        "batchedMatmul",
        {"weightMatrixFirstDimension": 5, "weightMatrixSecondDimension": 3},
        {"weights": ((3, 5), 0, True, "weight"), "bias": ((3,), 0, False, "bias")},
    ),
    (
        "embedding",
        {"inputDim": 9, "outputChannels": 4},
        {"weights": ((4, 9), 0, True, "weight"), "bias": ((4,), 0, False, "bias")},
    ),
    (
        "embeddingND",
        {"vocabSize": 9, "embeddingSize": 4},
        {"weights": ((4, 9), 0, True, "weight"), "bias": ((4,), 0, False, "bias")},
    ),
    (
        "batchnorm",
        {"channels": 7},
        dict.fromkeys(("gamma", "variance"), ((7,), 0, False, "normalization")),
    ),
    ("layerNormalization", {"normalizedShape": [2, 3]}, {"gamma": ((2, 3), 0, False, "normalization")}),
    (
        "scale",
        {"shapeScale": [4, 1, 1], "shapeBias": [4]},
        {"scale": ((4, 1, 1), 0, False, "weight"), "bias": ((4,), 0, False, "bias")},
    ),
    ("bias", {"shape": [4, 2, 2]}, {"bias": ((4, 2, 2), 0, False, "bias")}),
    ("loadConstant", {"shape": [1, 2, 3]}, {"data": ((1, 2, 3), 0, False, "weight")}),
    ("loadConstantND", {"shape": [2, 3]}, {"data": ((2, 3), 0, False, "weight")}),
    (
        "gru",
        {"inputVectorSize": 5, "outputVectorSize": 3},
        {
            "updateGateWeightMatrix": ((3, 5), 0, True, "weight"),
            "resetGateRecursionMatrix": ((3, 3), 0, True, "weight"),
            "outputGateBiasVector": ((3,), 0, False, "bias"),
        },
    ),
    (
        "simpleRecurrent",
        {"inputVectorSize": 5, "outputVectorSize": 3},
        {
            "weightMatrix": ((3, 5), 0, True, "weight"),
            "recursionMatrix": ((3, 3), 0, True, "weight"),
            "biasVector": ((3,), 0, False, "bias"),
        },
    ),
]


@pytest.mark.parametrize(("kind", "sizes", "expected"), SHAPES)
def test_shapes_follow_the_format(
    kind: str, sizes: dict[str, Any], expected: dict[str, tuple[tuple[int, ...], int, bool, str]]
) -> None:
    spec, message = _network_with(kind)
    _sized(message, **sizes)
    for name, (shape, *_) in expected.items():
        write_float32(getattr(message, name), np.zeros(math.prod(shape), np.float32))
    found = {
        field.name: (field.shape, field.channel_axis, field.per_channel, field.role)
        for field in iter_weight_fields(spec)
    }
    assert found == expected


def test_lstm_weights_and_activations() -> None:
    spec, message = _network_with("biDirectionalLSTM")
    _sized(message, inputVectorSize=5, outputVectorSize=3)
    for _ in range(2):
        direction = message.weightParams.add()
        write_float32(direction.inputGateWeightMatrix, np.zeros((3, 5), np.float32))
        write_float32(direction.outputGatePeepholeVector, np.zeros(3, np.float32))
    message.activationsForwardLSTM.add().sigmoid.SetInParent()
    write_float32(message.activationsBackwardLSTM.add().PReLU.alpha, np.zeros(1, np.float32))
    assert [(field.name, field.shape) for field in iter_weight_fields(spec)] == [
        ("activationsBackwardLSTM[0].PReLU.alpha", (1,)),
        ("weightParams[0].inputGateWeightMatrix", (3, 5)),
        ("weightParams[1].inputGateWeightMatrix", (3, 5)),
        ("weightParams[0].outputGatePeepholeVector", (3,)),
        ("weightParams[1].outputGatePeepholeVector", (3,)),
    ]


def test_sizes_that_the_format_does_not_state_are_counted() -> None:
    spec, message = _network_with("custom")
    write_float32(message.weights.add(), np.zeros(11, np.float32))
    message.weights.add().float16Value = bytes(6)
    message.weights.add().rawValue = bytes(7)
    packed = message.weights.add()
    packed.rawValue = bytes(3)
    packed.quantization.numberOfBits = 4
    packed.quantization.lookupTableQuantization.floatValue.extend(range(16))
    fields = list(iter_weight_fields(spec))
    assert [field.shape for field in fields] == [(11,), (3,), (7,), (6,)]
    assert all(field.counted and field.storage is Storage.PRIVATE for field in fields)


def _add_inner_product(network: Any, name: str) -> None:
    message = network.layers.add(name=name).innerProduct
    _sized(message, inputChannels=2, outputChannels=2)
    write_float32(message.weights, np.zeros(4, np.float32))


def test_pipelines_branches_and_loops_are_entered() -> None:
    spec = new_model()
    pipeline = spec.pipelineClassifier.pipeline
    pipeline.names.extend(["outer"])
    inner = pipeline.models.add().pipeline
    inner.names.extend(["first", "second"])
    _add_inner_product(inner.models.add().neuralNetwork, "a")
    inner.models.add().glmRegressor.SetInParent()
    network = pipeline.models.add().neuralNetworkClassifier
    branch = network.layers.add(name="choice").branch
    _add_inner_product(branch.ifBranch, "b")
    loop = branch.elseBranch.layers.add(name="repeat").loop
    _add_inner_product(loop.conditionNetwork, "c")
    _add_inner_product(loop.bodyNetwork, "d")
    assert [(field.path, field.layer) for field in iter_weight_fields(spec)] == [
        (("outer", "first"), "a"),
        (("stage 2",), "b"),
        (("stage 2",), "c"),
        (("stage 2",), "d"),
    ]
    assert [path for path, _ in iter_models(spec)] == [
        (),
        ("outer",),
        ("outer", "first"),
        ("outer", "second"),
        ("stage 2",),
    ]
    assert [layer.name for _, layer in iter_layers(spec)] == ["a", "choice", "b", "repeat", "c", "d"]


def test_a_weight_says_where_it_is_and_whether_it_is_trained_on_the_device() -> None:
    spec = new_model()
    stage = spec.pipeline.models.add()
    spec.pipeline.names.append("features")
    _add_inner_product(stage.neuralNetwork, "fc")
    (field,) = iter_weight_fields(spec)
    assert field.where == "stage 'features', layer 'fc', weights"
    assert not field.updatable
    field.params.isUpdatable = True
    (field,) = iter_weight_fields(spec)
    assert field.updatable


def test_real_models_have_the_sizes_the_table_says(shared_data: Path) -> None:
    counted = 0
    for path in sorted((shared_data / "coreml").glob("*.mlmodel")):
        spec = new_model()
        spec.ParseFromString(path.read_bytes())
        for field in iter_weight_fields(spec):
            if encoding_of(field.params) is not Encoding.RAW:
                check_size(field.params, field.count, f"{path.name}, {field.where}")
            counted += field.count
    assert counted > 10_000_000
