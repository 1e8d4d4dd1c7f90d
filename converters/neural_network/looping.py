"""Loops, and how they are left.

Source: NeuralNetwork.proto, messages LoopLayerParams, LoopBreakLayerParams and LoopContinueLayerParams. The
condition network runs before the loop and after each iteration that does not break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.alternatives import either, zeros
from mltoolkit.converters.neural_network.blob_uses import made_blobs, read_before_made
from mltoolkit.converters.neural_network.branching import is_true
from mltoolkit.converters.neural_network.context import Exits, LayerContext
from mltoolkit.converters.neural_network.layers import convert_layers, unconverted
from mltoolkit.converters.neural_network.nested import inner_network
from mltoolkit.converters.neural_network.operands import exact_inputs, scalar, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder, known_shape
from mltoolkit.graph.common_type import common_type
from mltoolkit.graph.folding import known_truth
from mltoolkit.graph.model_graph import GraphLayer

# Each of several loops inside each other may need a few attempts for each attempt at the loop around it.
_MAX_BODIES = 500


@dataclass
class _Body:
    """An attempt at a loop's body."""

    builder: GraphBuilder
    goes_on: ir.Value
    results: dict[str, ir.Value]
    layers: list[GraphLayer]


@converts("loop")
def loop(context: LayerContext, layer: Any) -> None:
    """``bodyNetwork`` a number of times, as long as a condition holds, or both; ONNX's Loop."""
    params = layer.loop
    _check(context, params)
    count = _iterations(context, params)
    goes_on: ir.Value = context.builder.constant(np.array(True))
    conditions: list[GraphLayer] = []
    if params.conditionVar:
        exits, context.exits = context.exits, None
        conditions = convert_layers(context, params.conditionNetwork.layers)
        context.exits = exits
        goes_on = _condition(context, params)
    if known_truth(goes_on) is False:
        context.nested = [*conditions, *unconverted(params.bodyNetwork.layers)]
        return
    body, types = _settled_body(context, layer)
    context.nested = [*conditions, *body.layers]
    if not types:
        body.builder.discard()
        return
    start = [
        context.values[name] if name in context.values else zeros(context.builder, known_shape(types[name]))
        for name in types
    ]
    graph = body.builder.body([body.goes_on, *(body.results[name] for name in types)])
    outputs = context.builder.control_flow("Loop", [count, goes_on, *start], {"body": graph}, list(types.values()))
    for name, value in zip(types, outputs, strict=True):
        context.builder.rename(value, name)
        context.values[name] = value


def _check(context: LayerContext, params: Any) -> None:
    if not params.bodyNetwork.layers:
        raise InvalidModelError("the layer's bodyNetwork is empty", where=context.where)
    if bool(params.conditionVar) != bool(params.conditionNetwork.layers):
        raise InvalidModelError(
            "the layer has a conditionNetwork without a conditionVar, or the other way round",
            where=context.where,
        )


def _iterations(context: LayerContext, params: Any) -> ir.Value | None:
    """The largest number of iterations, None where only the condition ends the loop."""
    given = exact_inputs(context, 0, 1)
    if given:
        return whole_numbers(context, scalar(context, given[0]))
    if params.conditionVar and not params.maxLoopIterations:
        return None
    stated = stated_size(context, "maxLoopIterations", params.maxLoopIterations)
    return context.builder.constant(np.array(stated, dtype=np.int64))


def _condition(context: LayerContext, params: Any) -> ir.Value:
    value = context.values.get(params.conditionVar)
    if value is None:
        raise InvalidModelError(
            f"the conditionNetwork does not make the conditionVar {params.conditionVar!r}",
            where=context.where,
        )
    return is_true(context, value)


def _settled_body(context: LayerContext, layer: Any) -> tuple[_Body, dict[str, ir.Value]]:
    """The loop's body, and by name a value of the type of each blob that an iteration hands to the next.

    A size counts as known if it is the same before and after the body. This is found by trying: the body is
    converted for the sizes at the start; sizes that it changes are unknown in the next attempt.
    """
    params = layer.loop
    inner = [*params.bodyNetwork.layers, *params.conditionNetwork.layers]
    made = made_blobs(inner)
    needed = context.uses.needed_outside([layer], made) if context.uses else set(made)
    passed_on = needed | read_before_made(inner)
    types = {name: context.values[name] for name in made if name in passed_on and name in context.values}
    while True:
        body = _convert_body(context, layer, types)
        settled = {name: common_type(value, body.results[name]) for name, value in types.items()}
        # What did not exist before the loop is carried along as well, in order to be there after it.
        new = [name for name in made if name in needed and name in body.results and name not in types]
        if not new and all(known_shape(value) == known_shape(types[name]) for name, value in settled.items()):
            return body, settled
        body.builder.discard()
        types = settled | {name: common_type(body.results[name], body.results[name]) for name in new}


def _convert_body(context: LayerContext, layer: Any, types: Mapping[str, ir.Value]) -> _Body:
    params = layer.loop
    context.loop_bodies += 1
    if context.loop_bodies > _MAX_BODIES:
        raise UnsupportedModelError(
            f"the sizes of the loop's blobs are not settled after {_MAX_BODIES} attempts at bodies",
            where=context.where,
        )
    no = context.builder.constant(np.array(False))
    with inner_network(context, "body") as builder:
        builder.input("iteration", np.int64, ())
        builder.input("condition", np.bool_, ())
        for name, value in types.items():
            context.values[name] = builder.input(name, np.float32, known_shape(value))
        context.exits = Exits(no, no)
        layers = convert_layers(context, params.bodyNetwork.layers)
        exits = context.exits
        goes_on = builder.op("Not", exits.loop)
        if params.conditionVar:
            context.exits = None
            _convert_condition(context, params, exits.loop)
            goes_on = builder.op("And", goes_on, _condition(context, params))
        return _Body(builder, goes_on, context.values, layers)


def _convert_condition(context: LayerContext, params: Any, broken: ir.Value) -> None:
    layers = params.conditionNetwork.layers
    known = known_truth(broken)
    if known is None:
        either(
            context,
            broken,
            lambda: None,
            lambda: convert_layers(context, layers),
            inside=layers,
            keep_one_sided=True,
        )
    elif not known:
        convert_layers(context, layers)


@converts("loopBreak", "loopContinue")
def leave(context: LayerContext, layer: Any) -> None:
    """End the iteration, or the loop with it."""
    exact_inputs(context, 0)
    if context.exits is None:
        raise InvalidModelError("the layer is not inside the bodyNetwork of a loop", where=context.where)
    yes = context.builder.constant(np.array(True))
    context.exits = Exits(yes, yes if layer.WhichOneof("layer") == "loopBreak" else context.exits.loop)
