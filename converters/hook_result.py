"""Whether a custom conversion function returned something that can stand in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.protocol import ParameterValue
from mltoolkit.errors import ConversionHookError
from mltoolkit.graph.builder import Dimension, known_shape

if TYPE_CHECKING:
    from mltoolkit.converters.hooks import HookedLayer

_FORMS = (
    "Return a CustomLayerDescription, or the ONNX value of each output, made with layer.builder "
    '(return layer.builder.op("Relu", layer.inputs[0]))'
)
# CustomLayerParamValue's widest integer.
_INT64 = range(-(1 << 63), 1 << 63)


def checked_result(
    result: object, layer: HookedLayer, title: str, where: str
) -> CustomLayerDescription | tuple[ir.Value, ...]:
    """What a hook returned, in a form that importers can rely on.

    Args:
        result: what it returned.
        layer: the layer that it was given.
        title: the hook's name, for messages.
        where: the layer, for messages.

    Raises:
        ConversionHookError: it is neither a description nor values of the builder with the layer's output shapes.
    """
    if isinstance(result, CustomLayerDescription):
        return _checked_description(result, len(layer.output_shapes), title, where)
    if isinstance(result, ir.Value):
        return _checked_values((result,), layer, title, where)
    if isinstance(result, (list, tuple)) and result and all(isinstance(item, ir.Value) for item in result):
        return _checked_values(tuple(result), layer, title, where)
    shown = "None; is a return missing?" if result is None else _shown(result)
    raise ConversionHookError(f"the custom conversion function {title!r} returned {shown}", where=where, fix=_FORMS)


def _shown(result: object) -> str:
    text = repr(result)
    return f"{text[:77] + '…' if len(text) > 78 else text}, of type {type(result).__name__}"


def _checked_values(values: tuple[ir.Value, ...], layer: HookedLayer, title: str, where: str) -> tuple[ir.Value, ...]:
    if len(values) != len(layer.output_shapes):
        raise ConversionHookError(
            f"the custom conversion function {title!r} returned {len(values)} values, "
            f"but the layer has {len(layer.output_shapes)} outputs",
            where=where,
            fix=_FORMS,
        )
    for index, (value, wanted) in enumerate(zip(values, layer.output_shapes, strict=True)):
        if not layer.builder.holds(value) and not any(value is known for known in layer.inputs):
            raise ConversionHookError(
                f"output {index} that the custom conversion function {title!r} returned, {value.name!r}, "
                "is not in the graph",
                where=where,
                fix="Make it with layer.builder.op(...) or layer.builder.constant(...)",
            )
        shape = known_shape(value)
        if not _compatible(shape, wanted):
            raise ConversionHookError(
                f"output {index} of the custom conversion function {title!r} has the shape {shape}, "
                f"but the layer gives {wanted}",
                where=where,
                fix="Feature maps are channels-first (N, C, H, W); see layer.output_shapes",
            )
    return values


def _compatible(shape: Sequence[Dimension] | None, wanted: Sequence[Dimension] | None) -> bool:
    if shape is None or wanted is None:
        return True
    sizes = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(
        made == size or not isinstance(made, int) or not isinstance(size, int) for made, size in sizes
    )


def _checked_description(
    description: CustomLayerDescription, outputs: int, title: str, where: str
) -> CustomLayerDescription:
    def wrong(what: str, fix: str) -> ConversionHookError:
        return ConversionHookError(
            f"the custom conversion function {title!r} returned a description {what}", where=where, fix=fix
        )

    if not isinstance(description.class_name, str) or not description.class_name:
        raise wrong("without a class_name", "Set it to the name of the class that runs the layer on the device")
    if not isinstance(description.description, str):
        raise wrong(f"whose description is {description.description!r}", "Give a string")
    shapes = [shape for shape in description.output_shapes if shape is not None]
    if shapes and len(shapes) != outputs:
        raise wrong(f"with {len(shapes)} output_shapes for {outputs} outputs", "Give one an output, or none")
    parameters: dict[str, ParameterValue] = {}
    for name, given in dict(description.parameters).items():
        value = given.item() if isinstance(given, np.generic) else given
        if not isinstance(name, str) or not isinstance(value, (bool, int, float, str)):
            raise wrong(
                f"whose parameter {name!r} is {_shown(given)}",
                "A parameter is a number, a string or a flag; layer.parameters holds those of the layer",
            )
        if isinstance(value, int) and value not in _INT64:
            raise wrong(f"whose parameter {name!r} is {value}", "An integer has at most 64 bits")
        parameters[name] = value
    weights = [_weight(index, given, wrong) for index, given in enumerate(description.weights)]
    return replace(description, parameters=parameters, weights=weights, output_shapes=shapes)


def _weight(index: int, given: Any, wrong: Any) -> NDArray[np.float32]:
    try:
        array = np.asarray(given)
    except Exception as error:
        raise wrong(f"whose weight {index} is no array", "Give NumPy arrays") from error
    if array.dtype.kind not in "fiub":
        raise wrong(f"whose weight {index} has the type {array.dtype}", "Give NumPy arrays of numbers")
    return array.astype(np.float32)
