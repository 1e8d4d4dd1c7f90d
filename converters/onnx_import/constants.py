"""Constants, and nodes that hand their input on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape


@adapts("Constant")
def adapt_constant(node: SourceNode) -> Sequence[ir.Value]:
    """A constant of the hub."""
    if "value" in node.attributes:
        name = node.source.outputs[0].name or ""
        return (node.walker.constant(node.attributes["value"].as_tensor(), name),)
    for name, dtype in (("value_float", np.float32), ("value_int", np.int64)):
        for attribute in (name, f"{name}s"):
            if attribute in node.attributes:
                return (node.builder.constant(np.asarray(node.attribute(attribute), dtype=dtype)),)
    raise RefusedNode("it is a sparse tensor or holds texts", "a dense constant of numbers")


@adapts("Identity")
def adapt_identity(node: SourceNode) -> Sequence[ir.Value]:
    """Its input."""
    return (node.input(0),)


@adapts("Dropout")
def adapt_dropout(node: SourceNode) -> Sequence[ir.Value]:
    """Its input: nothing is dropped when a model is used. The mask keeps all."""
    if node.version >= 12 and node.optional_input(2) is not None:
        training = node.constant(2)
        ratio = node.constant(1)
        drops = training is None or bool(training.reshape(()))
        if drops and not (ratio is not None and float(ratio.reshape(())) == 0):
            raise RefusedNode("it drops elements at random (training_mode)", "training_mode = False")
    outputs = [node.input(0)]
    if node.has_output(1):
        dtype = np.bool_ if node.version >= 10 else np.float32
        sizes = known_shape(node.input(0))
        if sizes is not None and all(isinstance(size, int) for size in sizes):
            shape: ir.Value = node.builder.constant(np.asarray(sizes, dtype=np.int64))
        else:
            shape = node.op("Shape", node.input(0))
        outputs.append(node.op("ConstantOfShape", shape, value=ir.tensor(np.ones(1, dtype))))
    return outputs
