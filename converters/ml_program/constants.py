"""Constants of a program."""

from __future__ import annotations

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("const")
def convert_const(context: MilContext) -> None:
    """Bind the value; it is only read from the weight file when something uses it."""
    bound = context.bound("val")
    if len(bound) != 1:
        raise InvalidModelError("the constant has no value", where=context.where)
    name = context.operation.outputs[0].name if context.operation.outputs else ""
    value = bound[0]
    if isinstance(value, Constant):
        value.name = name
    context.output_bound(value)
