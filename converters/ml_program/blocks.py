"""The operations of a block, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import operation_converters
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.ml_program import operation_name
from mltoolkit.graph.builder import GraphBuilder, shape_of
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

# Constants are not listed as layers: they belong to the operations that use them.
_CONSTANT_TYPES = ("const", "constexpr_")


def convert_block(context: MilContext, block: Any) -> list[GraphLayer]:
    """Convert the operations of a block into the context's builder.

    Returns:
        The operations, those of the blocks inside one after it; constants left out.
    """
    converters = operation_converters()
    outer = context.operation, context.inner_layers
    layers = []
    try:
        for operation in block.operations:
            context.operation, context.inner_layers = operation, {}
            name = operation_name(operation)
            with context.builder.scope(name):
                converters[operation.type](context)
            if not operation.type.startswith(_CONSTANT_TYPES):
                layers.append(GraphLayer(name, operation.type, _blobs(context, operation)))
            for _, inner in sorted(context.inner_layers.items()):
                layers += inner
    finally:
        context.operation, context.inner_layers = outer
    return layers


def convert_inner(context: MilContext, index: int) -> list[ir.Value]:
    """Convert block number ``index`` of the current operation into the context's builder.

    A block may be converted more than once; its operations are listed as they were the last time.

    Returns:
        The graph values of the block's outputs.

    Raises:
        UnsupportedModelError: an output is no tensor.
    """
    block = context.operation.blocks[index]
    context.inner_layers[index] = convert_block(context, block)
    values = []
    for name in block.outputs:
        bound = context.scopes.find(name, context.where)
        if isinstance(bound, Constant):
            bound = context.tensor(bound)
        if not isinstance(bound, ir.Value):
            raise UnsupportedModelError(f"a block gives {name!r}, which is no tensor", where=context.where)
        values.append(bound)
    return values


def _blobs(context: MilContext, operation: Any) -> tuple[GraphBlob, ...]:
    blobs = []
    for output in operation.outputs:
        value = context.scopes.find(output.name, context.where)
        if isinstance(value, ir.Value) and value.shape is not None:
            blobs.append(GraphBlob(output.name, value.name or "", shape_of(value)))
    return tuple(blobs)


@contextmanager
def inner_block(context: MilContext, name: str) -> Iterator[GraphBuilder]:
    """Let the context emit into the body of a branch or loop.

    Names bound there are forgotten afterwards, and states are what they were: what the body writes must be among
    its outputs.

    Args:
        context: whose ``builder`` is the body's until the end.
        name: the body's name.
    """
    outer, states = context.builder, dict(context.states)
    context.builder = outer.subgraph(outer.unique_name(name))
    try:
        with context.scopes.block():
            yield context.builder
    finally:
        context.builder, context.states = outer, states
