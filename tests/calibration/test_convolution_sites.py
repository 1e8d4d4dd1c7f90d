"""Convolutions as matrix products: the site's matrix times its columns is what onnxruntime's node gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_checks import all_products, close_graph, make_slot, only_site, outputs_of

from mltoolkit.calibration.sites import find_sites
from mltoolkit.graph.builder import GraphBuilder

# Sums of up to some hundred products of standard normal numbers in float32.
TOLERANCE = 1e-4


@st.composite
def windows(draw: st.DrawFn, axes: int) -> dict[str, list[int]]:
    def each(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes))

    pads = draw(st.lists(st.integers(0, 3), min_size=2 * axes, max_size=2 * axes))
    return {"kernel_shape": each(1, 4), "strides": each(1, 3), "dilations": each(1, 3), "pads": pads}


def by_position(output: np.ndarray) -> np.ndarray:
    """(N, C, *sizes) as (C, positions)."""
    return np.moveaxis(output, 1, 0).reshape(output.shape[1], -1)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3))
def test_convolution(data: st.DataObject, axes: int, groups: int, batch: int, inputs: int, outputs: int) -> None:
    window = data.draw(windows(axes))
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=axes, max_size=axes))
    for axis in range(axes):
        # A window must fit into the padded input.
        extent = (window["kernel_shape"][axis] - 1) * window["dilations"][axis] + 1
        sizes[axis] = max(sizes[axis], extent - window["pads"][axis] - window["pads"][axes + axis])
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((groups * outputs, inputs, *window["kernel_shape"])).astype(np.float32)
    x = rng.standard_normal((batch, groups * inputs, *sizes)).astype(np.float32)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    with builder.scope("layer"):
        y = builder.op("Conv", fed, builder.constant(weights), attributes={**window, "group": groups}, name="y")
    graph = close_graph(builder, y)
    reference = outputs_of(graph, {"x": x})["y"]
    site = only_site(graph, weights)
    assert site.matrix(weights).shape == (groups, outputs, site.inputs)
    np.testing.assert_array_equal(site.from_matrix(site.matrix(weights)), weights)
    found = all_products(graph, site, weights, {"x": x})
    np.testing.assert_allclose(found, by_position(reference), rtol=0, atol=TOLERANCE)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3))
def test_transposed_convolution(
    data: st.DataObject, axes: int, groups: int, batch: int, inputs: int, outputs: int
) -> None:
    window = data.draw(windows(axes))
    extra = [data.draw(st.integers(0, stride - 1)) for stride in window["strides"]]
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=axes, max_size=axes))
    for axis in range(axes):
        # Some of the output must be left.
        extent = (window["kernel_shape"][axis] - 1) * window["dilations"][axis]
        full = (sizes[axis] - 1) * window["strides"][axis] + extent
        for side in (axis, axes + axis):
            window["pads"][side] = min(window["pads"][side], full // 2)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((groups * inputs, outputs, *window["kernel_shape"])).astype(np.float32)
    x = rng.standard_normal((batch, groups * inputs, *sizes)).astype(np.float32)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    attributes = {**window, "group": groups, "output_padding": extra}
    with builder.scope("layer"):
        y = builder.op("ConvTranspose", fed, builder.constant(weights), attributes=attributes, name="y")
    graph = close_graph(builder, y)
    reference = outputs_of(graph, {"x": x})["y"]
    site = only_site(graph, weights, channel_axis=1)
    assert site.matrix(weights).shape == (groups, outputs, site.inputs)
    np.testing.assert_array_equal(site.from_matrix(site.matrix(weights)), weights)
    found = all_products(graph, site, weights, {"x": x})
    np.testing.assert_allclose(found, by_position(reference), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("op_type", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_bias_is_read_and_shifted(op_type: str, with_bias: bool) -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((4, 2, 3, 3)).astype(np.float32)
    channels = 4
    bias = rng.standard_normal(channels).astype(np.float32)
    x = rng.standard_normal((1, 4, 5, 5)).astype(np.float32)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    given_bias = [builder.constant(bias)] if with_bias else []
    with builder.scope("layer"):
        y = builder.op(op_type, fed, builder.constant(weights), *given_bias, attributes={"group": 2}, name="y")
    graph = close_graph(builder, y)
    before = outputs_of(graph, {"x": x})["y"]
    site = only_site(graph, weights)
    found = site.bias(graph)
    assert (found is None) is not with_bias
    if found is not None:
        np.testing.assert_array_equal(found, bias)
    shift = np.arange(channels, dtype=np.float32)
    site.shift_bias(graph, shift)
    after = outputs_of(graph, {"x": x})["y"]
    # One rounding of sums of numbers below 32.
    np.testing.assert_allclose(after - before, np.broadcast_to(shift[:, None, None], before[0].shape)[None], atol=1e-5)
    assert site.bias(graph) is not None


def test_a_bias_that_layers_share_is_shifted_for_one_of_them() -> None:
    rng = np.random.default_rng(2)
    first, second = (rng.standard_normal((2, 2, 1, 1)).astype(np.float32) for _ in range(2))
    zeros = np.zeros(2, dtype=np.float32)
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 2, 2, 2))
    with builder.scope("layer"):
        y = builder.op("Conv", x, builder.constant(first), builder.constant(zeros), name="y")
    with builder.scope("other"):
        z = builder.op("Conv", x, builder.constant(second), builder.constant(zeros), name="z")
    graph = close_graph(builder, y, z)
    feed = {"x": np.ones((1, 2, 2, 2), dtype=np.float32)}
    before = outputs_of(graph, feed)
    only_site(graph, first).shift_bias(graph, np.array([1, 2], dtype=np.float32))
    after = outputs_of(graph, feed)
    np.testing.assert_allclose((after["y"] - before["y"])[0, :, 0, 0], [1, 2], atol=1e-6)
    np.testing.assert_array_equal(after["z"], before["z"])


def test_a_kernel_used_twice_has_no_site() -> None:
    weights = np.random.default_rng(3).standard_normal((5, 5, 3, 3)).astype(np.float32)
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 5, 9, 9))
    constant = builder.constant(weights)
    y = builder.op("Conv", builder.op("Conv", x, constant), constant, name="y")
    slot = make_slot(weights.shape)
    sites, reasons = find_sites(close_graph(builder, y), [slot], lambda _: weights)
    assert not sites
    assert "several operations" in reasons[0]
    copies = GraphBuilder("test")
    x = copies.input("x", np.float32, (1, 5, 9, 9))
    first, second = (copies.constant(weights) for _ in range(2))
    y = copies.op("Conv", copies.op("Conv", x, first), second, name="y")
    sites, reasons = find_sites(close_graph(copies, y), [slot], lambda _: weights)
    assert not sites
    assert "2 places" in reasons[0]
