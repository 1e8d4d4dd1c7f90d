"""Padding of a tensor."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError, did_you_mean

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@converts("pad")
def convert_pad(context: MilContext) -> None:
    """Elements before and after the last axes: ``pad`` is (before, after) for each of them."""
    x, mode = context.value("x"), str(context.const("mode", "constant"))
    if mode not in _MODES:
        raise InvalidModelError(f"there is no padding {mode!r}", where=context.where, fix=did_you_mean(mode, _MODES))
    rank = context.rank(x)
    (count,) = context.static_shape("pad")
    if count % 2 or count > 2 * rank:
        raise InvalidModelError(f"pad has {count} numbers for a tensor of rank {rank}", where=context.where)
    pairs = context.op("Reshape", context.value("pad"), context.constant([-1, 2]))
    if count < 2 * rank:
        # For all axes: onnxruntime's transpose optimizer does not look at Pad's input ``axes``.
        pairs = context.op("Concat", context.constant(np.zeros((rank - count // 2, 2), np.int64)), pairs, axis=0)
    pads = context.op("Reshape", context.op("Transpose", pairs, perm=[1, 0]), context.constant([-1]))
    constant = context.like(context.const("constant_val", 0), x) if mode == "constant" else None
    context.output(context.op("Pad", x, pads, constant, mode=_MODES[mode]))
