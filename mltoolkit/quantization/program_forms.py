"""The forms in which an ML Program stores weights: which a system has, what they take, and the operations they are.

    constexpr_cast                   iOS 16  float16 values of a float32 program
    constexpr_lut_to_dense           iOS 16  1, 2, 4, 6, 8 bits, one table; iOS 18: 3 bits, tables of groups, vectors
    constexpr_affine_dequantize      iOS 16  8 bits, whole zero point, one scale or one a channel
    constexpr_blockwise_shift_scale  iOS 18  4 or 8 bits, a scale a block; of looked-up values: a scale a channel
    constexpr_sparse_to_dense        iOS 16  a bit mask, and the values where it is 1

Source: coremltools, ``mil/ops/defs/iOS16`` and ``iOS18``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mltoolkit.formats.deployment import IOS16, IOS18, release_name
from mltoolkit.formats.mil_value_writing import array_bytes
from mltoolkit.quantization.slots import Form, WeightSlot

TABLE_BITS = {IOS16: (1, 2, 4, 6, 8), IOS18: (1, 2, 3, 4, 6, 8)}
_MOST_CODE_BITS = 8
LINEAR_BITS = {IOS16: (8,), IOS18: (4, 8)}


class Lack(NamedTuple):
    """That the system a program is made for has no such form.

    Attributes:
        reason: which.
        fix: what to ask for instead.
    """

    reason: str
    fix: str


def lacking(form: Form, version: int) -> Lack | None:
    """Why the programs of a specification version have no such form, None where they have it."""
    if form.kind == "float32":
        return None
    release = release_name(version)
    if version < IOS16:
        return Lack(
            f"ML Programs for {release} have no compressed weights",
            "Give minimum_deployment_target='iOS16' or later",
        )
    possible = TABLE_BITS if form.kind == "table" else LINEAR_BITS
    if form.kind in ("table", "linear"):
        here = possible[IOS18 if version >= IOS18 else IOS16]
        if form.nbits not in here:
            return _lacking_bits(form, release, here, version)
    if version >= IOS18:
        return None
    extra = (
        ("a table for each group of channels", form.group_size),
        ("tables of vectors", form.cluster_dim > 1),
        ("tables with a scale for each channel", form.channel_scale),
        ("a scale for each block", form.block_size),
        ("codes between zeros", form.kind == "sparse" and form.nbits <= _MOST_CODE_BITS),
    )
    for name, asked in extra:
        if asked:
            return Lack(f"ML Programs for {release} do not have {name}", "Give minimum_deployment_target='iOS18'")
    return None


def _lacking_bits(form: Form, release: str, here: tuple[int, ...], version: int) -> Lack:
    kind = "lookup tables" if form.kind == "table" else "linear codes"
    listed = ", ".join(str(bits) for bits in here)
    reason = f"ML Programs for {release} have no {kind} of {form.nbits} bits, only of {listed}"
    newest = (TABLE_BITS if form.kind == "table" else LINEAR_BITS)[IOS18]
    ways = ["minimum_deployment_target='iOS18'"] if version < IOS18 and form.nbits in newest else []
    if form.kind == "linear" and form.nbits in TABLE_BITS[IOS18 if version >= IOS18 else IOS16]:
        ways.append("the mode 'linear_lut'")
    close = [bits for bits in here if abs(bits - form.nbits) == min(abs(other - form.nbits) for other in here)]
    ways += [] if ways else [f"nbits={bits}" for bits in close]
    return Lack(reason, f"Give {' or '.join(ways)}")


def block_counts(slot: WeightSlot, form: Form) -> tuple[int, ...] | str:
    """How many scales lie along each axis of a weight in linear codes, or why that is not possible."""
    counts = [1] * len(slot.shape)
    if form.block_size == 0:
        if form.per_channel:
            counts[slot.channel_axis] = slot.channels
        return tuple(counts)
    if isinstance(form.block_size, tuple):
        sizes = form.block_size
        if len(sizes) != len(slot.shape):
            return f"block_size has {len(sizes)} sizes and the weight {len(slot.shape)} axes"
    else:
        if not slot.per_channel or slot.input_axis == slot.channel_axis:
            return "its channels cannot be told"
        sizes = tuple(
            form.block_size if axis == slot.input_axis else int(axis == slot.channel_axis)
            for axis in range(len(slot.shape))
        )
    for axis, (size, length) in enumerate(zip(slot.shape, sizes, strict=True)):
        if length and size % length:
            return f"its axis {axis} of {size} cannot be cut into blocks of {length}"
        counts[axis] = size // length if length else 1
    return tuple(counts)


def group_axis(slot: WeightSlot, form: Form) -> int:
    """The axis whose groups have a table each, and along which vectors lie."""
    return slot.channel_axis if form.channel_axis is None else form.channel_axis % len(slot.shape)


def table_obstacle(slot: WeightSlot, form: Form) -> str:
    """Why a weight cannot be cut into the groups and vectors of a form: "" where it can."""
    if not (form.group_size or form.cluster_dim > 1 or form.channel_scale):
        return ""
    if form.channel_axis is not None and not -len(slot.shape) <= form.channel_axis < len(slot.shape):
        return f"it has no axis {form.channel_axis}"
    if form.channel_axis is None and not slot.per_channel:
        return "its channels cannot be told"
    channels = slot.shape[group_axis(slot, form)]
    group = form.group_size or channels
    if channels % group:
        return f"its {channels} channels are no multiple of the group's {group}"
    if group % form.cluster_dim:
        return f"its groups of {group} channels are no multiple of cluster_dim={form.cluster_dim}"
    return ""


def form_bytes(slot: WeightSlot, form: Form, float_bits: int, version: int) -> int:
    """What a weight takes in a form, in the weight file (with the heads of its records) and the program.

    Args:
        slot: the weight.
        form: a form that it can have.
        float_bits: 16 where the program computes it in float16.
        version: the program's specification version.
    """
    if form.kind in ("float16", "float32"):
        return array_bytes(slot.count, min(form.nbits, float_bits))
    if form.kind == "linear":
        counts = block_counts(slot, form)
        scales = math.prod(counts) if not isinstance(counts, str) else 1
        centred = form.symmetric and form.signed and version >= IOS18
        shifts = 0 if centred else array_bytes(scales, form.nbits)
        return array_bytes(slot.count, form.nbits) + array_bytes(scales, float_bits) + shifts
    groups = slot.shape[group_axis(slot, form)] // form.group_size if form.group_size else 1
    size = array_bytes(slot.count // form.cluster_dim, form.nbits)
    size += array_bytes(groups * form.cluster_dim << form.nbits, float_bits)
    if form.channel_scale:
        size += array_bytes(slot.shape[group_axis(slot, form)], float_bits)
    return size
