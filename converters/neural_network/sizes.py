"""Sizes and counts that a file states, checked before anything is computed or allocated with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mltoolkit.errors import InvalidModelError

if TYPE_CHECKING:
    from mltoolkit.graph.builder import Dimension, GraphBuilder

# No axis of a real blob is longer; products of a few such sizes still fit into 64 bits.
MAX_SIZE = (1 << 31) - 1
# 4 GiB of float32; the largest real blobs (64 channels of a 4K picture) take half of it.
MAX_ELEMENTS = 1 << 30


class EmittingContext(Protocol):
    """Emits nodes, names the layer in errors: a layer's context, or that of an ML Program's operation."""

    @property
    def builder(self) -> GraphBuilder:
        """The graph, or the body, that nodes are emitted into."""

    @property
    def where(self) -> str:
        """The layer or operation."""


def stated_size(context: EmittingContext, name: str, value: int, minimum: int = 1) -> int:
    """A size that the layer's parameter ``name`` states.

    Raises:
        InvalidModelError: it is below ``minimum`` or beyond reason.
    """
    if not minimum <= value <= MAX_SIZE:
        raise InvalidModelError(
            f"the parameter {name} is {value}; sensible values are {minimum} to {MAX_SIZE}",
            where=context.where,
        )
    return int(value)


def check_elements(context: EmittingContext, shape: Sequence[Dimension]) -> None:
    """Check that a blob of this shape (unknown sizes count as 1) can be held in memory.

    Raises:
        InvalidModelError: it has more than :data:`MAX_ELEMENTS` elements.
    """
    elements = 1
    for size in shape:
        elements *= size if isinstance(size, int) else 1
    if elements > MAX_ELEMENTS:
        raise InvalidModelError(
            f"the layer's output of shape {tuple(shape)} would take {elements / (1 << 28):.3g} GiB",
            where=context.where,
        )
