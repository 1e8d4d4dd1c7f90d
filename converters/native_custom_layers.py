"""The custom layers that mltoolkit brings, built of ONNX operators: for formats that have no custom layers.

Each is a conversion function (:data:`~mltoolkit.converters.hooks.Hook`) that gives None where the layer's parameters
have no such form; it then stays a custom layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.hooks import HookedLayer
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.registry import CustomLayerSet
from mltoolkit.custom_layers.shipped import shipped_layer
from mltoolkit.graph.builder import CUSTOM_DOMAIN, GraphBuilder, known_shape

NativeForm = Callable[[HookedLayer], "ir.Value | None"]


def native_form(class_name: str, classes: CustomLayerSet) -> NativeForm | None:
    """The function that builds a custom layer of ONNX operators.

    None where there is none, or where a class of the caller's own stands under the name, which may mean another layer.
    """
    if class_name not in _FORMS or classes.known([class_name]).get(class_name) is not shipped_layer(class_name):
        return None
    return _FORMS[class_name]


def with_native_operations(source: SourceModel, classes: CustomLayerSet) -> SourceModel:
    """A model whose custom nodes are built of operators as far as these can; the given one stays as it is."""
    forms = {name: native_form(item.class_name, classes) for name, item in source.custom_layers.items()}
    if not any(forms.values()):
        return source
    model, left = source.model.clone(), dict(source.custom_layers)
    names = [value.name for node in model.graph for value in node.outputs] + list(model.graph.initializers)
    for node in list(model.graph):
        form = forms.get(node.name or "") if node.domain == CUSTOM_DOMAIN else None
        if form is None:
            continue
        builder = GraphBuilder("native")
        builder.reserve(name for name in names if name)
        with builder.scope(node.name or ""):
            result = form(_described(node, left[node.name or ""], builder))
        if result is None:
            continue
        (output,) = node.outputs
        builder.splice(model.graph, node)
        ir.convenience.replace_all_uses_with(output, result, replace_graph_outputs=True)
        result.name, output.name = output.name, None
        model.graph.remove(node, safe=True)
        names += [value.name for value in model.graph.initializers.values()]
        del left[node.name or ""]
    return replace(source, model=model, custom_layers=left)


def _described(node: ir.Node, description: CustomLayerDescription, builder: GraphBuilder) -> HookedLayer:
    inputs = [value for value in node.inputs if value is not None]
    return HookedLayer(
        name=node.name or "",
        class_name=description.class_name,
        domain="",
        config=description.parameters,
        weights=description.weights,
        input_shapes=[known_shape(value) for value in inputs],
        output_shapes=[known_shape(value) for value in node.outputs],
        source=node,
        inputs=inputs,
        builder=builder,
    )


def _swish(layer: HookedLayer) -> ir.Value | None:
    """x · σ(βx)."""
    (x,), builder = layer.inputs, layer.builder
    learned = float(layer.weights[0].reshape(-1)[0]) if layer.weights else 1.0
    beta = float(layer.config.get("beta", learned))
    inner = x if beta == 1 else builder.op("Mul", x, builder.constant(beta))
    return builder.op("Mul", x, builder.op("Sigmoid", inner))


def _pixel_shuffle(layer: HookedLayer) -> ir.Value | None:
    """DepthToSpace of [N, C, H, W]."""
    shape = layer.input_shapes[0]
    if shape is None or len(shape) != 4:
        return None
    attributes = {"blocksize": int(layer.config["upscale_factor"]), "mode": "CRD"}
    return layer.builder.op("DepthToSpace", layer.inputs[0], attributes=attributes)


def _as_shaped(value: ir.Value, layer: HookedLayer) -> ir.Value:
    """A value of the input's type and shape, which ONNX does not infer for operators that are functions."""
    value.type, value.shape = layer.inputs[0].type, layer.inputs[0].shape
    return value


def _mish(layer: HookedLayer) -> ir.Value | None:
    """x · tanh(softplus(x))."""
    return _as_shaped(layer.builder.op("Mish", layer.inputs[0]), layer)


def _dropout(layer: HookedLayer) -> ir.Value | None:
    """Nothing, when a model predicts."""
    return layer.builder.op("Identity", layer.inputs[0])


