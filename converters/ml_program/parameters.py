"""Constant parameters of operations, checked for what they must be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.declared import MAX_ELEMENTS
from mltoolkit.errors import InvalidModelError, did_you_mean
from mltoolkit.graph.builder import Dimension

# No axis of a real tensor is longer.
MAX_SIZE = (1 << 31) - 1


def _scalar(context: MilContext, name: str, default: Any) -> Any:
    value = default if default is not None and not context.has(name) else context.const(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(()).item()
    return value


def whole_number(context: MilContext, name: str, default: int | None = None, *, minimum: int = -MAX_SIZE) -> int:
    """A whole number from ``minimum`` to 2³¹ − 1.

    Args:
        context: the operation.
        name: the parameter.
        default: what it is where the operation is not given it; None if it must be.
        minimum: the smallest sensible one.

    Raises:
        InvalidModelError: it is something else.
    """
    value = _scalar(context, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= MAX_SIZE:
        raise InvalidModelError(
            f"{name} is {value!r} where a whole number from {minimum} is needed", where=context.where
        )
    return value


def real_number(context: MilContext, name: str, default: float | None = None) -> float:
    """A finite number; see :func:`whole_number`."""
    value = _scalar(context, name, default)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidModelError(f"{name} is {value!r} where a number is needed", where=context.where)
    return float(value)


def flag(context: MilContext, name: str, default: bool | None = None) -> bool:
    """A truth value; see :func:`whole_number`."""
    value = _scalar(context, name, default)
    if not isinstance(value, (bool, int)):
        raise InvalidModelError(f"{name} is {value!r} where a truth value is needed", where=context.where)
    return bool(value)


def choice(context: MilContext, name: str, choices: Iterable[str], default: str | None = None) -> str:
    """One of several words, which the program may spell in capitals or not; see :func:`whole_number`.

    Returns:
        The word as ``choices`` spells it.
    """
    known = {word.lower(): word for word in choices}
    value = _scalar(context, name, default)
    if not isinstance(value, str) or value.lower() not in known:
        raise InvalidModelError(
            f"there is no {name} {value!r}",
            where=context.where,
            fix=did_you_mean(str(value), known.values()),
        )
    return known[value.lower()]


def whole_numbers(context: MilContext, name: str, count: int, *, minimum: int = -MAX_SIZE) -> list[int]:
    """A given number of whole numbers, in whatever shape; see :func:`whole_number`."""
    value = np.asarray(context.const(name))
    if value.dtype.kind != "i" or value.size != count or not ((minimum <= value) & (value <= MAX_SIZE)).all():
        raise InvalidModelError(
            f"{name} is {value.tolist()!r} where {count} whole numbers from {minimum} are needed",
            where=context.where,
        )
    return [int(number) for number in value.reshape(-1)]


def numbers(context: MilContext, name: str, kinds: str = "iufV") -> NDArray[Any]:
    """A constant tensor of numbers, as it is stored.

    Args:
        context: the operation.
        name: which input.
        kinds: allowed kinds of NumPy types; V is that of bfloat16 and the 8-bit floats.

    Raises:
        InvalidModelError: the input is something else.
    """
    stored = context.stored(name)
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in kinds:
        raise InvalidModelError(f"the input {name!r} does not have the numbers it needs", where=context.where)
    return stored


def optional_numbers(context: MilContext, name: str, kinds: str = "iufV") -> NDArray[Any] | None:
    """The same, None where the operation is not given the input."""
    return numbers(context, name, kinds) if context.has(name) else None


def each_number(context: MilContext, name: str) -> list[int]:
    """An input that is a tuple of constant whole numbers, or truth values.

    Raises:
        InvalidModelError: one is something else.
    """
    numbers = []
    for bound in context.bound(name):
        value = bound
        if isinstance(bound, Constant):
            value = bound.stored
        elif isinstance(bound, ir.Value) and bound.const_value is not None:
            value = bound.const_value.numpy()
        if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "biu":
            raise InvalidModelError(f"{name} must be constant whole numbers", where=context.where)
        numbers.append(int(value.reshape(-1)[0]))
    return numbers


def check_elements(context: MilContext, shape: Sequence[Dimension]) -> None:
    """Check that a tensor of this shape (unknown sizes count as 1) can be held in memory.

    Raises:
        InvalidModelError: it cannot.
    """
    elements = math.prod(size for size in shape if isinstance(size, int))
    if elements > MAX_ELEMENTS:
        raise InvalidModelError(f"a tensor of shape {tuple(shape)} does not fit into memory", where=context.where)


def check_rank(context: MilContext, name: str, rank: int) -> None:
    """Check the rank of an input.

    Raises:
        InvalidModelError: it is another.
    """
    shape = context.shape(name)
    if len(shape) != rank:
        raise InvalidModelError(
            f"{name!r} has shape {shape} where a tensor of rank {rank} is needed", where=context.where
        )
