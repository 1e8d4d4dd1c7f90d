"""Keras models as Core ML files of both formats, read back and run here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import example_inputs, randomize, run_keras, sqnr

import mltoolkit as mlt
from mltoolkit.converters.keras import import_keras
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.model import Model

FORMATS = ("mlpackage", "mlmodel")
# What the issue asks for; measured are 100 dB and more.
AT_LEAST = 60.0


def through_file(source, format_name, folder):
    """The operations of the written model, and the model read back."""
    written = write_core_ml(source, CoreMLTarget(format=format_name, precision="float32"))
    path = folder / f"model.{format_name}"
    Model(written.spec, weights_dir=written.weights_dir).save(path)
    return written.operations, mlt.load(path)


def check(model, folder, format_name, **options):
    arrays = example_inputs(model, np.random.default_rng(0))
    source = import_keras(model, **options)
    operations, converted = through_file(source, format_name, folder)
    feeds = {value.name: array for value, array in zip(source.model.graph.inputs, arrays, strict=True)}
    outputs = converted.predict(feeds)
    for value, wanted in zip(source.model.graph.outputs, run_keras(model, arrays), strict=True):
        ratio = sqnr(wanted, np.asarray(outputs[value.name]).reshape(wanted.shape))
        assert ratio >= AT_LEAST, f"{value.name}: {ratio:.1f} dB"
    return operations


@pytest.mark.parametrize("format_name", FORMATS)
def test_mobilenet_keeps_at_most_four_transposes(tmp_path, format_name):
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )
    operations = check(model, tmp_path, format_name)
    assert operations.get("transpose", 0) <= 4


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", ["fer2013_mini_XCEPTION.119-0.65.hdf5", "gender_mini_XCEPTION.21-0.95.hdf5"])
def test_published_files_of_keras_2(shared_data, tmp_path, name, format_name):
    model = keras.models.load_model(shared_data / "keras" / name, compile=False)
    check(model, tmp_path, format_name)


def text_model() -> keras.Model:
    x = keras.Input((9,), dtype="int32", name="words")
    y = layers.Embedding(20, 6)(x)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(y)
    y = layers.GRU(5)(layers.Conv1D(6, 3, activation="gelu")(y))
    return keras.Model(x, layers.Dense(3, activation="softmax", name="class")(y))


def attention_model() -> keras.Model:
    x = keras.Input((12, 12, 3), name="image")
    y = layers.Reshape((9, 8))(layers.Conv2D(8, 4, 4)(x))
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True))
    return keras.Model(x, layers.Dense(3, name="class")(layers.GlobalAveragePooling1D()(y)))


def decoder_model() -> keras.Model:
    x = keras.Input((6, 5, 4), name="codes")
    y = layers.Conv2DTranspose(6, 3, 2, "same", activation="leaky_relu")(x)
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.GroupNormalization(2)(y))
    return keras.Model(x, layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="picture")(y))


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("build", [text_model, attention_model, decoder_model])
def test_models_of_other_kinds(tmp_path, build, format_name):
    model = build()
    randomize(model, np.random.default_rng(1))
    check(model, tmp_path, format_name)
