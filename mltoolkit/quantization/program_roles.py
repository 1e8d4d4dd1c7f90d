"""What a constant of an ML Program is to the operations that use it: weight, bias or normalization; its axes.

The axes are those of coremltools (``optimize/_utils.py``, ``select_input_output_channel_axis``).
"""

from __future__ import annotations

import math

from mltoolkit.formats.weight_fields import Role
from mltoolkit.quantization.program_scan import Use

_BIASES = {
    **dict.fromkeys(("conv", "conv_transpose", "linear", "rnn"), ("bias",)),
    "lstm": ("bias", "bias_back"),
    "gru": ("bias", "input_bias"),
}
_NORMALIZATION = {
    "batch_norm": ("mean", "variance", "gamma", "beta"),
    "instance_norm": ("gamma", "beta"),
    "layer_norm": ("gamma", "beta"),
}
# Adding or multiplying by one number a channel.
_SHIFTS, _SCALES = ("add", "sub"), ("mul", "real_div")
# coremltools puts smaller arrays into the program itself, and compresses none of them.
LEAST_WEIGHT = 10


def role_of(use: Use, shape: tuple[int, ...]) -> Role:
    """What a constant is to one operation."""
    kind = use.operation.type
    if use.input in _BIASES.get(kind, ()):
        return "bias"
    if use.input in _NORMALIZATION.get(kind, ()):
        return "normalization"
    if max(shape, default=1) == math.prod(shape):
        if kind in _SHIFTS:
            return "bias"
        if kind in _SCALES:
            return "normalization"
    return "weight"


def role_of_all(uses: list[Use], shape: tuple[int, ...]) -> Role:
    """What a constant is to all operations that use it: a weight, where they differ."""
    roles = {role_of(use, shape) for use in uses}
    return roles.pop() if len(roles) == 1 else "weight"


def channel_axes(uses: list[Use], rank: int) -> tuple[int | None, int | None]:
    """The axes of the output and of the input channels; None where operations see them differently."""
    pairs = {_axes(use, rank) for use in uses}
    outputs, inputs = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return outputs.pop() if len(outputs) == 1 else None, inputs.pop() if len(inputs) == 1 else None


def _axes(use: Use, rank: int) -> tuple[int, int]:
    kind = use.operation.type
    if kind == "conv_transpose":
        return 1, 0
    if kind == "matmul" and rank > 1:
        transposed = bool(use.flag(f"transpose_{use.input}", 0))
        last = (use.input == "y") != transposed
        return (rank - 1, rank - 2) if last else (rank - 2, rank - 1)
    return 0, min(1, rank - 1)


def fits_groups(use: Use, shape: tuple[int, ...], axis: int, length: int) -> bool:
    """Whether vectors of ``length`` along an axis end with the groups of a convolution."""
    groups = use.flag("groups", 1) if use.operation.type in ("conv", "conv_transpose") else 1
    channels = shape[axis] // groups if axis == 0 else shape[axis]
    return channels % length == 0
