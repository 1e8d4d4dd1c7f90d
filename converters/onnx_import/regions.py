"""Operators on regions whose defaults changed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("RoiAlign", before=16)
def adapt_roi_align(node: SourceNode) -> Sequence[ir.Value]:
    """Positions were not shifted by half a pixel before opset 16."""
    return node.emit(attributes={**node.attributes, "coordinate_transformation_mode": "output_half_pixel"})
