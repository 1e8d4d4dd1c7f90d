"""Weights that an ONNX model stores as codes before DequantizeLinear, and the system that keeps them so.

Older systems have no operation for them: the weights would be written in float, four or eight times as large.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import onnx_ir as ir

from mltoolkit.converters.mil.target import CoreMLTarget

logger = logging.getLogger(__name__)

# Smaller weights gain less than the operation itself takes.
_MIN_ELEMENTS = 128
_IOS16, _IOS18 = 7, 9
_NEEDED = {
    ir.DataType.INT8: _IOS16,
    ir.DataType.UINT8: _IOS16,
    ir.DataType.INT4: _IOS18,
    ir.DataType.UINT4: _IOS18,
}


def with_system_for_codes(model: ir.Model, target: CoreMLTarget) -> tuple[CoreMLTarget, tuple[str, ...]]:
    """The target with the oldest system that stores the model's coded weights as codes.

    Args:
        model: what is written.
        target: what was asked for. A ``minimum_deployment_target`` stays as it is.

    Returns:
        The target, and what to tell the user.
    """
    if target.format != "mlpackage":
        return target, ()
    needed = max((_needed(node) for node in model.graph if node.op_type == "DequantizeLinear"), default=0)
    if needed <= target.specification_version:
        return target, ()
    release = f"iOS{needed + 9}"
    if target.minimum_deployment_target is None:
        note = f"minimum_deployment_target is {release}, the oldest that keeps the source's weights as codes"
        return replace(target, minimum_deployment_target=release), (note,)
    note = f"the source's weights are written as floats, since only {release} and later keep them as codes"
    logger.warning("%s", note)
    return target, (note,)


def _needed(node: ir.Node) -> int:
    """The specification version that holds the codes of one node, 0 where any does."""
    codes, scale = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
    if codes is None or codes.const_value is None or scale is None or scale.const_value is None:
        return 0
    if codes.const_value.size < _MIN_ELEMENTS or codes.dtype not in _NEEDED:
        return 0
    blocks = node.attributes.get("block_size")
    if blocks is not None and blocks.value:
        return _IOS18
    return _NEEDED[codes.dtype]
