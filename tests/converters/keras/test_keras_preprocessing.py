"""Categories and sounds; pictures are in test_keras_resizing and test_keras_normalization."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import check_layer, check_model

from mltoolkit.converters.keras import import_keras
from mltoolkit.errors import UnsupportedLayersError


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_category_encoding(mode):
    check_layer(layers.CategoryEncoding(6, output_mode=mode), (4,), dtype="int32")


def test_category_encoding_of_single_numbers_and_with_weights():
    check_layer(layers.CategoryEncoding(6, output_mode="one_hot"), (1,), dtype="int32")
    x, w = keras.Input((4,), dtype="int32"), keras.Input((4,))
    check_model(keras.Model([x, w], layers.CategoryEncoding(6, output_mode="count")(x, count_weights=w)))


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization(mode):
    check_layer(layers.Discretization([-1.0, -0.2, 0.0, 0.7], output_mode=mode), (5,))


def test_discretization_before_adapt_is_refused():
    x = keras.Input((3,))
    with pytest.raises(UnsupportedLayersError, match="has no boundaries yet"):
        import_keras(keras.Model(x, layers.Discretization(num_bins=4)(x)))


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "real", "imag", "stft"])
def test_stft_spectrogram(mode):
    # Sums of hundreds of products that cancel, and logarithms of them.
    layer = layers.STFTSpectrogram(mode=mode, frame_length=32, frame_step=8, fft_length=64)
    check_layer(layer, (200, 2), at_least=85)


@pytest.mark.parametrize("options", [{}, {"power_to_db": False}, {"mag_exp": 1.0, "window": "hamming"}], ids=str)
def test_mel_spectrogram(options):
    layer = layers.MelSpectrogram(
        num_mel_bins=12, sampling_rate=8000, sequence_stride=32, sequence_length=96, fft_length=128, **options
    )
    check_layer(layer, (700,), at_least=85)


def test_pipelines_are_followed():
    check_layer(layers.Pipeline([layers.Rescaling(1 / 255), layers.RandomFlip(), layers.CenterCrop(6, 5)]), (8, 9, 3))


def test_strings_are_refused_with_an_alternative():
    x = keras.Input((2,), dtype="int32")
    model = keras.Model(x, layers.IntegerLookup(vocabulary=np.array([3, 5]))(x)) if _has_tensorflow() else None
    if model is None:
        pytest.skip("lookups need TensorFlow even to be built")
    with pytest.raises(UnsupportedLayersError, match="looks numbers up in a table"):
        import_keras(model)


def _has_tensorflow() -> bool:
    from importlib.util import find_spec

    return find_spec("tensorflow") is not None
