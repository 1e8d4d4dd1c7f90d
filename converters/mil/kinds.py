"""The kinds of elements a value can have, and operations that do not take them all.

Most MIL operations that move elements take no bools, some no whole numbers; those travel as the next kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


def kind_of(x: Any) -> str:
    """``b``, ``i`` or ``f``, for an array or a Var."""
    name = x.dtype.name if isinstance(x, np.ndarray | np.generic) else x.dtype.__name__
    if name.startswith("bool"):
        return "b"
    return "f" if name.startswith(("fp", "float", "double")) else "i"


def like(x: Any, value: Any) -> Any:
    """A constant array or scalar of the type of ``x``."""
    from coremltools.converters.mil.mil import types

    dtype = x.dtype if isinstance(x, np.ndarray) else types.nptype_from_builtin(x.dtype)
    return np.asarray(value).astype(dtype)[()] if np.ndim(value) == 0 else np.asarray(value, dtype=dtype)


def cast_to_kind(node: NodeContext, x: Any, kind: str) -> Any:
    """The value as bool, int32 or float32; nothing happens to a value of that kind."""
    if kind_of(x) == kind:
        return x
    return node.mb.cast(x=x, dtype={"b": "bool", "i": "int32", "f": "fp32"}[kind])


def as_numbers(node: NodeContext, x: Any, move: Callable[[Any], Any]) -> Any:
    """What ``move`` makes of a value, bools as int32 meanwhile."""
    if kind_of(x) != "b":
        return move(x)
    return node.mb.cast(x=move(cast_to_kind(node, x, "i")), dtype="bool")


def as_floats(node: NodeContext, x: Any, move: Callable[[Any], Any]) -> Any:
    """What ``move`` makes of a value, anything else as float32 meanwhile (exact below 2²⁴)."""
    kind = kind_of(x)
    if kind == "f":
        return move(x)
    return cast_to_kind(node, move(cast_to_kind(node, x, "f")), kind)
