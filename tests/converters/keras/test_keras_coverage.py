"""Every layer of ``keras.layers``: converted, or refused by name with a reason that is written down here."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import run_keras

from mltoolkit.converters.keras.refused import REFUSALS
from mltoolkit.converters.keras.registry import layer_converters, operation_converters

# Followed through what their call is made of, or never a layer of a graph by themselves.
FOLLOWED = {"Dot", "Lambda", "Pipeline", "STFTSpectrogram"}
NEVER_CALLED = {"InputLayer", "Layer", "Wrapper"}
CELLS = {"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}


def layer_classes():
    return {kind.__name__ for kind in vars(layers).values() if inspect.isclass(kind) and issubclass(kind, layers.Layer)}


def test_every_layer_of_keras_is_accounted_for():
    known = set(layer_converters()) | FOLLOWED | NEVER_CALLED | CELLS
    assert layer_classes() - known == set()
    assert set(REFUSALS) <= layer_classes()


def test_every_converter_is_of_a_class_that_exists():
    inside_applications = {"CustomScaleLayer", "LayerScale", "StochasticDepth"}
    assert set(layer_converters()) - layer_classes() <= inside_applications | {"GroupQueryAttention"}
    from keras.src.activations import activations
    from keras.src.ops import core, einops, image, linalg, math, nn, numpy

    modules = (activations, core, einops, image, linalg, math, nn, numpy)
    classes = {name for module in modules for name in vars(module)}
    assert set(operation_converters()) - classes == set()


RANDOM = sorted(
    name
    for name, registered in layer_converters().items()
    if registered.convert.__name__ == "convert_identity" and hasattr(layers, name)
)


def random_layer(name):
    arguments = {
        "Dropout": (0.5,),
        "AlphaDropout": (0.5,),
        "GaussianDropout": (0.5,),
        "GaussianNoise": (0.5,),
        "SpatialDropout1D": (0.5,),
        "SpatialDropout2D": (0.5,),
        "SpatialDropout3D": (0.5,),
        "RandomBrightness": (0.5,),
        "RandomContrast": (0.5,),
        "RandomRotation": (0.2,),
        "RandomZoom": (0.2,),
        "RandomTranslation": (0.2, 0.2),
        "RandomHue": (0.2,),
        "RandomSaturation": (0.2,),
        "RandomPosterization": (4,),
        "RandomSharpness": (0.2,),
        "RandomColorDegeneration": (0.2,),
    }.get(name, ())
    options = {"value_range": (0, 255)} if "value_range" in inspect.signature(getattr(layers, name)).parameters else {}
    return getattr(layers, name)(*arguments, **options)


@pytest.mark.parametrize("name", RANDOM)
def test_what_is_random_does_nothing_at_inference(name):
    layer = random_layer(name)
    shape = {"SpatialDropout1D": (6, 3), "SpatialDropout3D": (3, 4, 5, 2)}.get(name, (8, 9, 3))
    picture = np.random.default_rng(0).uniform(0, 255, (1, *shape)).astype(np.float32)
    (result,) = run_keras(layer, [picture])
    assert np.array_equal(result, picture)
    assert keras.backend.backend() == "torch"
