"""Optional values: whether there is one is known before the model runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("OptionalHasElement")
def adapt_has_element(node: SourceNode) -> Sequence[ir.Value]:
    """A constant."""
    return (node.builder.constant(np.asarray(node.optional_input(0) is not None)),)


@adapts("OptionalGetElement", "Optional")
def adapt_element(node: SourceNode) -> Sequence[ir.Value]:
    """Its input."""
    if node.optional_input(0) is None:
        raise RefusedNode("it holds no value")
    return (node.input(0),)
