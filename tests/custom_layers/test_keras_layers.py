"""The Keras faces of the shipped layers against the NumPy references, and their gradients."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from mltoolkit.custom_layers.grid_sampler import GridSampler as GridSamplerReference  # noqa: E402
from mltoolkit.custom_layers.grid_sampler.keras_layer import GridSampler  # noqa: E402
from mltoolkit.custom_layers.group_norm import GroupNorm as GroupNormReference  # noqa: E402
from mltoolkit.custom_layers.group_norm.keras_layer import GroupNorm  # noqa: E402
from mltoolkit.custom_layers.mish import Mish as MishReference  # noqa: E402
from mltoolkit.custom_layers.mish.keras_layer import Mish  # noqa: E402
from mltoolkit.custom_layers.swish import Swish as SwishReference  # noqa: E402
from mltoolkit.custom_layers.swish.keras_layer import Swish  # noqa: E402
from mltoolkit.errors import ArgumentError  # noqa: E402

SETTINGS = [
    {},
    {"align_corners": False},
    {"padding_mode": "border"},
    {"padding_mode": "reflection", "align_corners": False},
    {"convention": "stn_keras"},
]


def values(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_grid_sampler_equals_the_reference(settings: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(3, 9, 7, 2)).astype(np.float32)
    theta = rng.normal(size=(3, 6)).astype(np.float32)
    layer = GridSampler(5, 6, **settings)
    found = values(layer([pictures, theta]))
    reference = GridSamplerReference({"output_height": 5, "output_width": 6, **settings}, [])
    (expected,) = reference.evaluate([pictures.transpose(0, 3, 1, 2), theta])
    error = np.abs(found - expected.transpose(0, 2, 3, 1)).max()
    # Positions of some ten elements are rounded to 1e-6 of an element, and a value changes by a few in one element.
    assert error <= 2e-5, f"largest difference {error:.2e}"


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the gradients are torch's")
@pytest.mark.parametrize("settings", SETTINGS[:4], ids=str)
def test_grid_sampler_gradients(settings: dict[str, object]) -> None:
    import torch

    rng = np.random.default_rng(1)
    pictures = torch.tensor(rng.normal(size=(2, 6, 5, 2)), requires_grad=True)
    # Positions well inside an element, since bilinear sampling has corners between elements.
    theta = torch.tensor(rng.normal(size=(2, 6)) * 0.3 + [0.61, 0, 0.013, 0, 0.57, 0.017], requires_grad=True)
    layer = GridSampler(3, 4, dtype="float64", **settings)
    weights = torch.tensor(rng.normal(size=(2, 3, 4, 2)))
    (layer([pictures, theta]) * weights).sum().backward()
    for tensor in (pictures, theta):
        flat = tensor.detach().reshape(-1)
        for index in range(0, flat.numel(), max(1, flat.numel() // 12)):
            step, results = 1e-6, []
            for sign in (1, -1):
                moved = tensor.detach().clone()
                moved.view(-1)[index] += sign * step
                given = [moved, theta.detach()] if tensor is pictures else [pictures.detach(), moved]
                results.append(float((layer(given) * weights).sum()))
            expected = (results[0] - results[1]) / (2 * step)
            found = float(tensor.grad.reshape(-1)[index])
            assert abs(found - expected) <= 1e-4, f"element {index}: {found} instead of {expected}"


def test_grid_sampler_survives_saving(tmp_path: Path) -> None:
    picture, theta = keras.Input((8, 8, 1)), keras.Input((6,))
    model = keras.Model([picture, theta], GridSampler(4, 4, padding_mode="border")([picture, theta]))
    model.save(tmp_path / "sampler.keras")
    again = keras.models.load_model(tmp_path / "sampler.keras")
    data = [np.random.default_rng(2).normal(size=(2, 8, 8, 1)).astype("f4"), np.eye(2, 6, dtype="f4")]
    assert np.array_equal(values(model(data)), values(again(data)))
    assert model.output_shape == (None, 4, 4, 1)


@pytest.mark.parametrize("wrong", [{"padding_mode": "zero"}, {"convention": "stn"}])
def test_wrong_arguments_are_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        GridSampler(2, 2, **wrong)


def test_swish_and_mish_equal_the_references() -> None:
    x = np.random.default_rng(3).normal(0, 3, (2, 4, 4, 3)).astype(np.float32)
    pairs = [
        (Swish(), SwishReference({}, [])),
        (Swish(beta=0.3), SwishReference({"beta": 0.3}, [])),
        (Swish(beta=2.0, learn_beta=True), SwishReference({}, [np.array([2], np.float32)])),
        (Mish(), MishReference({}, [])),
    ]
    for layer, reference in pairs:
        error = np.abs(values(layer(x)) - reference.evaluate([x])[0]).max()
        assert error <= 5e-6, f"{layer.name}: {error:.2e}"
    assert len(pairs[2][0].trainable_weights) == 1


def test_group_norm_equals_the_reference() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(2, 3, (2, 4, 5, 6)).astype(np.float32)
    layer = GroupNorm(3, epsilon=1e-3)
    layer.build(x.shape)
    weights = list(rng.normal(size=(2, 6)).astype(np.float32))
    layer.set_weights(weights)
    (expected,) = GroupNormReference({"num_groups": 3, "epsilon": 1e-3}, weights).evaluate([x.transpose(0, 3, 1, 2)])
    error = np.abs(values(layer(x)) - expected.transpose(0, 2, 3, 1)).max()
    assert error <= 1e-5, f"{error:.2e}"
    with pytest.raises(ArgumentError, match="multiple"):
        GroupNorm(4).build((None, 4, 4, 6))


def test_kraken_layers_equal_the_references() -> None:
    from mltoolkit.custom_layers.kraken import Dropout, KrakenGroupNorm, Reshape, keras_layer

    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 6, 4, 5)).astype(np.float32)
    references = [
        Dropout({"prob": 0.5}, []),
        KrakenGroupNorm({"num_groups": 3, "in_channels": 6}, list(rng.normal(size=(2, 6)).astype(np.float32))),
        Reshape({"src_dim": 2, "part_a": 1, "part_b": -1, "high": 2, "low": 1}, []),
        Reshape({"src_dim": 3, "part_a": -1, "part_b": 5, "high": 1, "low": 3}, []),
        Reshape({"src_dim": 1, "part_a": 2, "part_b": 3, "high": 1, "low": 2}, []),
    ]
    for reference in references:
        (expected,) = reference.evaluate([x[None]])
        given = x.transpose(0, 2, 3, 1)
        found = values(keras_layer.from_custom_layer(reference, [given])(given, training=False))
        assert found.shape == expected[0].transpose(0, 2, 3, 1).shape
        error = np.abs(found - expected[0].transpose(0, 2, 3, 1)).max()
        assert error <= 1e-5, f"{reference.class_name}: {error:.2e}"
