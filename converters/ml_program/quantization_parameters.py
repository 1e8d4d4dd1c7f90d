"""Constants of numbers; scales and zero points, one for a whole tensor or for each index along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import whole_number
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension


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


def for_axis(
    context: MilContext, shape: Sequence[Dimension], scale: NDArray[Any], zero_point: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Scale and zero point in one shape that broadcasts over the tensor: all 1, or all but the axis.

    Args:
        context: the operation, which has the input ``axis`` where one of the two is a vector.
        shape: the tensor's.
        scale: of rank 0 or 1.
        zero_point: of rank 0 or 1.

    Raises:
        InvalidModelError: they are no scalars or vectors of the axis's size.
    """
    rank = len(shape)
    given = [array for array in (scale, zero_point) if array is not None]
    target = [1] * rank
    if any(array.ndim for array in given):
        axis = context.axis(whole_number(context, "axis"), rank)
        target[axis] = max(array.size for array in given)
        if isinstance(shape[axis], int) and shape[axis] != target[axis] != 1:
            raise InvalidModelError(
                f"{target[axis]} scales or zero points do not go with {shape[axis]} indices of axis {axis}",
                where=context.where,
            )
    if any(array.ndim > 1 or array.size not in (1, max(target, default=1)) for array in given):
        raise InvalidModelError(
            f"scale and zero point have the shapes {', '.join(str(array.shape) for array in given)}",
            where=context.where,
        )

    def broadcast(array: NDArray[Any]) -> NDArray[Any]:
        if array.size == 1:
            return np.broadcast_to(array.reshape([1] * rank), target)
        return array.reshape(target)

    return broadcast(scale), None if zero_point is None else broadcast(zero_point)
