"""The spatial transformer network (Jaderberg et al., 2015) for cluttered digits, as a Keras 3 model."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
from cluttered_digits import SIZE
from keras import layers

from mltoolkit.custom_layers.grid_sampler.keras_layer import GridSampler

LOOK = 24  # the transformer's output, and the classifier's input, in pixels


def spatial_transformer() -> Any:
    """Looks where the digit is, then reads it.

    Input ``picture`` float32 (n, 40, 40, 1) in 0..1, output ``probabilities`` (n, 10).
    """
    picture = keras.Input((SIZE, SIZE, 1), name="picture")
    theta = localisation(picture)
    seen = GridSampler(LOOK, LOOK, name="transformer")([picture, theta])
    return keras.Model(picture, classifier(seen), name="spatial_transformer")


def without_transformer() -> Any:
    """The same classifier, which sees the whole picture, scaled to its input."""
    picture = keras.Input((SIZE, SIZE, 1), name="picture")
    seen = layers.Resizing(LOOK, LOOK, name="scaled")(picture)
    return keras.Model(picture, classifier(seen), name="without_transformer")


def localisation(picture: Any) -> Any:
    """The affine map to look through, (n, 6); a new network looks at the middle."""
    x = layers.AveragePooling2D(2, name="where_scaled")(picture)
    for number, filters in enumerate((8, 16, 16), start=1):
        x = convolution(x, filters, f"where{number}")
    x = layers.Flatten(name="where_flat")(x)
    x = layers.Dense(32, activation="relu", name="where_dense")(x)
    middle = keras.initializers.Constant([0.7, 0, 0, 0, 0.7, 0])
    return layers.Dense(6, kernel_initializer="zeros", bias_initializer=middle, name="theta")(x)


def classifier(seen: Any) -> Any:
    """Probabilities of the ten digits, from pictures of 24 × 24."""
    x = seen
    for number, filters in enumerate((16, 32, 32), start=1):
        x = convolution(x, filters, f"read{number}")
    x = layers.Flatten(name="read_flat")(x)
    x = layers.Dropout(0.3, name="read_dropout")(x)
    x = layers.Dense(64, activation="relu", name="read_dense")(x)
    return layers.Dense(10, activation="softmax", name="probabilities")(x)


def convolution(x: Any, filters: int, name: str) -> Any:
    """3 × 3 convolution, normalisation, ReLU, and 2 × 2 max pooling."""
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)
