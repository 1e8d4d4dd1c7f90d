"""Custom layers: nodes that a class on the device computes; neural networks alone can have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.networks import iter_layers
from mltoolkit.formats.weights import write_float32

# Type of the PyMIL operation that stands for every custom layer.
_OPERATION = "mltoolkit_custom_layer"


def write_custom(node: NodeContext) -> Any:
    """A node of ``CUSTOM_DOMAIN``; :func:`fill_custom_layers` completes its layer."""
    if not node.is_network:
        node.refuse(
            "custom layers exist in neural networks only, ML Programs have none",
            "format='mlmodel', or a custom conversion function that builds the layer of ONNX operators",
        )
    if node.description is None:
        node.refuse("the custom layer has no description")
    inputs = {f"x{index}": var for index, var in enumerate(node.inputs())}
    if not inputs:
        node.refuse("a custom layer without inputs cannot be written")
    shapes = []
    for value in node.outputs:
        sizes = [] if value.shape is None else list(value.shape)
        if not sizes or not all(isinstance(size, int) for size in sizes):
            node.refuse(f"the custom layer's output has no fixed shape: {sizes}", "fixed input shapes")
        shapes.append(tuple(sizes))
    return node.mb._add_op(_operation(tuple(inputs), node.node.name or "", tuple(shapes)), **inputs)


def _operation(inputs: tuple[str, ...], key: str, shapes: tuple[tuple[Any, ...], ...]) -> Any:
    """A class of PyMIL operations for one custom layer; ``key`` finds its description again."""
    from coremltools.converters.mil.mil import Operation, types
    from coremltools.converters.mil.mil.input_type import InputSpec, TensorInputType
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    def type_inference(self: Any) -> Any:
        results = tuple(types.tensor(types.fp32, shape) for shape in shapes)
        return results if len(results) > 1 else results[0]

    domains = {name: f"T{index}" for index, name in enumerate(inputs)}
    members = {
        "input_spec": InputSpec(**{name: TensorInputType(type_domain=domain) for name, domain in domains.items()}),
        "type_domains": dict.fromkeys(domains.values(), (types.fp32, types.int32, types.bool)),
        "bindings": {"class_name": key, "input_order": list(inputs)},
        "type_inference": type_inference,
    }
    operation = type(_OPERATION, (Operation,), members)
    SSAOpRegistry.custom_ops.setdefault(_OPERATION, operation)
    return operation


def fill_custom_layers(spec: Any, descriptions: dict[str, CustomLayerDescription]) -> None:
    """Give custom layers, whose ``className`` is the name of their node so far, what their descriptions say."""
    for _, layer in iter_layers(spec):
        if layer.WhichOneof("layer") != "custom" or layer.custom.className not in descriptions:
            continue
        description = descriptions[layer.custom.className]
        params = layer.custom
        params.className, params.description = description.class_name, description.description
        for name, value in description.parameters.items():
            _set_parameter(params.parameters[name], value, name)
        for weight in description.weights:
            write_float32(params.weights.add(), np.asarray(weight, np.float32))


def _set_parameter(message: Any, value: Any, name: str) -> None:
    """CustomLayerParamValue: a bool is an int in Python, so it is asked for first."""
    if isinstance(value, (bool, np.bool_)):
        message.boolValue = bool(value)
    elif isinstance(value, (int, np.integer)):
        if -(1 << 31) <= value < 1 << 31:
            message.intValue = int(value)
        else:
            message.longValue = int(value)
    elif isinstance(value, (float, np.floating)):
        message.doubleValue = float(value)
    elif isinstance(value, str):
        message.stringValue = value
    else:
        raise InvalidModelError(f"the custom layer's parameter {name!r} is {value!r}, no number, text or flag")
