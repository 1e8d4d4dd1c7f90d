from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts

from mltoolkit.converters.keras import import_keras
from mltoolkit.errors import UnsupportedLayersError

KINDS = ["LSTM", "GRU", "SimpleRNN"]
# Errors of one step go into the next: some bits are lost over a sequence.
RECURRENT = 95.0


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_sequences(kind, return_sequences, go_backwards):
    layer = getattr(layers, kind)(4, return_sequences=return_sequences, go_backwards=go_backwards)
    counts = node_counts(check_layer(layer, (6, 3), at_least=RECURRENT))
    assert sum(counts[name] for name in ("LSTM", "GRU", "RNN")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"use_bias": False},
        {"activation": "relu"},
        {"activation": "linear"},
        {"activation": "softsign"},
        {"activation": "gelu"},
        {"unroll": True},
        {"dropout": 0.5, "recurrent_dropout": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_options(kind, options):
    check_layer(getattr(layers, kind)(4, **options), (6, 3), at_least=RECURRENT)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gates(kind):
    check_layer(getattr(layers, kind)(4, recurrent_activation="hard_sigmoid"), (6, 3), at_least=RECURRENT)
    check_layer(getattr(layers, kind)(4, recurrent_activation="relu", activation="sigmoid"), (6, 3), at_least=RECURRENT)


def test_gru_that_resets_before():
    check_layer(layers.GRU(4, reset_after=False, return_sequences=True), (6, 3), at_least=RECURRENT)
    check_layer(layers.GRU(4, reset_after=False, use_bias=False), (6, 3), at_least=RECURRENT)


@pytest.mark.parametrize("kind", KINDS)
def test_states_go_in_and_out(kind):
    x, h, c = keras.Input((6, 3)), keras.Input((4,)), keras.Input((4,))
    states = [h, c] if kind == "LSTM" else [h]
    outputs = getattr(layers, kind)(4, return_sequences=True, return_state=True)(x, initial_state=states)
    check_model(keras.Model([x, *states], outputs), at_least=RECURRENT)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul", None])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_bidirectional(return_sequences, merge_mode):
    layer = layers.Bidirectional(layers.LSTM(4, return_sequences=return_sequences), merge_mode=merge_mode)
    check_layer(layer, (6, 3), at_least=RECURRENT)


def test_bidirectional_with_states_and_another_backward_layer():
    x = keras.Input((6, 3))
    outputs = layers.Bidirectional(
        layers.GRU(4, return_state=True, return_sequences=True),
        backward_layer=layers.GRU(4, go_backwards=True, return_state=True, return_sequences=True, activation="relu"),
    )(x)
    check_model(keras.Model(x, outputs), at_least=RECURRENT)


def test_stacked_cells():
    cells = [layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(5)]
    check_layer(layers.RNN(cells, return_sequences=True), (5, 3), at_least=RECURRENT)
    check_layer(layers.RNN(layers.LSTMCell(4)), (5, 3), at_least=RECURRENT)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_convolutional_lstm(return_sequences):
    options = {"return_sequences": return_sequences, "padding": "same"}
    check_layer(layers.ConvLSTM1D(2, 3, **options), (3, 6, 2), at_least=RECURRENT)
    check_layer(layers.ConvLSTM2D(2, 3, **options), (3, 5, 6, 2), at_least=RECURRENT)


@pytest.mark.parametrize("layer", [layers.Dense(4), layers.Conv2D(2, 3), layers.BatchNormalization()])
def test_time_distributed(layer):
    check_layer(layers.TimeDistributed(layer), (3, 6, 7, 2))


def sentences(*rows):
    return [np.array(rows, np.int32)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{}, {"return_sequences": True}, {"go_backwards": True, "return_sequences": True}], ids=str
)
def test_masks_of_embeddings(kind, options):
    x = keras.Input((5,), dtype="int32")
    y = getattr(layers, kind)(4, **options)(layers.Embedding(9, 3, mask_zero=True)(x))
    for words in ([3, 1, 0, 0, 0], [0, 4, 0, 8, 0], [1, 2, 3, 4, 5]):
        check_model(keras.Model(x, y), inputs=sentences(words), at_least=RECURRENT)


def test_masks_of_masking_and_bidirectional():
    x = keras.Input((4, 3))
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True))(layers.Masking(0.5)(x))
    steps = np.random.default_rng(0).standard_normal((1, 4, 3)).astype(np.float32)
    steps[:, [0, 3]] = 0.5
    check_model(keras.Model(x, layers.GlobalAveragePooling1D()(y)), inputs=[steps], at_least=RECURRENT)


def test_a_mask_that_would_change_numbers_is_refused():
    x = keras.Input((4,), dtype="int32")
    y = layers.Softmax(axis=1)(layers.Embedding(9, 3, mask_zero=True)(x))
    with pytest.raises(UnsupportedLayersError, match="carries a mask"):
        import_keras(keras.Model(x, y))


def test_stateful_layers_are_refused():
    x = keras.Input(batch_shape=(1, 4, 3))
    with pytest.raises(UnsupportedLayersError, match="keeps its state between predictions"):
        import_keras(keras.Model(x, layers.LSTM(4, stateful=True)(x)))


def test_text_classifier():
    x = keras.Input((12,), dtype="int32")
    y = layers.Embedding(50, 8)(x)
    y = layers.Conv1D(6, 3, activation="relu")(y)
    y = layers.Bidirectional(layers.LSTM(5))(layers.MaxPooling1D(2)(y))
    check_model(keras.Model(x, layers.Dense(2, activation="softmax")(y)), at_least=RECURRENT)
