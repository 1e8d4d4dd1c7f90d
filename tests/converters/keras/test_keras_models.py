"""Models of every kind: functional, sequential, nested, with shared layers, subclassed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_check import check_model, example_inputs, node_counts, randomize

from mltoolkit.converters.keras import import_keras
from mltoolkit.errors import ArgumentError, UnsupportedLayersError, UnsupportedModelError


def names(values):
    return [value.name for value in values]


def shapes(values):
    return [tuple(value.shape) for value in values]


def small_network(name: str = "network") -> keras.Model:
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(4, 3)], name=name
    )


def test_the_interface_is_that_of_keras():
    left, right = keras.Input((5, 6, 3), name="left"), keras.Input((4,), dtype="int32", name="right")
    first = layers.Conv2D(2, 1, name="map")(left)
    second = layers.Flatten(name="numbers")(layers.Embedding(9, 2)(right))
    source = check_model(keras.Model([left, right], [first, second]))
    graph = source.model.graph
    assert names(graph.inputs) == ["left", "right"]
    assert shapes(graph.inputs) == [(1, 5, 6, 3), (1, 4)]
    assert names(graph.outputs) == ["map", "numbers"]
    assert shapes(graph.outputs) == [(1, 5, 6, 2), (1, 8)]
    assert source.origin == "Keras"


def test_dictionaries_of_inputs_and_outputs():
    inputs = {"b": keras.Input((3,), name="b"), "a": keras.Input((4,), name="a")}
    outputs = {"sum": layers.Dense(2)(inputs["a"]) + layers.Dense(2)(inputs["b"]), "copy": layers.Dense(1)(inputs["b"])}
    model = keras.Model(inputs, outputs)
    randomize(model, np.random.default_rng(0))
    source = import_keras(model)
    assert set(names(source.model.graph.inputs)) == {"a", "b"}
    assert set(names(source.model.graph.outputs)) == {"sum", "copy"}


def test_an_output_that_is_an_input_or_another_output():
    x = keras.Input((3,), name="x")
    y = layers.Dense(2, name="y")(x)
    source = check_model(keras.Model(x, [y, x, y]))
    assert names(source.model.graph.outputs) == ["y", "x_output", "y_2"]


@pytest.mark.parametrize(("batch_size", "wanted"), [(1, 1), (4, 4), (None, "batch")])
def test_batches(batch_size, wanted):
    model = small_network()
    arrays = [np.random.default_rng(0).standard_normal((batch_size or 3, 8, 8, 3)).astype(np.float32)]
    source = check_model(model, inputs=arrays, batch_size=batch_size)
    assert str(source.model.graph.inputs[0].shape[0]) == str(wanted)


def transformer_block() -> keras.Model:
    x = keras.Input((7,), dtype="int32")
    y = layers.Embedding(30, 8)(x)
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True))
    return keras.Model(x, layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e")(y))


def video_model() -> keras.Model:
    x = keras.Input((3, 8, 8, 2))
    y = layers.TimeDistributed(layers.Conv2D(4, 3))(x)
    y = layers.TimeDistributed(layers.GlobalAveragePooling2D())(y)
    return keras.Model(x, layers.Dense(3)(layers.Bidirectional(layers.LSTM(4))(layers.UpSampling1D(2)(y))))


def squeezing_model() -> keras.Model:
    x = keras.Input((8, 8, 6))
    y = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x))
    y = layers.Multiply()([x, layers.Conv2D(6, 1, activation="sigmoid")(y)])
    return keras.Model(x, layers.Dense(3)(layers.Flatten()(layers.GroupNormalization(2)(y))))


@pytest.mark.parametrize("build", [transformer_block, video_model, squeezing_model])
def test_any_batch(build):
    model = build()
    arrays = example_inputs(model, np.random.default_rng(0), batch=3)
    source = check_model(model, inputs=arrays, batch_size=None, at_least=95)
    assert str(source.model.graph.inputs[0].shape[0]) == "batch"
    assert node_counts(source)["Einsum"] == 0


def test_open_sizes_can_be_given():
    x = keras.Input((None, None, 3), name="photo")
    model = keras.Model(x, layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(2, 3)(x)))
    with pytest.raises(UnsupportedLayersError, match="only known when the model runs"):
        import_keras(model)
    arrays = [np.random.default_rng(0).standard_normal((1, 9, 7, 3)).astype(np.float32)]
    check_model(model, inputs=arrays, input_shapes=(None, 9, 7, 3))
    check_model(model, inputs=arrays, input_shapes={"photo": (1, 9, 7, 3)})
    with pytest.raises(ArgumentError, match="does not fit the input 'photo'"):
        import_keras(model, input_shapes=(1, 9, 7, 4))
    with pytest.raises(ArgumentError, match="Did you mean 'photo'"):
        import_keras(model, input_shapes={"foto": (1, 9, 7, 3)})


def test_nested_models():
    x = keras.Input((10, 10, 3))
    inner = small_network("backbone")
    y = inner(layers.Cropping2D(1)(x))
    source = check_model(keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y))))
    assert node_counts(source)["Transpose"] == 1
    inside = [layer.name for layer in source.layers if layer.name.startswith("backbone/")]
    assert len(inside) == 2
    two_inputs = keras.Model([a := keras.Input((4,), name="a"), b := keras.Input((4,), name="b")], a - b)
    p, q = keras.Input((4,)), keras.Input((4,))
    check_model(keras.Model([p, q], two_inputs({"b": p, "a": q})))
    check_model(keras.Model([p, q], two_inputs([p, q])))


def test_shared_layers_share_their_weights():
    x, y = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, name="shared")
    source = check_model(keras.Model([x, y], layers.Subtract()([shared(x), shared(y)])))
    assert [layer.name for layer in source.layers][:2] == ["shared", "shared_call2"]
    kernels = [tensor for tensor in source.model.graph.initializers.values() if tuple(tensor.shape) == (4, 3, 3, 3)]
    assert len(kernels) == 1


def test_sequential_models():
    check_model(small_network())
    unbuilt = keras.Sequential([layers.Dense(4), layers.Dense(2)])
    with pytest.raises(ArgumentError, match="does not know its input's shape"):
        import_keras(unbuilt)
    assert shapes(import_keras(unbuilt, input_shapes=(1, 7)).model.graph.inputs) == [(1, 7)]


class Residual(keras.layers.Layer):
    """Made of Keras layers and operations."""

    def __init__(self, width: int, **options):
        super().__init__(**options)
        self.first = layers.Conv2D(width, 3, padding="same", activation="relu")
        self.dropout = layers.Dropout(0.5)
        self.second = layers.Conv2D(width, 3, padding="same")

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], self.first.filters))
        self.scale = self.add_weight(shape=(1,), name="scale")
        self.built = True

    def call(self, x, training=None):
        y = self.second(self.dropout(self.first(x), training=training))
        return ops.relu(x + y * self.scale)


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(4, 3)
        self.block = Residual(4)
        self.head = layers.Dense(3)

    def call(self, x, training=None):
        y = self.block(self.stem(x), training=training)
        return self.head(ops.mean(y, axis=(1, 2)))


def test_layers_made_of_layers_are_followed():
    x = keras.Input((8, 8, 3))
    source = check_model(keras.Model(x, Residual(4)(layers.Conv2D(4, 3)(x))))
    assert node_counts(source)["Transpose"] == 2


def test_subclassed_models_are_followed():
    model = Classifier()
    with pytest.raises(ArgumentError, match="Give input_shapes"):
        import_keras(model)
    arrays = [np.random.default_rng(0).standard_normal((1, 8, 8, 3)).astype(np.float32)]
    model(arrays[0])
    source = check_model(model, inputs=arrays, input_shapes=(1, 8, 8, 3))
    assert node_counts(source)["Transpose"] == 1


class Foreign(keras.Model):
    def call(self, x):
        import torch

        return torch.nn.functional.relu(x)


def test_subclassed_models_of_other_frameworks_are_refused():
    with pytest.raises(UnsupportedModelError, match="its call cannot be followed"):
        import_keras(Foreign(), input_shapes=(1, 4))


class WideDense(layers.Dense):
    """Only another constructor."""

    def __init__(self, **options):
        super().__init__(8, **options)


class SquaredDense(layers.Dense):
    """Computes something else than Dense."""

    def call(self, x):
        return ops.square(super().call(x))


def test_derived_layers():
    x = keras.Input((5,))
    check_model(keras.Model(x, WideDense()(x)))
    check_model(keras.Model(x, SquaredDense(4)(x)))


def test_lambda_layers_of_a_model_in_memory_are_followed():
    x = keras.Input((5,))
    check_model(keras.Model(x, layers.Lambda(lambda y: ops.tanh(y) * 2)(x)))


def test_this_is_no_model():
    with pytest.raises(ArgumentError, match="is not a Keras model"):
        import_keras(3)


def test_quantized_layers_are_refused():
    x = keras.Input((5,))
    model = keras.Model(x, layers.Dense(4)(x))
    model.quantize("int8")
    with pytest.raises(UnsupportedLayersError, match="quantized"):
        import_keras(model)


def test_mixed_precision_is_float32():
    x = keras.Input((5,))
    model = keras.Model(x, layers.Dense(4, dtype="mixed_float16")(x))
    source = import_keras(model)
    assert all(str(value.dtype) == "FLOAT" for value in source.model.graph.outputs)


def test_strings_are_refused():
    x = keras.Input((1,), dtype="string")
    with pytest.raises(UnsupportedModelError, match="no tensors of string"):
        import_keras(keras.Model(x, layers.Identity()(x)))


def test_all_layers_are_recorded_with_existing_values():
    source = check_model(small_network())
    values = {value.name for node in source.model.graph for value in node.outputs}
    values |= {value.name for value in source.model.graph.inputs}
    blobs = [blob for layer in source.layers for blob in layer.outputs]
    assert len(blobs) == 2 and all(blob.value in values for blob in blobs)
