"""Blocks of pixels moved to channels and back: DepthToSpace, SpaceToDepth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltoolkit.converters.mil.kinds import as_floats
from mltoolkit.converters.mil.registry import writes

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("DepthToSpace")
def write_depth_to_space(node: NodeContext) -> Any:
    """[N, C, H, W] → [N, C / b², H · b, W · b]; DCR: the block's place changes slowest in C, CRD: fastest."""
    block = node.attribute("blocksize")
    if block == 1:
        return node.mb.identity(x=node.input(0))
    if node.attribute("mode", "DCR") == "CRD":
        return as_floats(node, node.input(0), lambda x: node.mb.pixel_shuffle(x=x, upscale_factor=block))
    return as_floats(node, node.input(0), lambda x: node.mb.depth_to_space(x=x, block_size=block))


@writes("SpaceToDepth")
def write_space_to_depth(node: NodeContext) -> Any:
    """[N, C, H, W] → [N, C · b², H / b, W / b], the block's place changing slowest.

    For opset 26, mode CRD has it change fastest.
    """
    block = node.attribute("blocksize")
    if block == 1:
        return node.mb.identity(x=node.input(0))
    if node.attribute("mode", "DCR") == "CRD":
        node.refuse("the block's place changes fastest", "SpaceToDepth with mode DCR")
    return as_floats(node, node.input(0), lambda x: node.mb.space_to_depth(x=x, block_size=block))
