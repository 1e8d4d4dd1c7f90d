"""Networks of specification 5 for tests of control flow, and a plain interpreter that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from running import new_layer, set_weight

from mltoolkit.formats.protobuf import proto_module

Array = NDArray[Any]


def copy_layer(source: str, target: str) -> Any:
    return new_layer("copy", [source], [target], name=f"copy {source} to {target}")[0]


def scaled(source: str, target: str, factor: float, shift: float = 0.0) -> Any:
    """target = factor · source + shift."""
    layer, params = new_layer("activation", [source], [target], name=f"make {target}")
    params.linear.alpha, params.linear.beta = factor, shift
    return layer


def sum_layer(one: str, other: str, target: str) -> Any:
    return new_layer("addBroadcastable", [one, other], [target], name=f"make {target}")[0]


def joined_layer(one: str, other: str, target: str) -> Any:
    return new_layer("concatND", [one, other], [target], name=f"make {target}")[0]


def less_than(source: str, target: str, limit: float) -> Any:
    layer, params = new_layer("lessThan", [source], [target], name=f"make {target}")
    params.alpha = limit
    return layer


def constant_layer(target: str, values: Sequence[float]) -> Any:
    layer, params = new_layer("loadConstantND", [], [target], name=f"make {target}")
    params.shape.append(len(values))
    set_weight(params.data, values)
    return layer


def branch_layer(predicate: str, if_true: Sequence[Any], if_false: Sequence[Any] = ()) -> Any:
    layer, params = new_layer("branch", [predicate], [], name=f"branch on {predicate}")
    params.ifBranch.layers.extend(if_true)
    params.elseBranch.layers.extend(if_false)
    return layer


def loop_layer(
    body: Sequence[Any],
    *,
    condition: Sequence[Any] = (),
    most: int = 0,
    count: str = "",
) -> Any:
    """The last output of the condition's layers is the condition."""
    layer, params = new_layer("loop", [count] if count else [], [], name="the loop")
    params.bodyNetwork.layers.extend(body)
    params.conditionNetwork.layers.extend(condition)
    params.maxLoopIterations = most
    if condition:
        params.conditionVar = condition[-1].output[0]
    return layer


def leaving(kind: str) -> Any:
    """``loopBreak`` or ``loopContinue``."""
    return new_layer(kind, [], [], name=kind)[0]


def network(layers: Sequence[Any], inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]) -> Any:
    """A ``Model`` message of a network with these layers; float32 outputs of any shape."""
    spec = proto_module("Model_pb2").Model(specificationVersion=5)
    spec.neuralNetwork.arrayInputShapeMapping = 1
    spec.neuralNetwork.layers.extend(layers)
    for name, shape in inputs.items():
        feature = spec.description.input.add(name=name)
        feature.type.multiArrayType.dataType = 65568
        feature.type.multiArrayType.shape.extend(shape)
    for name in outputs:
        spec.description.output.add(name=name).type.multiArrayType.dataType = 65568
    return spec


class _Left(Exception):
    """A loopBreak or loopContinue was run."""


def interpret(layers: Sequence[Any], blobs: dict[str, Array]) -> dict[str, Array]:
    """Run the layers of this module one by one, as Core ML would; changes and returns ``blobs``."""
    for layer in layers:
        kind = layer.WhichOneof("layer")
        params = getattr(layer, kind)
        inputs = [blobs[name] for name in layer.input]
        if kind in ("loopBreak", "loopContinue"):
            raise _Left(kind)
        if kind == "branch":
            way = params.ifBranch if abs(inputs[0].item()) > 1e-6 else params.elseBranch
            interpret(way.layers, blobs)
        elif kind == "loop":
            _interpret_loop(params, inputs, blobs)
        else:
            blobs[layer.output[0]] = _compute(kind, params, inputs)
    return blobs


def _interpret_loop(params: Any, inputs: Sequence[Array], blobs: dict[str, Array]) -> None:
    most = inputs[0].item() if inputs else params.maxLoopIterations or np.inf
    iteration = 0
    while True:
        interpret(params.conditionNetwork.layers, blobs)
        if iteration >= most or (params.conditionVar and abs(blobs[params.conditionVar].item()) <= 1e-6):
            return
        iteration += 1
        try:
            interpret(params.bodyNetwork.layers, blobs)
        except _Left as left:
            if left.args == ("loopBreak",):
                return


def _compute(kind: str, params: Any, inputs: Sequence[Array]) -> Array:
    match kind:
        case "copy":
            return inputs[0]
        case "activation":
            return np.float32(params.linear.alpha) * inputs[0] + np.float32(params.linear.beta)
        case "addBroadcastable":
            return inputs[0] + inputs[1]
        case "concatND":
            return np.concatenate(inputs)
        case "lessThan":
            return (inputs[0] < np.float32(params.alpha)).astype(np.float32)
        case "loadConstantND":
            return np.array(params.data.floatValue, dtype=np.float32)
    raise NotImplementedError(kind)
