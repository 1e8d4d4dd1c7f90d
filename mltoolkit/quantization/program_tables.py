"""Lookup tables of ML Programs: one for groups of channels, entries that are vectors, a scale for each channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.program_weights import GroupedCodes
from mltoolkit.quantization.slots import Form

# Makes a table and codes of values; of vectors (n, d) where entries are vectors.
MakeTable = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.uint8]]]


def as_half(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """What float16 keeps of a table."""
    return table.astype(np.float16).astype(np.float32)


def grouped_tables(
    values: NDArray[np.float32], form: Form, axis: int, channel_axis: int, make: MakeTable, *, half: bool
) -> GroupedCodes:
    """A table for each group of channels, entries of vectors, or values that each channel scales.

    Args:
        values: float32.
        form: ``group_size``, ``cluster_dim`` and ``channel_scale``.
        axis: the axis of the groups and of the vectors.
        channel_axis: the axis of the output channels, which have the scales.
        make: makes table and codes of a group.
        half: whether the program stores tables and scales as float16.
    """
    scale = None
    if form.channel_scale:
        others = tuple(other for other in range(values.ndim) if other != channel_axis)
        scale = np.abs(values).max(axis=others, keepdims=True)
        if half:
            scale = as_half(scale)
        scale[scale == 0] = 1
        values = values / scale
    length, size = form.cluster_dim, values.shape[axis]
    codes_shape = list(values.shape)
    codes_shape[axis] = size // length
    codes = np.empty(codes_shape, dtype=np.uint8)
    tables = []
    for part, vectors in vectors_of_groups(values, form, axis):
        table, found = make(vectors[:, 0] if length == 1 else vectors)
        tables.append(as_half(table) if half else table)
        moved = np.moveaxis(codes, axis, 0)
        moved[part] = found.reshape(moved[part].shape)
    shape = [1] * values.ndim + [1 << form.nbits, length]
    shape[axis] = len(tables)
    return GroupedCodes(codes, form.nbits, np.stack(tables).reshape(shape), None if length == 1 else axis, scale)


def vectors_of_groups(
    values: NDArray[np.float32], form: Form, axis: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """For each group: its part of the codes' axis, and its vectors, float32 (n, cluster_dim), in the codes' order."""
    length = form.cluster_dim
    moved = np.moveaxis(values, axis, 0)
    size = form.group_size or moved.shape[0]
    for start in range(0, moved.shape[0], size):
        group = moved[start : start + size]
        vectors = np.moveaxis(group.reshape(size // length, length, *group.shape[1:]), 1, -1)
        yield slice(start // length, (start + size) // length), vectors.reshape(-1, length)


def distinct_entries(values: NDArray[np.float32], form: Form, axis: int) -> int:
    """The greatest number of different values (or vectors) that one table must hold."""
    if form.cluster_dim == 1 and not form.group_size:
        return np.unique(values).size
    return max(len(np.unique(vectors, axis=0)) for _, vectors in vectors_of_groups(values, form, axis))
