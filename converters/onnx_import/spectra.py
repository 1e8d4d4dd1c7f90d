"""STFT, whose shape onnx infers as if ``onesided`` were 0 when left out; its default is 1."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("STFT")
def adapt_transform(node: SourceNode) -> Sequence[ir.Value]:
    """The same with the attribute written out."""
    return node.emit(attributes={"onesided": 1, **node.attributes})
