"""The described inputs and outputs of a network, and the tensors its layers work on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.five_axes import five_axes, without_leading_ones
from mltoolkit.converters.neural_network.preprocessing import preprocess
from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.array_shapes import same_elements
from mltoolkit.formats.features import ArrayFeature, ImageFeature, Interface, ScalarFeature
from mltoolkit.graph.builder import known_shape, shape_of

# Larger tensors than this many elements at a network's boundary are taken for a damaged description.
_MAX_ELEMENTS = 1 << 31


def declare_inputs(
    context: LayerContext, network: Any, interface: Interface, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Declare the graph's inputs and bring them into the form that layers expect.

    Args:
        context: receives the blobs.
        network: the NeuralNetwork message.
        interface: the described inputs.
        shapes: shapes that replace the described ones; (height, width) for an image.
    """
    arrays = [feature for feature in interface.inputs if isinstance(feature, ArrayFeature)]
    if context.rank5:
        context.batch = _common_batch({feature.name: shapes.get(feature.name, feature.shape) for feature in arrays})
    for feature in interface.inputs:
        if isinstance(feature, ImageFeature):
            value = _declare_image(context, network, feature, shapes.get(feature.name))
        elif isinstance(feature, ArrayFeature):
            value = _declare_array(context, network, feature, shapes.get(feature.name, feature.shape))
        elif isinstance(feature, ScalarFeature):
            value = context.builder.input(feature.name, np.float32, (1,))
            if context.rank5 or _mapped_to_rank5(network):
                ones = [1] * (4 if context.rank5 else 5)
                value = context.builder.op("Reshape", value, context.builder.constant(ones))
        else:
            raise UnsupportedModelError(
                f"a neural network cannot take a {type(feature).__name__}", where=f"input {feature.name!r}"
            )
        context.values[feature.name] = value


def _common_batch(shapes: Mapping[str, tuple[int, ...]]) -> int:
    batches = {name: shape[1] for name, shape in shapes.items() if len(shape) == 5}
    if len(set(batches.values())) > 1:
        raise InvalidModelError(f"the inputs have different batch sizes: {batches}")
    return next(iter(batches.values()), 1)


def _check_sizes(feature_name: str, shape: tuple[int, ...]) -> None:
    where = f"input {feature_name!r}"
    if any(size == 0 for size in shape):
        raise InvalidModelError(
            f"the shape {shape} leaves a size open", where=where, fix="Give the shape that shall be used"
        )
    if any(size < 0 for size in shape) or math.prod(shape) > _MAX_ELEMENTS:
        raise InvalidModelError(f"the shape {shape} is impossible", where=where)


def _declare_image(
    context: LayerContext, network: Any, feature: ImageFeature, size: tuple[int, ...] | None
) -> ir.Value:
    height, width = size or (feature.height, feature.width)
    shape = (1, feature.channels, height, width)
    _check_sizes(feature.name, shape)
    value = context.builder.input(feature.name, np.float32, shape)
    value = preprocess(context.builder, network, feature, value)
    # NeuralNetworkImageShapeMapping: 0 is RANK5_IMAGE_MAPPING, 1 is RANK4_IMAGE_MAPPING.
    if not context.rank5 and network.imageInputShapeMapping == 0:
        value = context.builder.op("Unsqueeze", value, context.builder.constant([0]))
    return value


def _mapped_to_rank5(network: Any) -> bool:
    # NeuralNetworkMultiArrayShapeMapping: 0 is RANK5_ARRAY_MAPPING, 1 is EXACT_ARRAY_MAPPING.
    return bool(network.arrayInputShapeMapping == 0)


def _declare_array(context: LayerContext, network: Any, feature: ArrayFeature, shape: tuple[int, ...]) -> ir.Value:
    builder = context.builder
    _check_sizes(feature.name, shape)
    integer = feature.dtype.startswith("int")
    value = builder.input(feature.name, np.int32 if integer else np.float32, shape)
    if integer:
        value = builder.op("Cast", value, attributes={"to": ir.DataType.FLOAT})
    if not context.rank5:
        if not _mapped_to_rank5(network):
            return value
        return five_axes(builder, value, shape, len(feature.shape), f"input {feature.name!r}")
    if len(shape) == 1:
        return builder.op("Reshape", value, builder.constant([1, shape[0], 1, 1]))
    if len(shape) == 3 and len(feature.shape) == 1:
        # "At runtime, the first two dimensions (Seq or Batch) can be presented as well": (S, B, C).
        context.batch = shape[1]
        return builder.op("Reshape", value, builder.constant([shape[0] * shape[1], shape[2], 1, 1]))
    if len(shape) == 3:
        return builder.op("Unsqueeze", value, builder.constant([0]))
    if len(shape) == 4:
        return value
    if len(shape) == 5:
        return builder.op("Reshape", value, builder.constant([shape[0] * shape[1], *shape[2:]]))
    raise InvalidModelError(
        f"an array of rank {len(shape)} cannot be mapped to [Sequence, Batch, C, H, W]",
        where=f"input {feature.name!r}",
    )