def _group_norm(layer: HookedLayer) -> ir.Value | None:
    """GroupNormalization, of [N, C, H, W]."""
    shape = layer.input_shapes[0]
    if shape is None or len(shape) != 4 or not isinstance(shape[1], int):
        return None
    groups, channels, builder = int(layer.config["num_groups"]), shape[1], layer.builder
    if channels % groups or any(weight.size != channels for weight in layer.weights):
        return None
    factors = list(layer.weights) or [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
    scale, shift = (builder.constant(np.asarray(weight, np.float32).reshape(-1)) for weight in factors)
    epsilon = float(layer.config.get("epsilon", 1e-5))
    attributes = {"num_groups": groups, "epsilon": epsilon}
    return _as_shaped(builder.op("GroupNormalization", layer.inputs[0], scale, shift, attributes=attributes), layer)


def _reshape(layer: HookedLayer) -> ir.Value | None:
    """Splits axis ``src_dim`` of [N, C, H, W] in two and moves one part into another axis."""
    shape = layer.input_shapes[0]
    if shape is None or len(shape) != 4 or not all(isinstance(size, int) for size in shape):
        return None
    sizes = [size for size in shape if isinstance(size, int)]
    source, high, low = (int(layer.config[name]) for name in ("src_dim", "high", "low"))
    parts = [int(layer.config["part_a"]), int(layer.config["part_b"])]
    if -1 in parts:
        known = -parts[0] * parts[1]
        parts[parts.index(-1)] = sizes[source] // known if known > 0 else 0
    if parts[0] * parts[1] != sizes[source]:
        return None
    moved, target = (source, high) if high != source else (source + 1, low)
    split = [*sizes[:source], *parts, *sizes[source + 1 :]]
    order = [axis for axis in range(len(split)) if axis != moved]
    order.insert(target, moved)
    result = [split[axis] for axis in order]
    result[target : target + 2] = [result[target] * result[target + 1]]
    builder = layer.builder
    value = builder.op("Reshape", layer.inputs[0], builder.constant(split))
    value = builder.op("Transpose", value, attributes={"perm": order})
    return builder.op("Reshape", value, builder.constant(result))


def _grid_sample(layer: HookedLayer) -> ir.Value | None:
    """GridSample of a picture [N, C, H, W] at a grid [N, 2, h, w]."""
    if any(shape is None or len(shape) != 4 for shape in layer.input_shapes):
        return None
    image, grid = layer.inputs
    points = layer.builder.op("Transpose", grid, attributes={"perm": [0, 2, 3, 1]})
    return layer.builder.op("GridSample", image, points, attributes=_sampling(layer))


def _grid_sampler(layer: HookedLayer) -> ir.Value | None:
    """AffineGrid and GridSample of a picture [N, C, H, W] and maps of 6 numbers each."""
    shape = layer.input_shapes[0]
    height, width = int(layer.config["output_height"]), int(layer.config["output_width"])
    fixed = shape is not None and len(shape) == 4 and all(isinstance(size, int) for size in shape)
    # The programs that run AffineGrid do not agree on an axis of one element.
    if not fixed or shape is None or layer.config.get("convention", "") or min(height, width) < 2:
        return None
    builder, (image, theta) = layer.builder, layer.inputs
    batch, channels = (size for size in shape[:2] if isinstance(size, int))
    maps = builder.op("Reshape", theta, builder.constant([batch, 2, 3]))
    size = builder.constant([batch, channels, height, width])
    aligned = {"align_corners": _sampling(layer)["align_corners"]}
    grid = builder.op("AffineGrid", maps, size, attributes=aligned)
    return builder.op("GridSample", image, grid, attributes=_sampling(layer))


def _sampling(layer: HookedLayer) -> dict[str, int | str]:
    return {
        "mode": "linear",
        "padding_mode": str(layer.config.get("padding_mode", "zeros")),
        "align_corners": int(bool(layer.config.get("align_corners", True))),
    }


_FORMS: dict[str, NativeForm] = {
    "GridSampleLayer": _grid_sample,
    "GridSampler": _grid_sampler,
    "GroupNorm": _group_norm,
    "Mish": _mish,
    "PixelShuffle": _pixel_shuffle,
    "Swish": _swish,
    "dropout": _dropout,
    "groupnorm": _group_norm,
    "reshape": _reshape,
}
