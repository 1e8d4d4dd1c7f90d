"""Normalisations whose older forms differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("BatchNormalization")
def adapt_batch_normalization(node: SourceNode) -> Sequence[ir.Value]:
    """With stored statistics, or with those of the batch (``training_mode`` of opset 14)."""
    if not node.attribute("spatial", 1):
        raise RefusedNode("it has statistics for each place (spatial = 0)", "spatial = 1")
    inputs = list(node.inputs)
    if not node.attribute("training_mode", 0):
        attributes = node.without("spatial", "training_mode", "momentum")
        return node.emit(inputs=inputs, attributes=attributes, outputs=1)
    return _of_the_batch(node, *(node.input(index) for index in range(5)))


def _of_the_batch(
    node: SourceNode, value: ir.Value, scale: ir.Value, bias: ir.Value, mean: ir.Value, variance: ir.Value
) -> list[ir.Value]:
    rank = node.rank(0)
    axes = node.builder.constant([axis for axis in range(rank) if axis != 1])
    momentum = float(node.attribute("momentum", 0.9))
    batch_mean = node.op("ReduceMean", value, axes)
    centred = node.op("Sub", value, batch_mean)
    batch_variance = node.op("ReduceMean", node.op("Mul", centred, centred), axes)
    epsilon = node.number(float(node.attribute("epsilon", 1e-5)), batch_variance)
    deviation = node.op("Sqrt", node.op("Add", batch_variance, epsilon))
    per_channel = node.builder.constant([1, -1] + [1] * (rank - 2))
    factor, offset = (node.op("Reshape", given, per_channel) for given in (scale, bias))
    outputs = [node.op("Add", node.op("Mul", node.op("Div", centred, deviation), factor), offset)]
    for kept, new in ((mean, batch_mean), (variance, batch_variance)):
        flat = node.op("Reshape", new, node.builder.constant([-1]))
        weighted = node.op("Mul", kept, node.number(momentum, kept))
        outputs.append(node.op("Add", weighted, node.op("Mul", flat, node.number(1 - momentum, kept))))
    return outputs[: node.output_count]


@adapts("GroupNormalization", before=21)
def adapt_group_normalization(node: SourceNode) -> Sequence[ir.Value]:
    """Scale and bias were given for each group before opset 21, since then for each channel."""
    groups, channels = int(node.attribute("num_groups")), node.shape(0)[1]
    if not isinstance(channels, int) or not groups or channels % groups:
        raise RefusedNode(f"its {channels} channels are not known or not divisible by {groups} groups")
    spread = np.repeat(np.arange(groups), channels // groups)
    per_channel = [node.op("Gather", node.input(index), node.builder.constant(spread), axis=0) for index in (1, 2)]
    return node.emit(inputs=[node.input(0), *per_channel])