def finish_outputs(
    context: LayerContext, network: Any, interface: Interface, *, described_shapes_hold: bool
) -> tuple[list[ir.Value], str]:
    """The graph's outputs under their described names, and the name of the probabilities ("" for no classifier).

    Args:
        context: holds the blobs.
        network: the NeuralNetwork message.
        interface: the described outputs.
        described_shapes_hold: the inputs have their described shapes, so the outputs must too.

    Raises:
        InvalidModelError: an output is not made by any layer, or has another shape than described.
    """
    outputs: list[ir.Value] = []
    probabilities = ""
    by_classifier: set[str] = set()
    if interface.class_labels is not None:
        probabilities = interface.predicted_probabilities_name or context.builder.unique_name("classProbability")
        outputs.append(_probabilities(context, network, interface, probabilities))
        by_classifier = {interface.predicted_feature_name, probabilities}
    flexible = any(
        feature.flexible for feature in interface.inputs if isinstance(feature, (ImageFeature, ArrayFeature))
    )
    for feature in interface.outputs:
        if feature.name in by_classifier:
            continue
        value = context.values.get(feature.name)
        if value is None:
            raise InvalidModelError(
                f"no layer makes the described output {feature.name!r}",
                fix=did_you_mean(feature.name, context.values),
            )
        check = described_shapes_hold and not flexible
        if isinstance(feature, ImageFeature):
            described: tuple[int, ...] = (feature.channels, feature.height, feature.width)
            value = _image_output(context, feature, value, described if check else None)
        elif isinstance(feature, ArrayFeature):
            value = _array_output(context, network, feature, value, check)
        elif isinstance(feature, ScalarFeature):
            value = context.builder.op("Reshape", value, context.builder.constant([-1]))
        else:
            raise UnsupportedModelError(
                f"a neural network cannot give a {type(feature).__name__}", where=f"output {feature.name!r}"
            )
        outputs.append(_named(context, value, feature.name, outputs))
    return outputs, probabilities


def _named(context: LayerContext, value: ir.Value, name: str, taken: list[ir.Value]) -> ir.Value:
    if value.producer() is None or any(value is other for other in taken):
        value = context.builder.op("Identity", value)
    value.name = name
    return value


def _probabilities(context: LayerContext, network: Any, interface: Interface, name: str) -> ir.Value:
    assert interface.class_labels is not None
    wanted = network.labelProbabilityLayerName
    blob = wanted
    if wanted not in context.values:
        # The field is named after a layer, yet files hold the name of its blob; without it the last layer counts.
        named = [layer for layer in network.layers if layer.name == wanted] if wanted else list(network.layers[-1:])
        if not named or not named[-1].output:
            raise InvalidModelError(
                f"no layer makes the class probabilities {wanted!r}", fix=did_you_mean(wanted, context.values)
            )
        blob = named[-1].output[0]
    value = context.values[blob]
    shape = known_shape(value)
    classes = len(interface.class_labels)
    if shape is not None and all(isinstance(size, int) for size in shape):
        count = math.prod(size for size in shape if isinstance(size, int))
        if count != classes:
            raise InvalidModelError(
                f"the model has {classes} class labels but its last layer gives {count} values (shape {shape})",
                where=f"output {name!r}",
            )
    value = context.builder.op("Reshape", value, context.builder.constant([classes]))
    return _named(context, value, name, [])


def _contradiction(name: str, described: tuple[int, ...], found: tuple[Any, ...]) -> InvalidModelError:
    return InvalidModelError(
        f"the model's description gives the output the shape {described} but its layers give {found}",
        where=f"output {name!r}",
    )


def _image_output(
    context: LayerContext, feature: ImageFeature, value: ir.Value, described: tuple[int, ...] | None
) -> ir.Value:
    shape = shape_of(value)
    channels_found = shape[-3] if len(shape) >= 3 else 1
    if channels_found != feature.channels:
        raise _contradiction(feature.name, (feature.channels, feature.height, feature.width), shape)
    if described is not None and not same_elements(shape, described):
        raise _contradiction(feature.name, described, shape)
    return context.builder.op("Reshape", value, context.builder.constant([feature.channels, *_tail(context, value)]))


def _tail(context: LayerContext, value: ir.Value) -> tuple[int, int]:
    return context.size(value, -2), context.size(value, -1)


def _array_output(context: LayerContext, network: Any, feature: ArrayFeature, value: ir.Value, check: bool) -> ir.Value:
    builder = context.builder
    shape = known_shape(value)
    target: tuple[Any, ...] | None = shape
    if feature.shape and check and 0 not in feature.shape:
        target = feature.shape
        if shape is not None:
            _check_described(context, feature, shape)
    elif context.rank5 and shape is not None:
        target = _rank5_shape(context, shape, len(feature.shape))
    elif shape is not None and _mapped_to_rank5(network):
        target = without_leading_ones(shape, len(feature.shape))
    if target is not None and target != shape:
        value = builder.op("Reshape", value, builder.constant([int(size) for size in target]))
    if feature.dtype.startswith("int"):
        value = builder.op("Cast", value, attributes={"to": ir.DataType.INT32})
    return value


def _check_described(context: LayerContext, feature: ArrayFeature, shape: tuple[Any, ...]) -> None:
    found = _with_sequence_and_batch(context, shape) if context.rank5 else shape
    if all(isinstance(size, int) for size in found) and not same_elements(found, feature.shape):
        raise _contradiction(feature.name, feature.shape, found)


def _with_sequence_and_batch(context: LayerContext, shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """[N, C, H, W] as [S, B, C, H, W]."""
    count, *rest = shape
    return (count // context.batch if isinstance(count, int) else count, context.batch, *rest)


def _rank5_shape(context: LayerContext, shape: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """The shape in which an [N, C, H, W] value is given out when the description does not fix it."""
    sequence_batch, *rest = shape
    if rank == 4:
        return shape
    if sequence_batch == 1 and rank == 1 and rest[1:] == [1, 1]:
        return (rest[0],)
    if sequence_batch == 1 and rank != 5:
        return tuple(rest)
    return _with_sequence_and_batch(context, shape)
