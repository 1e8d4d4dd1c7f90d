"""A layer that a custom conversion function converts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltoolkit.converters.hooks import Hook, HookedLayer
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.converters.keras.tracing import symbolic_shapes
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.graph.builder import Dimension, shape_of

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext

_FEATURE_MAP_RANK = 4
# What every layer of Keras has in its configuration, beside its parameters.
_OF_EVERY_LAYER = ("name", "trainable", "dtype")


def apply_hook(context: LayerContext, hook: Hook) -> list[Tensor]:
    """Call a hook and put what it returns into the graph.

    Tensors of rank 4 are taken for feature maps: the hook and the custom layer get them as (N, C, H, W), and give
    them so. Other ranks are as Keras has them. A model made of layers with data_format="channels_first" is given
    as it is.
    """
    walk = context.walk
    values = [
        walk.layouts.channels_first(tensor) if _is_feature_map(context, tensor.rank) else walk.layouts.logical(tensor)
        for tensor in context.inputs
    ]
    if not context.output_shapes:  # a layer inside of a layer
        context.output_shapes = tuple(symbolic_shapes(context, walk.keras))
    output_shapes = [_channels_first_shape(context, shape) for shape in context.output_shapes]
    layer = HookedLayer(
        name=context.name,
        class_name=context.class_name,
        domain="",
        config=_config(context.source),
        weights=[walk.to_numpy(weight) for weight in getattr(context.source, "weights", ())],
        input_shapes=[shape_of(value) for value in values],
        output_shapes=output_shapes,
        source=context.source,
        inputs=values,
        builder=walk.builder,
    )
    result = walk.hooks.apply(hook, layer)
    if isinstance(result, CustomLayerDescription):
        node, results = walk.builder.custom_op(result.class_name, values, [("", shape) for shape in output_shapes])
        walk.custom_layers[node.name or ""] = result
    else:
        results = result
    return [Tensor(value, _is_feature_map(context, len(shape_of(value)))) for value in results]


def _is_feature_map(context: LayerContext, rank: int) -> bool:
    return rank == _FEATURE_MAP_RANK and context.walk.channels_last


def _channels_first_shape(context: LayerContext, shape: tuple[int | None, ...]) -> tuple[Dimension, ...]:
    """Keras' shape of an output; its batch is that of the inputs where Keras leaves it open."""
    batch = context.inputs[0].shape[0] if context.inputs else 1
    sizes = (batch if shape[0] is None else shape[0], *shape[1:])
    return (sizes[0], sizes[3], sizes[1], sizes[2]) if _is_feature_map(context, len(sizes)) else sizes


def _config(source: Any) -> dict[str, Any]:
    """The layer's configuration; attributes of its own where a class was written without ``get_config``."""
    try:
        return {key: value for key, value in source.get_config().items() if key not in _OF_EVERY_LAYER}
    except (AttributeError, NotImplementedError, TypeError):
        plain = (bool, int, float, str)
        return {
            key: value for key, value in vars(source).items() if not key.startswith("_") and isinstance(value, plain)
        }
