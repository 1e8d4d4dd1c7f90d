"""Rewrites of a finished graph that make it smaller or faster without changing what it computes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mltoolkit.graph.passes.relu6 import FuseRelu6


def optimize(model: ir.Model) -> None:
    """Run all passes, in place."""
    ir.passes.Sequential(FuseRelu6(), RemoveUnusedNodesPass())(model)
