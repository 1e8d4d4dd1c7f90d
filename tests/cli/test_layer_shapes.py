"""Shapes that inspect shows: unknown ranks, and layers inside branches and loops."""

from __future__ import annotations

import pytest

import mltoolkit as mlt
from mltoolkit.cli.layer_shapes import layer_shapes
from mltoolkit.formats.protobuf import proto_module


def model_of(layers, inputs, output):
    spec = proto_module("Model_pb2").Model(specificationVersion=5)
    spec.neuralNetwork.arrayInputShapeMapping = 1
    spec.neuralNetwork.layers.extend(layers)
    for name, shape in inputs.items():
        feature = spec.description.input.add(name=name)
        feature.type.multiArrayType.dataType = 65568
        feature.type.multiArrayType.shape.extend(shape)
    spec.description.output.add(name=output).type.multiArrayType.dataType = 65568
    return mlt.load(spec)


def layer(kind, inputs, outputs):
    message = proto_module("NeuralNetwork_pb2").NeuralNetworkLayer(name=kind)
    message.input.extend(inputs)
    message.output.extend(outputs)
    getattr(message, kind).SetInParent()
    return message


def test_layers_inside_a_branch_follow_it():
    branch = layer("branch", ["p"], [])
    branch.branch.ifBranch.layers.append(layer("tanh", ["x"], ["y"]))
    branch.branch.elseBranch.layers.append(layer("sin", ["x"], ["y"]))
    model = model_of([branch, layer("cos", ["y"], ["z"])], {"p": (1,), "x": (2, 3)}, "z")
    assert layer_shapes(model) == ({(): [[], [[2, 3]], [[2, 3]], [[2, 3]]]}, "")


@pytest.mark.parametrize(("stated", "shown"), [(0, ["any"]), (2, [None, None])])
def test_a_rank_that_is_only_known_when_the_model_runs(stated, shown):
    # The shape of the second blob is the places of the elements of the first that are not 0.
    places = layer("whereNonZero", ["x"], ["places"])
    flat = layer("reshapeStatic", ["places"], ["shape"])
    flat.reshapeStatic.targetShape.append(-1)
    reshape = layer("reshapeDynamic", ["x", "shape"], ["y"])
    if stated:
        reshape.outputTensor.add(rank=stated)
    model = model_of([places, flat, reshape], {"x": (4,)}, "y")
    shapes, reason = layer_shapes(model)
    assert reason == ""
    assert shapes[()][-1] == [shown]
