"""Custom layers in ONNX files.

A custom layer is a node of the domain ``mltoolkit.custom`` whose operator is the layer's class name. Its parameters
are attributes, the description is ``doc_string``, and its weights are constant inputs after the layer's own. Read back
with a custom conversion function for ``("mltoolkit.custom", class name)`` it is the same layer again; other programs
need an operator of that name. A function that builds the layer of ONNX operators keeps the file free of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.graph.builder import CUSTOM_DOMAIN


def describe_custom_nodes(graph: ir.Graph, descriptions: Mapping[str, CustomLayerDescription]) -> int:
    """Give each custom node its parameters and weights; gives their number."""
    count = 0
    for node in list(graph):
        if node.domain != CUSTOM_DOMAIN:
            continue
        count += 1
        description = descriptions.get(node.name or "")
        if description is None:
            continue
        node.doc_string = description.description or None
        for name, value in description.parameters.items():
            plain = int(value) if isinstance(value, bool) else value
            node.attributes[name] = ir.convenience.convert_attribute(name, plain)
        own = list(node.inputs)
        node.resize_inputs(len(own) + len(description.weights))
        for index, weight in enumerate(description.weights):
            name = f"{node.name}/weight_{index}"
            tensor = ir.Tensor(np.ascontiguousarray(weight), name=name)
            value_ = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
            graph.register_initializer(value_)
            node.replace_input_with(len(own) + index, value_)
    return count
