"""Lists of tensors of one shape.

A list is held as one tensor of shape (length, *shape of an element), so that it can be a variable of a loop.
Elements that were never written are zeros. A list grows when something is written behind its end: the file's
types always state its first length, whether ``dynamic_length`` was set or not.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.declared import hub_type
from mltoolkit.converters.ml_program.parameters import check_elements
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.formats.mil_types import ListType, TensorType
from mltoolkit.graph.builder import dtype_of


def _element_type(context: MilContext) -> TensorType:
    declared = context.declared()
    if not isinstance(declared, ListType) or not isinstance(declared.element, TensorType):
        raise InvalidModelError("the operation gives a list but declares something else", where=context.where)
    return declared.element


def _element_shape(context: MilContext, declared: TensorType) -> list[int]:
    """The shape that the operation states, sizes under a name taken from the declared type."""
    sizes: list[int | None] = []
    for bound in context.bound("elem_shape"):
        stored = bound.stored if isinstance(bound, Constant) else None
        if isinstance(stored, np.ndarray) and stored.dtype.kind in "iu":
            sizes += [int(size) for size in stored.reshape(-1)]
        elif isinstance(stored, str):
            sizes.append(None)
        else:
            raise InvalidModelError("the shape of the list's elements is no constant", where=context.where)
    known = declared.shape if declared.shape is not None else tuple(sizes)
    if len(known) != len(sizes):
        raise InvalidModelError(
            f"the list's elements have rank {len(sizes)} but {declared} is declared", where=context.where
        )
    shape = [stated if size is None else size for size, stated in zip(sizes, known, strict=True)]
    if None in shape:
        raise UnsupportedModelError(
            "a size of the list's elements is only known when the model runs", where=context.where
        )
    return [size for size in shape if size is not None]


@converts("make_list")
def convert_make_list(context: MilContext) -> None:
    """A list of zeros."""
    element = _element_type(context)
    shape = _element_shape(context, element)
    first = _indices(context, "init_length", single=True) if context.has("init_length") else context.constant([1])
    length = int(first.const_value.numpy()[0]) if first.const_value is not None else 0
    if min([length, *shape]) < 0:
        raise InvalidModelError(f"a list of {length} elements of shape {shape} is impossible", where=context.where)
    check_elements(context, (length, *shape))
    sizes = context.op("Concat", first, context.constant(shape), axis=0)
    zero = ir.tensor(np.zeros(1, dtype=hub_type(element.element)))
    context.output_bound(context.op("ConstantOfShape", sizes, value=zero))


def _indices(context: MilContext, name: str, *, single: bool = False) -> ir.Value:
    """An input of whole numbers as a vector, of one element if ``single``."""
    given = context.value(name)
    if dtype_of(given) != np.int64:
        raise InvalidModelError(f"{name} is no whole number", where=context.where)
    if single and any(isinstance(size, int) and size != 1 for size in context.shape(given)):
        raise InvalidModelError(
            f"{name} has the shape {context.shape(given)} but must be one number", where=context.where
        )
    return context.op("Reshape", given, context.constant([1 if single else -1]))


@converts("list_length")
def convert_list_length(context: MilContext) -> None:
    """The number of elements."""
    length = context.op("Shape", context.value("ls"), start=0, end=1)
    context.output(context.op("Squeeze", length, context.constant([0])))


@converts("list_read")
def convert_list_read(context: MilContext) -> None:
    """One element."""
    index = context.op("Squeeze", _indices(context, "index", single=True), context.constant([0]))
    context.output(context.op("Gather", context.value("ls"), index, axis=0))


@converts("list_gather")
def convert_list_gather(context: MilContext) -> None:
    """Several elements, along a new first axis."""
    context.output(context.op("Gather", context.value("ls"), _indices(context, "indices"), axis=0))


@converts("list_write")
def convert_list_write(context: MilContext) -> None:
    """The list with one element replaced."""
    value = context.op("Unsqueeze", context.value("value"), context.constant([0]))
    _write(context, _indices(context, "index", single=True), value)


@converts("list_scatter")
def convert_list_scatter(context: MilContext) -> None:
    """The list with several elements replaced."""
    _write(context, _indices(context, "indices"), context.value("value"))


def _write(context: MilContext, indices: ir.Value, values: ir.Value) -> None:
    elements = context.value("ls")
    wanted, found = (*context.shape(indices), *context.shape(elements)[1:]), context.shape(values)
    if len(wanted) != len(found) or any(
        isinstance(size, int) and isinstance(given, int) and size != given
        for size, given in zip(wanted, found, strict=True)
    ):
        raise InvalidModelError(
            f"a list of shape {context.shape(elements)} is given elements of shape {found} where {wanted} is needed",
            where=context.where,
        )
    elements = _grown(context, elements, indices)
    places = context.op("Unsqueeze", indices, context.constant([1]))
    context.output_bound(context.op("ScatterND", elements, places, values))


def _grown(context: MilContext, elements: ir.Value, indices: ir.Value) -> ir.Value:
    """The list with zeros behind it, as many as it takes to reach the largest index."""
    length = context.op("Shape", elements, start=0, end=1)
    last = context.op("ReduceMax", indices, context.constant([0]), keepdims=1)
    beyond = context.op("Sub", context.op("Add", last, context.constant([1])), length)
    missing = context.op("Max", beyond, context.constant([0]))
    if missing.const_value is not None and not missing.const_value.numpy().any():
        return elements
    pads = context.op("Concat", context.constant([0]), missing, axis=0)
    grown = context.op("Pad", elements, pads, None, context.constant([0]))
    check_elements(context, context.shape(grown))
    return grown
