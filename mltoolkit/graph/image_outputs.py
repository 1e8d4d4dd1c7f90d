"""Pictures as outputs: (C, H, W) as the runtime presents them, (1, C, H, W) as other formats want them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def add_batch_axis(graph: ir.Graph, name: str) -> None:
    """Give the output ``name``, (C, H, W), as (1, C, H, W) under the same name."""
    value = next(output for output in graph.outputs if output.name == name)
    place = list(graph.outputs).index(value)
    axes = ir.Tensor(np.array([0], dtype=np.int64), name=f"{name}/batch_axis")
    constant = ir.Value(name=axes.name, type=ir.TensorType(axes.dtype), shape=axes.shape, const_value=axes)
    graph.register_initializer(constant)
    value.name = f"{name}/without_batch"
    shape = None if value.shape is None else ir.Shape([1, *value.shape])
    output = ir.Value(name=name, type=value.type, shape=shape)
    graph.append(ir.node("Unsqueeze", [value, constant], outputs=[output], name=f"{name}/Unsqueeze"))
    graph.outputs[place] = output
