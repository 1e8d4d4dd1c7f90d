"""Tensors and constants of Keras' order against each other, whatever their storage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.tensors import Tensor


def aligned(context: LayerContext, tensors: Sequence[Tensor]) -> tuple[list[ir.Value], bool]:
    """Values that broadcast with each other as the tensors do in Keras.

    Returns:
        The values, and whether their channels lie at place 1.
    """
    rank = max(tensor.rank for tensor in tensors)
    if not any(tensor.moved and tensor.rank == rank for tensor in tensors):
        return [context.layouts.logical(tensor) for tensor in tensors], False
    return [_moved(context, tensor, rank) for tensor in tensors], True


def _moved(context: LayerContext, tensor: Tensor, rank: int) -> ir.Value:
    missing = rank - tensor.rank
    constant = tensor.value.const_value
    if constant is not None and not tensor.moved:
        return context.constant(moved_array(constant.numpy(), rank))
    if tensor.rank == 0:
        return tensor.value
    if missing:
        axes = context.constant(list(range(missing)))
        tensor = Tensor(context.op("Unsqueeze", context.layouts.logical(tensor), axes))
    return context.layouts.channels_first(tensor)


def spread(context: LayerContext, array: NDArray[np.generic], tensor: Tensor) -> ir.Value:
    """A constant of Keras' order that broadcasts with a tensor as it is stored; of no higher rank."""
    return context.constant(moved_array(array, tensor.rank) if tensor.moved else array)


def moved_array(array: NDArray[np.generic], rank: int) -> NDArray[np.generic]:
    """An array of Keras' order for values of that rank whose channels lie at place 1; scalars as they are."""
    if array.ndim == 0:
        return array
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    turned: NDArray[np.generic] = np.moveaxis(full, -1, 1)
    # Leading ones only make constants look different that are the same.
    return turned.reshape(turned.shape[1:]) if turned.shape[0] == 1 else turned
