from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import check_layer, check_model


@pytest.mark.parametrize(
    ("equation", "shape", "output", "bias"),
    [
        ("abc,cd->abd", (4, 6), (None, 5), "d"),
        ("abc,cde->abde", (4, 6), (None, 2, 3), "de"),
        ("ab,bc->ac", (6,), 5, None),
    ],
)
def test_einsum_dense(equation, shape, output, bias):
    check_layer(layers.EinsumDense(equation, output, bias_axes=bias, activation="relu"), shape)


@pytest.mark.parametrize("options", [{}, {"use_scale": True}, {"score_mode": "concat"}], ids=str)
def test_attention(options):
    check_layer(layers.Attention(**options), (4, 6), (5, 6))
    check_layer(layers.Attention(**options), (4, 6), (5, 6), (5, 6))


@pytest.mark.parametrize("use_scale", [True, False])
def test_additive_attention(use_scale):
    check_layer(layers.AdditiveAttention(use_scale=use_scale), (4, 6), (5, 6))


def test_attention_options_of_the_call():
    q, v = keras.Input((4, 6)), keras.Input((5, 6))
    check_model(keras.Model([q, v], layers.Attention()([q, v], use_causal_mask=True)))
    check_model(keras.Model([q, v], layers.Attention()([q, v], return_attention_scores=True)))


@pytest.mark.parametrize(
    "options", [{}, {"value_dim": 3}, {"use_bias": False}, {"dropout": 0.3}, {"output_shape": 7}], ids=str
)
def test_multi_head_attention(options):
    q, v = keras.Input((4, 6)), keras.Input((5, 6))
    layer = layers.MultiHeadAttention(2, 4, **options)
    check_model(keras.Model([q, v], layer(q, v)))
    check_model(keras.Model(q, layer(q, q, use_causal_mask=True)))


def test_scores_and_masks_of_multi_head_attention():
    q, m = keras.Input((4, 6)), keras.Input((4, 4), dtype="bool")
    layer = layers.MultiHeadAttention(2, 4)
    check_model(keras.Model(q, layer(q, q, return_attention_scores=True)))
    mask = np.tril(np.ones((1, 4, 4), bool))
    x = np.random.default_rng(0).standard_normal((1, 4, 6)).astype(np.float32)
    check_model(keras.Model([q, m], layer(q, q, attention_mask=m)), inputs=[x, mask])


def test_attention_over_two_axes():
    x = keras.Input((3, 4, 6))
    check_model(keras.Model(x, layers.MultiHeadAttention(2, 4, attention_axes=(1, 2))(x, x)))


@pytest.mark.parametrize("causal", [False, True])
def test_group_query_attention(causal):
    q = keras.Input((4, 12))
    check_model(keras.Model(q, layers.GroupQueryAttention(3, 4, 2)(q, q, use_causal_mask=causal)))


def test_a_transformer_block():
    x = keras.Input((7,), dtype="int32")
    y = layers.Embedding(30, 8)(x)
    z = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, y))
    z = layers.LayerNormalization()(z + layers.Dense(8)(layers.Dense(16, activation="gelu")(z)))
    check_model(keras.Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(z))))


def test_a_vision_transformer():
    x = keras.Input((16, 16, 3))
    y = layers.Reshape((16, 12))(layers.Conv2D(12, 4, 4)(x))
    y = y + layers.MultiHeadAttention(3, 4)(y, y)
    check_model(keras.Model(x, layers.Dense(5)(layers.Flatten()(y))))
