"""Converting a network inside a branch or loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.graph.builder import GraphBuilder


@contextmanager
def inner_network(context: LayerContext, name: str) -> Iterator[GraphBuilder]:
    """Let the context emit into the body of a branch or loop; what it changes is forgotten afterwards.

    Args:
        context: whose ``builder``, ``values`` and ``exits`` are the body's until the end.
        name: the body's name.
    """
    outer = context.builder, context.values, context.exits, context.in_body
    context.builder = context.builder.subgraph(context.builder.unique_name(name))
    context.values = dict(context.values)
    context.in_body = True
    try:
        yield context.builder
    finally:
        context.builder, context.values, context.exits, context.in_body = outer
