"""onnxscript's optimizer on a graph of the hub."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx_ir as ir

from mltoolkit.graph.builder import CUSTOM_DOMAIN
from mltoolkit.graph.opset import OPSET
from mltoolkit.graph.passes.weight_codes import decodes_weight

logger = logging.getLogger(__name__)

# A constant is only computed in advance if it is no larger than this and not much larger than what it is made of.
_FOLDED_ELEMENTS = 65536
_GROWTH = 4


def simplified(model: ir.Model) -> ir.Model:
    """The model with constants folded, nodes fused and unused ones dropped; as it is where the optimizer fails.

    Weights keep their size: nodes that make a large constant of a small one, and DequantizeLinear, are left to run.
    """
    from onnxscript import optimizer

    try:
        copy = model.clone()
        # Weights of damaged models: NaN is their own affair.
        with _quiet(), np.errstate(all="ignore"):
            optimizer.optimize_ir(
                copy,
                input_size_limit=_FOLDED_ELEMENTS,
                output_size_limit=_FOLDED_ELEMENTS,
                should_fold=_should_fold,
                inline=False,
            )
    except Exception as error:  # a pass may raise anything on a graph it does not expect
        logger.warning("the model is not simplified, because onnxscript's optimizer fails: %s", error)
        return model
    reason = _damage(model, copy)
    if reason:
        logger.warning("the model is not simplified, because onnxscript's optimizer %s", reason)
        return model
    copy.graph.opset_imports.update({"": OPSET, CUSTOM_DOMAIN: 1})
    return copy


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the optimizer's passes log of single nodes."""
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "onnxscript")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def _should_fold(node: ir.Node) -> bool | None:
    if node.op_type in ("DequantizeLinear", "QuantizeLinear") or node.domain == CUSTOM_DOMAIN:
        return False
    if decodes_weight(node):
        return False
    read = sum(value.const_value.size for value in node.inputs if value is not None and value.const_value is not None)
    for output in node.outputs:
        shape = output.shape
        if shape is None or not all(isinstance(size, int) for size in shape):
            continue
        made = 1
        for size in shape:
            made *= int(size)  # type: ignore[arg-type]
        if made > 64 and made > _GROWTH * read:
            return False
    return None


def _damage(before: ir.Model, after: ir.Model) -> str:
    """How the optimizer changed what it must not, "" if it did not."""
    for what, one, other in (
        ("inputs", before.graph.inputs, after.graph.inputs),
        ("outputs", before.graph.outputs, after.graph.outputs),
    ):
        if [(value.name, value.dtype) for value in one] != [(value.name, value.dtype) for value in other]:
            return f"changes the {what}"
    if any(value.dtype is None for node in after.graph for value in node.outputs if value.uses()):
        return "leaves values without a type"
    sizes = [
        sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
        for model in (before, after)
    ]
    return "blows up the weights" if sizes[1] > 1.05 * sizes[0] + 1e6 else ""
