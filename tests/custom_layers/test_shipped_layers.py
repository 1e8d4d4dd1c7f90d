"""The custom layers that come with mltoolkit, against torch's formulas and plain loops."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from mltoolkit.custom_layers import CustomLayer, CustomLayerSet, installed
from mltoolkit.custom_layers.group_norm import GroupNorm
from mltoolkit.custom_layers.kraken import Dropout, KrakenGroupNorm, Reshape
from mltoolkit.custom_layers.mish import Mish
from mltoolkit.custom_layers.pixel_shuffle import PixelShuffle
from mltoolkit.custom_layers.shipped import SHIPPED, shipped_layer
from mltoolkit.custom_layers.swish import Swish
from mltoolkit.errors import ArgumentError, CustomLayerError

X = np.array([-100, -3, -0.5, 0, 0.5, 3, 100], np.float32)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_layer_is_found_under_its_name(name: str) -> None:
    layer = CustomLayerSet().find(name, "")
    assert layer.class_name == name


def test_unknown_names_are_not_shipped() -> None:
    assert shipped_layer("Unheard") is None


def test_given_layers_replace_shipped_ones() -> None:
    class Mine(CustomLayer):
        class_name = "Swish"

    assert CustomLayerSet([Mine]).find("Swish", "") is Mine


@pytest.mark.parametrize(
    ("parameters", "weights", "beta"),
    [({}, [], 1), ({"beta": 0.5}, [], 0.5), ({}, [np.array([2], np.float32)], 2), ({"beta": 3.0}, [np.ones(1)], 3)],
)
def test_swish(parameters: dict[str, float], weights: list[np.ndarray], beta: float) -> None:
    (found,) = Swish(parameters, weights).evaluate([X])
    expected = X.astype(np.float64) / (1 + np.exp(-beta * X.astype(np.float64)))
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-5


def test_mish() -> None:
    (found,) = Mish({}, []).evaluate([X])
    x = X.astype(np.float64)
    expected = x * np.tanh(np.log1p(np.exp(x)))
    assert np.abs(found - expected).max() <= 1e-5


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(groups: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (1, 2, 6, 4, 3)).astype(np.float32)
    scale, shift = rng.normal(size=(2, 6)).astype(np.float32)
    layer = GroupNorm({"num_groups": groups, "epsilon": 1e-3}, [scale, shift])
    assert layer.output_shapes([x.shape]) == [x.shape]
    (found,) = layer.evaluate([x])
    for batch in range(2):
        for channel in range(6):
            first = channel // (6 // groups) * (6 // groups)
            part = x[0, batch, first : first + 6 // groups].astype(np.float64)
            normal = (x[0, batch, channel] - part.mean()) / np.sqrt(part.var() + 1e-3)
            error = np.abs(found[0, batch, channel] - (normal * scale[channel] + shift[channel])).max()
            assert error <= 1e-5, f"channel {channel}: {error:.2e}"


def test_group_norm_without_weights_only_normalizes() -> None:
    x = np.random.default_rng(1).normal(3, 2, (1, 4, 5, 5)).astype(np.float32)
    (found,) = GroupNorm({"num_groups": 2}, []).evaluate([x])
    assert abs(float(found.mean())) <= 1e-6
    assert abs(float(found.std()) - 1) <= 1e-4


@pytest.mark.parametrize(
    ("parameters", "weights", "words"),
    [
        ({}, 0, "num_groups"),
        ({"num_groups": 0}, 0, "num_groups"),
        ({"num_groups": 2}, 1, "scale and shift"),
        ({"num_groups": 4}, 0, "multiple"),
    ],
)
def test_wrong_group_norms_say_so(parameters: dict[str, int], weights: int, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        GroupNorm(parameters, [np.ones(6)] * weights).evaluate([np.zeros((1, 6, 2, 2), np.float32)])


def test_group_norm_weights_must_fit_the_channels() -> None:
    with pytest.raises(ArgumentError, match="input has 6"):
        GroupNorm({"num_groups": 2}, [np.ones(4)] * 2).evaluate([np.zeros((1, 6, 2, 2), np.float32)])


def test_kraken_layers() -> None:
    x = np.arange(24, dtype=np.float32).reshape(1, 1, 2, 3, 4)
    (copy,) = Dropout({"prob": 0.5}, []).evaluate([x])
    assert np.array_equal(copy, x)
    assert copy is not x
    assert KrakenGroupNorm({"num_groups": 2, "in_channels": 2}, []).evaluate([x])[0].shape == x.shape
    # The rows become channels: src_dim 2 split into (1, 3), the second part to axis 1.
    layer = Reshape({"src_dim": 2, "part_a": 1, "part_b": -1, "high": 2, "low": 1}, [])
    (moved,) = layer.evaluate([x])
    assert layer.output_shapes([x.shape]) == [moved.shape] == [(1, 1, 6, 1, 4)]
    assert np.array_equal(moved[0, 0, :, 0], x[0, 0].transpose(1, 0, 2).reshape(6, 4))


def test_installed_packages_bring_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        (
            EntryPoint("Theirs", "mltoolkit.custom_layers.mish:Mish", installed.GROUP),
            EntryPoint("Broken", "no_such_module:Layer", installed.GROUP),
            EntryPoint("NoLayer", "math:pi", installed.GROUP),
        )
    )
    monkeypatch.setattr(installed, "entry_points", points.select)
    assert CustomLayerSet().find("Theirs", "") is Mish
    with pytest.raises(CustomLayerError, match="no_such_module"):
        CustomLayerSet().find("Broken", "")
    with pytest.raises(CustomLayerError, match="no subclass"):
        CustomLayerSet().find("NoLayer", "")


def test_pixel_shuffle() -> None:
    x = np.arange(2 * 8 * 2 * 3, dtype=np.float32).reshape(2, 8, 2, 3)
    layer = PixelShuffle({"upscale_factor": 2}, [])
    (found,) = layer.evaluate([x])
    assert found.shape == (2, 2, 4, 6)
    for channel, row, column in ((0, 0, 0), (1, 3, 5), (1, 2, 3), (0, 1, 4)):
        source = channel * 4 + row % 2 * 2 + column % 2
        assert (found[:, channel, row, column] == x[:, source, row // 2, column // 2]).all()


@pytest.mark.parametrize("parameters", [{}, {"upscale_factor": 0}, {"upscale_factor": 1.5}])
def test_wrong_pixel_shuffles_say_so(parameters: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="upscale_factor"):
        PixelShuffle(parameters, [])


def test_pixel_shuffle_needs_enough_channels() -> None:
    with pytest.raises(ArgumentError, match="multiple of 2²"):
        PixelShuffle({"upscale_factor": 2}, []).output_shapes([(6, 2, 2)])
