"""The operations of a block, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import operation_converters
from mltoolkit.formats.ml_program import operation_name
from mltoolkit.graph.builder import GraphBuilder, shape_of
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

# Constants are not listed as layers: they belong to the operations that use them.
_CONSTANT_TYPES = ("const", "constexpr_")


def convert_block(context: MilContext, block: Any) -> list[GraphLayer]:
    """Convert the operations of a block into the context's builder.

    Returns:
        The block's own operations, constants left out.
    """
    converters = operation_converters()
    outer = context.operation
    layers = []
    try:
        for operation in block.operations:
            context.operation = operation
            name = operation_name(operation)
            with context.builder.scope(name):
                converters[operation.type](context)
            if not operation.type.startswith(_CONSTANT_TYPES):
                layers.append(GraphLayer(name, operation.type, _blobs(context, operation)))
    finally:
        context.operation = outer
    return layers


def _blobs(context: MilContext, operation: Any) -> tuple[GraphBlob, ...]:
    blobs = []
    for output in operation.outputs:
        value = context.scopes.find(output.name, context.where)
        if isinstance(value, ir.Value) and value.shape is not None:
            blobs.append(GraphBlob(output.name, value.name or "", shape_of(value)))
    return tuple(blobs)


@contextmanager
def inner_block(context: MilContext, name: str) -> Iterator[GraphBuilder]:
    """Let the context emit into the body of a branch or loop; names bound there are forgotten afterwards.

    Args:
        context: whose ``builder`` is the body's until the end.
        name: the body's name.
    """
    outer, was_in_body = context.builder, context.in_body
    context.builder, context.in_body = outer.subgraph(outer.unique_name(name)), True
    try:
        with context.scopes.block():
            yield context.builder
    finally:
        context.builder, context.in_body = outer, was_in_body
