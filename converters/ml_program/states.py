"""Tensors that a program keeps from one prediction to the next.

The graph reads a state from an input and gives its last content as a further output; the runtime carries it
over. A branch or loop that writes states gives their contents as further outputs: operations take effect in the
order in which they run, and those of a block only if it runs.
"""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError, did_you_mean
from mltoolkit.formats.ml_program import iter_operations
from mltoolkit.graph.builder import shape_of

# Operations that write a state, and the parameter that names it.
_WRITING = {"write_state": "input", "coreml_update_state": "state"}


def states_written_inside(context: MilContext) -> list[str]:
    """The states that the blocks of the current operation write, those of blocks inside them included."""
    names: dict[str, None] = {}
    for block in context.operation.blocks:
        for operation in iter_operations(block):
            if operation.type in _WRITING:
                names.update((argument.name, None) for argument in operation.inputs[_WRITING[operation.type]].arguments)
    return [name for name in names if name in context.states]


def _state_name(context: MilContext, parameter: str) -> str:
    arguments = context.operation.inputs[parameter].arguments
    name = arguments[0].name if len(arguments) == 1 else ""
    if name not in context.states:
        raise InvalidModelError(
            f"the program has no state {name!r}", where=context.where, fix=did_you_mean(name, context.states)
        )
    return str(name)


def _write(context: MilContext, state: str, data: str) -> str:
    name = _state_name(context, state)
    value = context.value(data)
    before = shape_of(context.states[name])
    if shape_of(value) != before:
        raise InvalidModelError(
            f"the state {name!r} has the shape {before} but is given {shape_of(value)}", where=context.where
        )
    context.states[name] = value
    context.written_states.add(name)
    return name


@converts("read_state")
def convert_read_state(context: MilContext) -> None:
    """What the state holds now."""
    context.output(context.states[_state_name(context, "input")])


@converts("write_state")
def convert_write_state(context: MilContext) -> None:
    """Replace what the state holds. The operation has no output."""
    _write(context, "input", "data")


@converts("coreml_update_state")
def convert_update_state(context: MilContext) -> None:
    """Replace what the state holds, and give it out: ``write_state`` and ``read_state`` in one."""
    context.output(context.states[_write(context, "state", "value")])
