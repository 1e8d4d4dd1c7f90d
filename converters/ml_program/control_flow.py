"""Branches, loops and choices: ONNX If, Loop and Where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.blocks import convert_inner, inner_block
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.gru_loop import convert_gru_loop
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.states import states_written_inside
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import dtype_of, shape_of
from mltoolkit.graph.captured import inner_nodes


@converts("select")
def convert_select(context: MilContext) -> None:
    """``cond ? a : b``, element by element, broadcast."""
    context.output(context.op("Where", context.value("cond"), context.value("a"), context.value("b")))


@converts("cond")
def convert_cond(context: MilContext) -> None:
    """Either the first or the second block."""
    blocks = context.operation.blocks
    if len(blocks) != 2:
        raise InvalidModelError(f"a branch needs two blocks, not {len(blocks)}", where=context.where)
    predicate = context.op("Reshape", context.value("pred"), context.constant(np.empty(0, dtype=np.int64)))
    states = states_written_inside(context)
    bodies, results = {}, []
    for index, attribute in enumerate(("then_branch", "else_branch")):
        with inner_block(context, attribute) as builder:
            values = convert_inner(context, index) + [context.states[name] for name in states]
            results.append(values)
            bodies[attribute] = builder.body(values)
    if len(results[0]) != len(results[1]):
        raise InvalidModelError("the two branches give different numbers of values", where=context.where)
    types = [_common_type(context, *pair) for pair in zip(*results, strict=True)]
    _hand_over(context, context.builder.control_flow("If", [predicate], bodies, types), states)


@converts("while_loop")
def convert_while_loop(context: MilContext) -> None:
    """Run the second block as long as the first gives true.

    A size of a loop variable counts as known if it is the same before and after the body. This is found by
    trying: the body is converted for the sizes at the start; sizes that it changes are unknown in the next
    attempt.
    """
    blocks = context.operation.blocks
    if len(blocks) != 2:
        raise InvalidModelError(f"a loop needs two blocks, not {len(blocks)}", where=context.where)
    start = context.values("loop_vars")
    if any(len(block.inputs) != len(start) for block in blocks):
        raise InvalidModelError("the loop's blocks take other variables than the loop", where=context.where)
    states = states_written_inside(context)
    with context.scopes.block():
        goes_on = _condition(context, start)
    start += [context.states[name] for name in states]
    variables = start
    while True:
        graph, variables, changed = _loop_body(context, variables, states)
        if not changed:
            break
    if not states and convert_gru_loop(context, start):
        _discard(graph)
        return
    inputs = [None, goes_on, *start]
    _hand_over(context, context.builder.control_flow("Loop", inputs, {"body": graph}, variables), states)


def _discard(body: ir.Graph) -> None:
    """Give up a body: its nodes no longer count as users of any value."""
    for node in body:
        for user in (node, *inner_nodes(node)):
            for index in range(len(user.inputs)):
                user.replace_input_with(index, None)


def _hand_over(context: MilContext, values: Sequence[ir.Value], states: Sequence[str]) -> None:
    """The outputs of the current operation, followed by what it leaves in states."""
    count = len(values) - len(states)
    for index, value in enumerate(values[:count]):
        context.output(value, index)
    context.states.update(zip(states, values[count:], strict=True))


def _condition(context: MilContext, variables: Sequence[ir.Value]) -> ir.Value:
    for argument, value in zip(context.operation.blocks[0].inputs, variables, strict=True):
        context.scopes.bind(argument.name, value)
    values = convert_inner(context, 0)
    if len(values) != 1 or dtype_of(values[0]) != np.bool_:
        raise InvalidModelError("the loop's condition gives no single bool", where=context.where)
    return context.op("Reshape", values[0], context.constant(np.empty(0, dtype=np.int64)))


def _loop_body(
    context: MilContext, like: Sequence[ir.Value], states: Sequence[str]
) -> tuple[ir.Graph, list[ir.Value], bool]:
    """The loop's body for variables of the given types; the variables; whether a size was given up.

    The variables are the loop's own and then the states that it writes.
    """
    names = [argument.name for argument in context.operation.blocks[1].inputs]
    with inner_block(context, "body") as builder:
        builder.input("iteration", np.int64, ())
        builder.input("condition", np.bool_, ())
        variables = [
            builder.input(name, dtype_of(value), shape_of(value))
            for name, value in zip([*names, *states], like, strict=True)
        ]
        for name, value in zip(names, variables, strict=False):
            context.scopes.bind(name, value)
        context.states.update(zip(states, variables[len(names) :], strict=True))
        results = convert_inner(context, 1)
        if len(results) != len(names):
            raise InvalidModelError("the loop's body gives other variables than it takes", where=context.where)
        with context.scopes.block():
            goes_on = _condition(context, results)
        results += [context.states[name] for name in states]
        graph = builder.body([goes_on, *results])
    kept = [_common_type(context, *pair) for pair in zip(variables, results, strict=True)]
    changed = any(shape_of(before) != shape_of(after) for before, after in zip(variables, kept, strict=True))
    if changed:
        builder.discard()
    return graph, kept, changed


def _common_type(context: MilContext, first: ir.Value, second: ir.Value) -> ir.Value:
    """A value of the type that two have in common, sizes unknown where they differ."""
    if dtype_of(first) != dtype_of(second):
        raise InvalidModelError(
            f"a value is {dtype_of(first)} on one way and {dtype_of(second)} on another", where=context.where
        )
    shapes = shape_of(first), shape_of(second)
    if len(shapes[0]) != len(shapes[1]):
        raise InvalidModelError(
            f"a value has the shape {shapes[0]} on one way and {shapes[1]} on another", where=context.where
        )
    sizes = [one if isinstance(one, int) and one == other else None for one, other in zip(*shapes, strict=True)]
    return ir.Value(type=first.type, shape=ir.Shape(sizes))
