"""Names that coremltools makes up, kept apart from those of the source.

It counts: ``linear_0``, ``linear_1`` — and PyTorch's exporter calls results by the same names. Two results of one name
make a program that reads the wrong one, or a neural network that coremltools refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir


@contextmanager
def reserved_names(names: Iterable[str]) -> Iterator[None]:
    """Let coremltools make up none of some names meanwhile."""
    from coremltools.converters.mil.mil import Builder

    taken, original = frozenset(names), Builder.__dict__["_get_free_name"]

    def free_name(builder: Any, prefix: str) -> str:
        while True:
            name: str = original.__func__(builder, prefix)
            if name not in taken:
                return name

    Builder._get_free_name = classmethod(free_name)
    try:
        yield
    finally:
        Builder._get_free_name = original


def names_of(graph: ir.Graph) -> set[str]:
    """The names of all values of a graph, and of its nodes."""
    found = {value.name for value in (*graph.inputs, *graph.initializers.values())}
    for node in graph:
        found.add(node.name)
        found.update(value.name for value in node.outputs)
    return {name for name in found if name}
