"""GridSampler's NumPy reference against onnxruntime and torch's formula."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from mltoolkit.custom_layers.grid_sampler import GridSampleLayer, GridSampler
from mltoolkit.errors import ArgumentError

OFFICIAL = {"zeros": "zeros", "border": "border", "reflection": "reflection"}


def onnx_sampled(images: np.ndarray, theta: np.ndarray, size: tuple[int, int], align: bool, mode: str) -> np.ndarray:
    """AffineGrid and GridSample of ONNX 20 in onnxruntime."""
    nodes = [
        helper.make_node("AffineGrid", ["theta", "size"], ["grid"], align_corners=int(align)),
        helper.make_node(
            "GridSample", ["x", "grid"], ["y"], align_corners=int(align), padding_mode=mode, mode="linear"
        ),
    ]
    count, channels = images.shape[:2]
    graph = helper.make_graph(
        nodes,
        "sampler",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, images.shape),
            helper.make_tensor_value_info("theta", TensorProto.FLOAT, (count, 2, 3)),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array([count, channels, *size], np.int64), "size")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": images, "theta": theta.reshape(-1, 2, 3)})[0]


def sampler(height: int, width: int, **parameters: float | int | str | bool) -> GridSampler:
    return GridSampler({"output_height": height, "output_width": width, **parameters}, [])


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_onnxruntime(align: bool, mode: str, channels: int) -> None:
    rng = np.random.default_rng(3)
    images = rng.normal(size=(4, channels, 13, 9)).astype(np.float32)
    # Some maps stay inside, some look far outside the picture.
    theta = (rng.normal(size=(4, 6)) * np.array([[0.5], [1], [2], [4]])).astype(np.float32)
    layer = sampler(7, 11, align_corners=align, padding_mode=mode)
    (found,) = layer.evaluate([images, theta])
    expected = onnx_sampled(images, theta, (7, 11), align, mode)
    error = np.abs(found - expected).max()
    # float32 positions up to 40 elements away are rounded to 4e-6 elements.
    assert error <= 1e-4 if mode == "reflection" else error <= 1e-5, f"largest difference {error:.2e}"


def test_identity_gives_the_picture_back() -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 6)).astype(np.float32)
    identity = np.tile(np.array([1, 0, 0, 0, 1, 0], np.float32), (2, 1))
    (found,) = sampler(8, 6).evaluate([images, identity])
    assert np.abs(found - images).max() <= 2e-6


def test_rank_5_and_dense_theta() -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(1, 2, 3, 8, 6)).astype(np.float32)
    theta = rng.normal(size=(1, 2, 6, 1, 1)).astype(np.float32)
    layer = sampler(4, 5)
    assert layer.output_shapes([images.shape, theta.shape]) == [(1, 2, 3, 4, 5)]
    (found,) = layer.evaluate([images, theta])
    assert np.array_equal(found[0], layer.evaluate([images[0], theta[0, :, :, 0, 0]])[0])


@pytest.mark.parametrize("mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("convention", ["", "stn_keras"])
def test_unknown_and_far_positions_give_numbers(mode: str, convention: str) -> None:
    images = np.ones((3, 1, 4, 4), np.float32)
    theta = np.zeros((3, 6), np.float32)
    theta[0], theta[1, 2], theta[2, 2] = np.nan, np.inf, 1e30
    (found,) = sampler(3, 3, padding_mode=mode, convention=convention).evaluate([images, theta])
    assert np.isfinite(found).all()
    assert (found[0] == 0).all()
    if mode == "zeros" and not convention:
        assert (found[1:] == 0).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (5, 1)])
def test_one_element_lies_in_the_middle(height: int, width: int) -> None:
    images = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    identity = np.array([[1, 0, 0, 0, 1, 0]], np.float32)
    (found,) = sampler(height, width).evaluate([images, identity])
    rows = images[0, 0, [2]] if height == 1 else images[0, 0]
    assert np.array_equal(found[0, 0], rows[:, [2]] if width == 1 else rows)


def test_a_picture_of_one_element() -> None:
    (found,) = sampler(2, 2).evaluate([np.full((1, 1, 1, 1), 3, np.float32), np.array([[1, 0, 0, 0, 1, 0]], "f4")])
    assert (found == 3).all()  # W − 1 = 0: every position is element 0


def test_early_keras_transformers_lose_the_last_row_and_column() -> None:
    images = np.random.default_rng(2).uniform(1, 2, (1, 2, 6, 6)).astype(np.float32)
    identity = np.array([[1, 0, 0, 0, 1, 0]], np.float32)
    (found,) = sampler(6, 6, convention="stn_keras").evaluate([images, identity])
    # The shares of what is lost cancel up to float32's rounding.
    assert np.abs(found[..., -1, :]).max() <= 1e-6
    assert np.abs(found[..., -1]).max() <= 1e-6
    # x = 0.5 · (−1 + 2 · 1/5 + 1) · 6 = 1.2: between columns 1 and 2.
    expected = 0.8 * images[0, :, 0, 1] + 0.2 * images[0, :, 0, 2]
    assert np.allclose(found[0, :, 0, 1], expected, atol=1e-5)


def test_double_precision_stays() -> None:
    (found,) = sampler(2, 2).evaluate([np.ones((1, 1, 3, 3)), np.array([[1.0, 0, 0, 0, 1, 0]])])
    assert found.dtype == np.float64


def test_the_grid_layer_is_the_affine_layer() -> None:
    rng = np.random.default_rng(5)
    images = rng.normal(size=(2, 3, 8, 6)).astype(np.float32)
    theta = rng.normal(size=(2, 6)).astype(np.float32)
    from mltoolkit.custom_layers.grid_sampler.coordinates import affine_coordinates

    grid = np.stack(affine_coordinates(theta, 4, 5), axis=1)
    (found,) = GridSampleLayer({}, []).evaluate([images, grid])
    assert np.array_equal(found, sampler(4, 5).evaluate([images, theta])[0])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"output_width": 3}, "output_height"),
        ({"output_height": 0, "output_width": 3}, "output_height"),
        ({"output_height": 2.5, "output_width": 3}, "output_height"),
        ({"output_height": 2, "output_width": 3, "padding_mode": "zero"}, "zeros"),
        ({"output_height": 2, "output_width": 3, "convention": "stn"}, "stn_keras"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, float | int | str | bool], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        GridSampler(parameters, [])


def test_wrong_count_of_maps_is_named() -> None:
    with pytest.raises(ArgumentError, match="2 pictures but 1"):
        sampler(2, 2).evaluate([np.zeros((2, 1, 3, 3), np.float32), np.zeros((1, 6), np.float32)])
