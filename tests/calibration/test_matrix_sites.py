"""Matrix products with a constant, and tables: the site's matrix times its columns is what onnxruntime's node gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_checks import all_products, close_graph, make_slot, only_site, outputs_of, run_to

from mltoolkit.calibration.collecting import collect_statistics
from mltoolkit.calibration.sites import find_sites
from mltoolkit.calibration.statistics import RowFrequencies
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.runtime.sections import SectionedRun

# Sums of less than twenty products of standard normal numbers in float32.
TOLERANCE = 2e-5


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.booleans(), st.booleans(), st.integers(1, 5), st.integers(2, 6), st.integers(2, 6), st.booleans())
def test_gemm(trans_a: bool, trans_b: bool, rows: int, inputs: int, outputs: int, file_swapped: bool) -> None:
    weights = normal(outputs, inputs)
    x = normal(rows, inputs, seed=1)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, (inputs, rows) if trans_a else (rows, inputs))
    constant = builder.constant(weights if trans_b else np.ascontiguousarray(weights.T))
    attributes = {"transA": int(trans_a), "transB": int(trans_b)}
    graph = close_graph(builder, builder.op("Gemm", fed, constant, attributes=attributes, name="y"))
    stored = np.ascontiguousarray(weights.T) if file_swapped else weights
    feed = {"x": np.ascontiguousarray(x.T) if trans_a else x}
    site = only_site(graph, stored)
    np.testing.assert_array_equal(site.matrix(stored), weights[None])
    np.testing.assert_array_equal(site.from_matrix(site.matrix(stored)), stored)
    found = all_products(graph, site, stored, feed)
    np.testing.assert_allclose(found.T, outputs_of(graph, feed)["y"], rtol=0, atol=TOLERANCE)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 3), max_size=3), st.integers(2, 6), st.integers(2, 6), st.booleans())
def test_matmul_with_a_constant_on_the_right(leading: list[int], inputs: int, outputs: int, swapped: bool) -> None:
    weights, x = normal(inputs, outputs), normal(*leading, 4, inputs, seed=1)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    graph = close_graph(builder, builder.op("MatMul", fed, builder.constant(weights), name="y"))
    stored = np.ascontiguousarray(weights.T) if swapped else weights
    site = only_site(graph, stored)
    np.testing.assert_array_equal(site.from_matrix(site.matrix(stored)), stored)
    found = all_products(graph, site, stored, {"x": x})
    reference = outputs_of(graph, {"x": x})["y"].reshape(-1, outputs)
    np.testing.assert_allclose(found.T, reference, rtol=0, atol=TOLERANCE)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_matmul_with_several_constant_matrices(data: st.DataObject) -> None:
    batch = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    # Each of x's axes is 1, as W's, or anything where W's is 1; further ones in front.
    own = [1 if data.draw(st.booleans()) else (size if size > 1 else data.draw(st.integers(1, 3))) for size in batch]
    front = data.draw(st.lists(st.integers(1, 2), max_size=1))
    weights, x = normal(*batch, 5, 3), normal(*front, *own, 2, 5, seed=1)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    graph = close_graph(builder, builder.op("MatMul", fed, builder.constant(weights), name="y"))
    site = only_site(graph, weights)
    groups = int(np.prod(batch))
    assert site.matrix(weights).shape == (groups, 3, 5)
    np.testing.assert_array_equal(site.from_matrix(site.matrix(weights)), weights)
    found = all_products(graph, site, weights, {"x": x})
    reference = outputs_of(graph, {"x": x})["y"]
    groupwise = [len(front) + axis for axis, size in enumerate(batch) if size != 1]
    rest = [axis for axis in range(reference.ndim) if axis not in groupwise]
    expected = reference.transpose(*groupwise, *rest).reshape(groups, -1, 3).swapaxes(1, 2).reshape(groups * 3, -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    # The bias reaches every output of every matrix.
    shift = np.arange(groups * 3, dtype=np.float32)
    site.shift_bias(graph, shift)
    difference = outputs_of(graph, {"x": x})["y"] - reference
    shifted = difference.transpose(*groupwise, *rest).reshape(groups, -1, 3).swapaxes(1, 2).reshape(groups * 3, -1)
    np.testing.assert_allclose(shifted, np.broadcast_to(shift[:, None], shifted.shape), atol=TOLERANCE)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_matmul_with_a_constant_on_the_left(leading: tuple[int, ...]) -> None:
    weights, x = normal(4, 5), normal(*leading, 5, 3, seed=1)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    graph = close_graph(builder, builder.op("MatMul", builder.constant(weights), fed, name="y"))
    site = only_site(graph, weights)
    reference = outputs_of(graph, {"x": x})["y"]
    found = all_products(graph, site, weights, {"x": x})
    np.testing.assert_allclose(found, np.moveaxis(reference, -2, 0).reshape(4, -1), rtol=0, atol=TOLERANCE)
    site.shift_bias(graph, np.arange(4, dtype=np.float32))
    np.testing.assert_array_equal(site.bias(graph), np.arange(4))
    difference = outputs_of(graph, {"x": x})["y"] - reference
    np.testing.assert_allclose(
        difference, np.broadcast_to(np.arange(4)[:, None], difference.shape), rtol=0, atol=TOLERANCE
    )


def test_einsum_transposes_its_constant_first() -> None:
    # nchw,nwhu->nchu as converters/ml_program/linear.py makes it.
    weights, x = normal(1, 4, 3, 5), normal(1, 2, 3, 4, seed=1)
    builder = GraphBuilder("test")
    fed = builder.input("x", np.float32, x.shape)
    left, right = (
        builder.op("Transpose", value, attributes={"perm": [0, 2, 1, 3]}) for value in (fed, builder.constant(weights))
    )
    graph = close_graph(builder, builder.op("MatMul", left, right, name="y"))
    site = only_site(graph, weights)
    np.testing.assert_array_equal(site.from_matrix(site.matrix(weights)), weights)
    found = all_products(graph, site, weights, {"x": x}).reshape(3, 5, 2)
    np.testing.assert_allclose(found, outputs_of(graph, {"x": x})["y"][0].swapaxes(1, 2), rtol=0, atol=TOLERANCE)
    site.put(graph, 2 * weights)
    np.testing.assert_allclose(
        2 * found, outputs_of(graph, {"x": x})["y"][0].swapaxes(1, 2), rtol=0, atol=2 * TOLERANCE
    )


@pytest.mark.parametrize("is_output", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_bias_of_a_matmul_is_an_addition(with_bias: bool, is_output: bool) -> None:
    weights, bias, x = normal(4, 6), normal(6, seed=2), normal(2, 4, seed=1)
    builder = GraphBuilder("test")
    y = builder.op("MatMul", builder.input("x", np.float32, x.shape), builder.constant(weights), name="product")
    if with_bias:
        y = builder.op("Add", builder.constant(bias), y, name="sum")
    if not is_output:
        y = builder.op("Relu", y, name="relu")
    graph = close_graph(builder, y)
    name = y.name
    site = only_site(graph, weights)
    found = site.bias(graph)
    assert (found is None) is not with_bias
    if found is not None:
        np.testing.assert_array_equal(found, bias)
    shift = np.full(6, 100, dtype=np.float32)
    before = x @ weights + (bias if with_bias else 0)
    site.shift_bias(graph, shift)
    site.shift_bias(graph, shift)
    # float32 numbers around 200 are 1.5e-5 apart.
    np.testing.assert_allclose(outputs_of(graph, {"x": x})[name], before + 200, rtol=0, atol=5e-5)


def test_numbers_that_fit_both_ways_are_left_alone() -> None:
    square = normal(4, 4)
    symmetric = square + square.T
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2, 4))
    graph = close_graph(builder, builder.op("MatMul", x, builder.constant(symmetric), name="y"))
    _, reasons = find_sites(graph, [make_slot((4, 4))], lambda _: symmetric)
    assert "more than one order" in reasons[0]


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_table_counts_how_often_rows_are_looked_up(with_bias: bool) -> None:
    # As converters/neural_network/embedding.py makes it: transposed, and with the bias in it.
    table, bias = normal(3, 7), normal(3, seed=1)
    held = table.T + bias if with_bias else table.T
    builder = GraphBuilder("test")
    indices = builder.input("x", np.int64, (2, 3))
    y = builder.op("Gather", builder.constant(np.ascontiguousarray(held)), indices, name="y")
    graph = close_graph(builder, y)
    slots = [make_slot((3, 7), layer_type="embedding"), make_slot((3,), 1, role="bias")]
    sites, reasons = find_sites(graph, slots, lambda slot: (table, bias)[slot.index])
    assert list(reasons) == [1]
    (site,) = sites
    feeds = [{"x": np.array([[0, 1, 1], [6, -1, 2]])}, {"x": np.array([[1, 1, 1], [1, 1, 1]])}]
    run = SectionedRun(graph, [site.node(graph)], feeds)
    run.advance()
    statistics = collect_statistics(site, run, run)
    assert isinstance(statistics, RowFrequencies)
    assert statistics.count == 12
    np.testing.assert_allclose(12 * statistics.frequency, [1, 8, 1, 0, 0, 0, 2])
    matrix = site.matrix(table)
    np.testing.assert_array_equal(matrix[0], table)
    np.testing.assert_array_equal(site.from_matrix(matrix), table)
    found = matrix[0] @ site.product.columns(site.read(run, 0), np.arange(5))[0]
    np.testing.assert_array_equal(found.T, table.T[[0, 1, 1, 6, 6]])
    site.put(graph, 2 * table)
    expected = (2 * table).T + (bias if with_bias else 0)
    np.testing.assert_array_equal(outputs_of(graph, feeds[0])["y"][0], expected[[0, 1, 1]])


def test_a_run_elsewhere_is_refused() -> None:
    weights = normal(3, 3)
    builder = GraphBuilder("test")
    y = builder.op("MatMul", builder.input("x", np.float32, (1, 3)), builder.constant(weights), name="y")
    graph = close_graph(builder, y)
    site = only_site(graph, weights)
    run = run_to(graph, site, {"x": normal(1, 3)})
    run.advance()
    with pytest.raises(Exception, match="not stopped"):
        site.read(run, 0)
