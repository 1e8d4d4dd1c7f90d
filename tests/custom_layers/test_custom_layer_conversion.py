"""Keras models with the shipped layers become networks with custom layers, and ML Programs of operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.custom_layers import CONVERSION_FUNCTIONS
from mltoolkit.custom_layers.conversion import KRAKEN_CONVERSION_FUNCTIONS
from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.swift_package.model_layers import model_layers

load_keras("The tests of conversion")


def layers() -> dict[str, Any]:
    from mltoolkit.custom_layers.grid_sampler.keras_layer import GridSampler
    from mltoolkit.custom_layers.group_norm.keras_layer import GroupNorm
    from mltoolkit.custom_layers.mish.keras_layer import Mish
    from mltoolkit.custom_layers.pixel_shuffle.keras_layer import PixelShuffle
    from mltoolkit.custom_layers.swish.keras_layer import Swish

    return {
        "GridSampler": GridSampler(4, 6, padding_mode="border"),
        "GroupNorm": GroupNorm(2, epsilon=1e-3),
        "Mish": Mish(),
        "PixelShuffle": PixelShuffle(2),
        "Swish": Swish(beta=0.5),
        "Swish learned": Swish(beta=2.0, learn_beta=True),
    }


def function_of(name: str) -> dict[str, Any]:
    key = name.split()[0]
    return {key: CONVERSION_FUNCTIONS[key]}


def model_around(layer: Any) -> Any:
    """A convolution, the layer, and a dense layer; GridSampler gets its map from a dense layer of its own."""
    import keras

    picture = keras.Input((8, 8, 2), name="picture")
    features = keras.layers.Conv2D(8, 3, name="features")(picture)
    if type(layer).__name__ == "GridSampler":
        bias = keras.initializers.Constant(np.array([0.9, 0.1, 0.05, -0.1, 0.8, 0]))
        theta = keras.layers.Dense(6, bias_initializer=bias)(keras.layers.GlobalAveragePooling2D()(features))
        x = layer([features, theta])
    else:
        x = layer(features)
    return keras.Model(picture, keras.layers.Dense(3, name="answer")(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("name", layers())
def test_as_a_custom_layer(name: str, tmp_path: Path) -> None:
    model = model_around(layers()[name])
    converted = mlt.convert(
        model, custom_conversion_functions={key: CONVERSION_FUNCTIONS[key] for key in [name.split()[0]]}
    )
    (custom,) = model_layers(converted.spec)
    assert custom.class_name == name.split()[0]
    assert custom.description
    converted.save(tmp_path / "model.mlmodel")
    picture = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    found = mlt.load(tmp_path / "model.mlmodel").predict({"picture": picture})
    expected = np.asarray(model.predict(picture, verbose=0))
    error = np.abs(next(iter(found.values())) - expected).max()
    assert error <= 1e-4, f"{error:.2e}"


def test_learned_numbers_are_weights_not_parameters() -> None:
    converted = mlt.convert(
        model_around(layers()["Swish learned"]),
        custom_conversion_functions={"Swish": CONVERSION_FUNCTIONS["Swish"]},
        verify=False,
    )
    (custom,) = model_layers(converted.spec)
    assert dict(custom.parameters) == {}
    assert [weight.tolist() for weight in custom.weights] == [[2.0]]


@pytest.mark.parametrize("name", layers())
def test_in_an_ml_program(name: str) -> None:
    model = model_around(layers()[name])
    picture = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    converted = mlt.convert(model, format="mlpackage", custom_conversion_functions=function_of(name))
    error = np.abs(
        next(iter(converted.predict({"picture": picture}).values())) - np.asarray(model.predict(picture, verbose=0))
    ).max()
    assert error <= 1e-4, f"{error:.2e}"


def test_unknown_custom_layers_have_no_ml_program() -> None:
    hook = lambda layer: mlt.CustomLayerDescription("Unheard", parameters=layer.parameters)  # noqa: E731
    with pytest.raises(UnsupportedModelError, match="Unheard"):
        mlt.convert(model_around(layers()["Mish"]), format="mlpackage", custom_conversion_functions={"Mish": hook})


def test_kraken_layers_as_custom_layers() -> None:
    import keras

    from mltoolkit.custom_layers.kraken import keras_layer

    picture = keras.Input((4, 5, 2), name="picture")
    x = keras.layers.Conv2D(6, 1)(picture)
    x = keras_layer.KrakenGroupNorm(3)(keras_layer.Dropout(0.5)(x))
    x = keras_layer.Reshape(src_dim=2, part_a=1, part_b=-1, high=2, low=1)(x)
    model = keras.Model(picture, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    converted = mlt.convert(model, custom_conversion_functions=KRAKEN_CONVERSION_FUNCTIONS)
    assert [layer.class_name for layer in model_layers(converted.spec)] == ["dropout", "groupnorm", "reshape"]
    assert converted.conversion_report is not None
