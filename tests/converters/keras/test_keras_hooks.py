"""Custom conversion functions on Keras layers, among them a grid sampler as spatial transformers have it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import check_model, node_counts, randomize, run_hub, sqnr

from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.keras import import_keras
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import ConversionHookError, UnsupportedLayersError
from mltoolkit.graph.builder import CUSTOM_DOMAIN


class GridSampler(keras.layers.Layer):
    """A picture (N, H, W, C) seen through affine maps (N, 6); on torch, not on Keras' operations."""

    def __init__(self, height: int, width: int, **options):
        super().__init__(**options)
        self.height = height
        self.width = width

    def call(self, inputs):
        import torch

        image, theta = inputs
        maps = torch.nn.functional.affine_grid(
            theta.reshape(-1, 2, 3), (len(theta), image.shape[-1], self.height, self.width), align_corners=True
        )
        sampled = torch.nn.functional.grid_sample(image.permute(0, 3, 1, 2), maps, align_corners=True)
        return sampled.permute(0, 2, 3, 1)

    def compute_output_shape(self, shapes):
        return (shapes[0][0], self.height, self.width, shapes[0][-1])

    def get_config(self):
        return super().get_config() | {"height": self.height, "width": self.width}


def spatial_transformer() -> keras.Model:
    image = keras.Input((12, 10, 3), name="image")
    theta = layers.Dense(6, name="theta")(layers.Flatten()(layers.Conv2D(2, 3, 2)(image)))
    seen = GridSampler(8, 7, name="sampler")([image, theta])
    model = keras.Model(image, layers.Conv2D(4, 3, name="features")(seen))
    randomize(model, np.random.default_rng(0))
    return model


def as_custom_layer(layer):
    assert layer.input_shapes == [(1, 3, 12, 10), (1, 6)]
    assert layer.output_shapes == [(1, 3, 8, 7)]
    return CustomLayerDescription(
        "GridSampler",
        "Samples a picture on an affine grid",
        {"output_height": layer.config["height"], "output_width": layer.config["width"]},
    )


def as_onnx_nodes(layer):
    builder, (image, theta) = layer.builder, layer.inputs
    maps = builder.op("Reshape", theta, builder.constant([-1, 2, 3]))
    size = builder.constant([1, 3, layer.config["height"], layer.config["width"]])
    grid = builder.op("AffineGrid", maps, size, attributes={"align_corners": 1})
    return builder.op("GridSample", image, grid, attributes={"align_corners": 1})


def test_a_custom_layer_is_described():
    source = import_keras(spatial_transformer(), hooks=HookSet({"GridSampler": as_custom_layer}))
    (node,) = [node for node in source.model.graph if node.domain == CUSTOM_DOMAIN]
    assert source.custom_layers[node.name].parameters == {"output_height": 8, "output_width": 7}
    assert [tuple(value.shape) for value in node.inputs] == [(1, 3, 12, 10), (1, 6)]
    # At the entry, for Flatten, and at the exit: the sampler works channels-first like its neighbours.
    assert node_counts(source)["Transpose"] == 3


def test_a_hook_may_build_nodes():
    model = spatial_transformer()
    # Sampling points are rounded where borders are crossed: 80 dB.
    check_model(model, hooks=HookSet({"GridSampler": as_onnx_nodes}), at_least=80)


def test_hooks_by_the_name_of_a_layer():
    calls = []

    def zero_bias(layer):
        calls.append((layer.name, layer.class_name, len(layer.weights), layer.config["filters"]))
        builder, kernel = layer.builder, np.moveaxis(layer.weights[0], (-1, -2), (0, 1))
        return builder.op("Conv", layer.inputs[0], builder.constant(np.ascontiguousarray(kernel)))

    hooks = HookSet({"features": zero_bias, "GridSampler": as_onnx_nodes})
    source = import_keras(spatial_transformer(), hooks=hooks)
    assert calls == [("features", "Conv2D", 2, 4)]
    model = spatial_transformer()
    model.get_layer("features").bias.assign(np.zeros(4))
    x = np.random.default_rng(1).standard_normal((1, 12, 10, 3)).astype(np.float32)
    wanted = keras.ops.convert_to_numpy(model(x, training=False))
    assert sqnr(wanted, run_hub(source, [x])[0]) >= 80


