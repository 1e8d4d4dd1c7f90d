"""Small models for the tests of their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mil_programs import Ref, add_operation, new_program

from mltoolkit.formats.protobuf import new_model
from mltoolkit.model import Model


def network_spec(size: int = 8) -> Any:
    """A neural network without layers: array ``x`` in, array ``y`` out."""
    spec = new_model()
    spec.specificationVersion = 4
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        feature = features.add(name=name)
        feature.type.multiArrayType.dataType = 65568
        feature.type.multiArrayType.shape.append(size)
    spec.neuralNetwork.arrayInputShapeMapping = 1
    return spec


def add(layers: Any, kind: str, name: str, reads: Sequence[str], makes: Sequence[str]) -> Any:
    """Add a layer and return the message of its type."""
    layer = layers.add(name=name, input=reads, output=makes)
    message = getattr(layer, kind)
    message.SetInParent()
    return message


def dense(layers: Any, name: str, read: str, made: str, size: int = 8, seed: int = 0) -> None:
    """A matrix and a bias of seeded values."""
    message = add(layers, "innerProduct", name, [read], [made])
    message.inputChannels = message.outputChannels = size
    message.hasBias = True
    values = np.random.default_rng(seed)
    message.weights.floatValue.extend(values.normal(size=size * size).tolist())
    message.bias.floatValue.extend(values.normal(size=size).tolist())


def relu(layers: Any, name: str, read: str, made: str) -> None:
    """An activation."""
    add(layers, "activation", name, [read], [made]).ReLU.SetInParent()


def sum_of(layers: Any, name: str, reads: Sequence[str], made: str) -> None:
    """An addition."""
    add(layers, "addBroadcastable", name, reads, [made])


def residual_model(blocks: int = 3) -> Model:
    """Dense layers with shortcuts around them: ``blocks`` times dense, relu, sum."""
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    last = "x"
    for block in range(blocks):
        dense(layers, f"dense {block}", last, f"d{block}", seed=block)
        relu(layers, f"relu {block}", f"d{block}", f"r{block}")
        made = "y" if block == blocks - 1 else f"s{block}"
        sum_of(layers, f"sum {block}", [f"r{block}", last], made)
        last = made
    return Model.from_spec(spec, name="residual.mlmodel")


def branching_model() -> Model:
    """A branch whose ways read a value from outside, and a loop that changes one."""
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    dense(layers, "first", "x", "h")
    add(layers, "reduceMax", "peak", ["h"], ["p"]).reduceAll = True
    branch = add(layers, "branch", "choose", ["p"], [])
    relu(branch.ifBranch.layers, "rectify", "h", "b")
    dense(branch.elseBranch.layers, "turn", "h", "t", seed=3)
    relu(branch.elseBranch.layers, "rectify too", "t", "b")
    loop = add(layers, "loop", "repeat", [], [])
    loop.maxLoopIterations = 3
    sum_of(loop.bodyNetwork.layers, "grow", ["b", "h"], "b")
    relu(layers, "last", "b", "y")
    return Model.from_spec(spec, name="branching.mlmodel")


def chain_model(count: int) -> Model:
    """``count`` layers one after the other, every eighth with a shortcut from eight layers before, weights in each."""
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    last, early = "x", "x"
    for index in range(count):
        made = "y" if index == count - 1 else f"v{index}"
        if index % 8 == 7:
            sum_of(layers, f"sum {index}", [last, early], made)
            early = made
        elif index % 2:
            relu(layers, f"relu {index}", last, made)
        else:
            dense(layers, f"dense {index}", last, made, seed=index)
        last = made
    return Model.from_spec(spec, name="chain.mlmodel")


def wide_model(count: int) -> Model:
    """``count`` layers: all but the last read the input, and the last reads them."""
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    names = [f"v{index}" for index in range(count - 1)]
    for index, name in enumerate(names):
        relu(layers, f"relu {index}", "x", name)
    add(layers, "concatND", "join", names, ["y"]).axis = 0
    spec.description.output[0].type.multiArrayType.shape[:] = [8 * len(names)]
    return Model.from_spec(spec, name="wide.mlmodel")


_TAKE = "document.title='taken'"
EVIL = f'</script><script>{_TAKE}</script><img src=x onerror="{_TAKE}">"\'&{{}}\u202e\x00\x1b'


def hostile_model() -> Model:
    """Markup, control characters and 10 MB wherever a file holds text."""
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    long = EVIL + "x" * 10_000_000
    spec.description.metadata.shortDescription = long
    spec.description.metadata.author = EVIL
    spec.description.input[0].shortDescription = EVIL
    dense(layers, EVIL, "x", EVIL)
    relu(layers, long, EVIL, long)
    custom = add(layers, "custom", "javascript:alert(1)", [long], ["y"])
    custom.className = EVIL
    custom.description = long
    custom.parameters[EVIL].stringValue = long
    custom.parameters["__proto__"].stringValue = "constructor"
    return Model.from_spec(spec, name=EVIL)


def hostile_program() -> Model:
    """Markup, control characters and long texts in an ML Program: names, attributes, constants."""
    spec, block = new_program({"x": ("float32", (2, 2))}, {"y": ("float32", (2, 2))})
    long = EVIL + "x" * 1_000_000
    values = np.ones((2, 2), np.float32)
    add_operation(block, "const", {}, {long: ("float32", (2, 2))}, {"val": values, EVIL: long})
    add_operation(
        block, "add", {"x": Ref("x"), "y": Ref(long)}, {EVIL: ("float32", (2, 2))}, {EVIL: long, "name": EVIL}
    )
    add_operation(block, "relu", {"x": Ref(EVIL)}, {"y": ("float32", (2, 2))}, {"note": [EVIL] * 1000})
    return Model.from_spec(spec, name=EVIL)
