"""Networks with ``RANK5_ARRAY_MAPPING`` and layers of specification 4 and 5.

Such layers name any axis and change the rank, which the compact form [N, C, H, W] of blobs (see
``context.py``) does not show. Where a network has one, blobs keep all of [Sequence, Batch, C, H, W] from its
inputs on.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.networks import iter_network_layers
from mltoolkit.graph.builder import Dimension, GraphBuilder

# Fields of NeuralNetworkLayer's ``layer`` from here on came with specification 4.
_FIRST_NEWER_FIELD = 600
# Those that work on each element alone.
_ELEMENTWISE = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "ceil",
        "clampedReLU",
        "clip",
        "copy",
        "cos",
        "cosh",
        "erf",
        "exp2",
        "floor",
        "gelu",
        "logicalNot",
        "round",
        "sign",
        "sin",
        "sinh",
        "tan",
        "tanh",
    ]
)


def needs_five_axes(network: Any) -> bool:
    """Whether blobs of a network with ``RANK5_ARRAY_MAPPING`` must keep five axes."""
    for layer in iter_network_layers(network):
        kind = layer.WhichOneof("layer")
        if kind and kind not in _ELEMENTWISE:
            number = layer.DESCRIPTOR.fields_by_name[kind].number
            if number >= _FIRST_NEWER_FIELD:
                return True
    return False


def five_axes(
    builder: GraphBuilder, value: ir.Value, shape: tuple[int, ...], described_rank: int, where: str
) -> ir.Value:
    """An input array as [Sequence, Batch, C, H, W].

    Args:
        builder: emits the nodes.
        value: the input.
        shape: its shape: (C,), (S, B, C) where ``described_rank`` is 1, (C, H, W), (B, C, H, W) or all five.
        described_rank: the rank that the model describes.
        where: the input, for errors.

    Raises:
        InvalidModelError: it has another rank.
    """
    if len(shape) == 1:
        target: tuple[int, ...] = (1, 1, *shape, 1, 1)
    elif len(shape) == 3 and described_rank == 1:
        target = (*shape, 1, 1)
    elif 3 <= len(shape) <= 5:
        target = (*(1,) * (5 - len(shape)), *shape)
    else:
        raise InvalidModelError(
            f"an array of rank {len(shape)} cannot be mapped to [Sequence, Batch, C, H, W]", where=where
        )
    return builder.op("Reshape", value, builder.constant(list(target)))


def without_leading_ones(shape: tuple[Dimension, ...], described_rank: int) -> tuple[Dimension, ...]:
    """The shape in which a blob is given out when the description does not fix it."""
    known = all(isinstance(size, int) for size in shape)
    if not known or len(shape) != 5 or described_rank == 5 or shape[:2] != (1, 1):
        return shape
    if described_rank == 1 and shape[3:] == (1, 1):
        return shape[2:3]
    return shape[1:] if described_rank == 4 else shape[2:]