def test_every_unsupported_layer_is_reported_at_once():
    image = keras.Input((12, 10, 3))
    theta = layers.Dense(6)(layers.Flatten()(image))
    seen = GridSampler(8, 7, name="first")([image, theta])
    again = GridSampler(4, 4, name="second")([layers.Conv2D(3, 3)(seen), theta])
    lost = layers.Discretization(num_bins=4, name="third")
    model = keras.Model(image, [layers.Dense(2)(layers.Flatten()(again)), lost(theta)])
    with pytest.raises(UnsupportedLayersError) as caught:
        import_keras(model)
    assert [layer.name for layer in caught.value.layers] == ["first", "second", "third"]
    assert "def convert_grid_sampler(layer):" in str(caught.value)
    assert "there is no conversion for it" in caught.value.layers[0].reason


def raises(layer):
    raise KeyError("nothing here")


def test_hooks_that_fail():
    with pytest.raises(ConversionHookError, match="'raises' raised KeyError") as caught:
        import_keras(spatial_transformer(), hooks=HookSet({"GridSampler": raises}))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ConversionHookError, match="returned None"):
        import_keras(spatial_transformer(), hooks=HookSet({"GridSampler": lambda layer: None}))
    with pytest.raises(ConversionHookError, match="has the shape"):
        import_keras(spatial_transformer(), hooks=HookSet({"GridSampler": lambda layer: layer.inputs[0]}))


def test_a_hook_may_take_the_place_of_a_layer_that_is_known():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Activation("relu", name="bend")(x))
    hooks = HookSet({"Activation": lambda layer: layer.builder.op("Softplus", layer.inputs[0])})
    assert node_counts(import_keras(model, hooks=hooks)) == {"Softplus": 1}


def test_channels_first_models_are_given_as_they_are():
    x = keras.Input((3, 8, 8))
    y = layers.Conv2D(4, 3, data_format="channels_first")(x)
    model = keras.Model(x, layers.Activation("relu", name="bend")(y))
    seen = []

    def relu(layer):
        seen.append(layer.input_shapes[0])
        return layer.builder.op("Relu", layer.inputs[0])

    check_model(model, hooks=HookSet({"bend": relu}))
    assert seen == [(1, 4, 6, 6)]


def test_the_grid_sampler_needs_a_hook():
    from mltoolkit.custom_layers.grid_sampler.keras_layer import GridSampler as ShippedSampler

    image = keras.Input((12, 10, 1), name="image")
    theta = layers.Dense(6, name="theta")(layers.Flatten()(image))
    model = keras.Model(image, ShippedSampler(5, 6, padding_mode="border", name="sampler")([image, theta]))
    with pytest.raises(UnsupportedLayersError) as caught:
        import_keras(model, hooks=HookSet({}))
    assert [(layer.name, layer.class_name) for layer in caught.value.layers] == [("sampler", "GridSampler")]
    assert "AffineGrid and GridSample" in str(caught.value)
    # The hook of the message is complete.
    namespace: dict[str, dict] = {}
    source_text = caught.value.fix.split("\n\n", 1)[1].split("\nA custom layer needs", 1)[0]
    exec(source_text, namespace)
    source = import_keras(model, hooks=HookSet(namespace["custom_conversion_functions"]))
    (description,) = source.custom_layers.values()
    assert description.parameters == {
        "output_height": 5,
        "output_width": 6,
        "align_corners": True,
        "padding_mode": "border",
        "convention": "",
    }


def test_a_hook_for_a_layer_inside_of_a_layer():
    x = keras.Input((3, 8, 8, 2))
    inner = layers.Conv2D(4, 3, name="inner")
    model = keras.Model(x, layers.TimeDistributed(inner)(x))
    hooks = HookSet({"inner": lambda layer: CustomLayerDescription("MyConvolution", weights=layer.weights)})
    source = import_keras(model, hooks=hooks)
    (node,) = [node for node in source.model.graph if node.domain == CUSTOM_DOMAIN]
    assert [tuple(value.shape) for value in (*node.inputs, *node.outputs)] == [(3, 2, 8, 8), (3, 4, 6, 6)]
