"""Sites of whole models: every weight has one, and what is put there does what the same numbers in a file do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_checks import outputs_of
from weighted_networks import NETWORKS

import mltoolkit as mlt
from mltoolkit.calibration.sites import Site, copy_graph, find_sites
from mltoolkit.calibration.statistics import InputStatistics
from mltoolkit.formats.features import ImageFeature
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.weight_access import ModelRewriter
from mltoolkit.runtime.sections import SectionedRun

MULTIPLYING = (
    "convolution",
    "innerProduct",
    "batchedMatmul",
    "embeddingND",
    "uniDirectionalLSTM",
    "biDirectionalLSTM",
    "gru",
    "simpleRecurrent",
)


def all_sites(model: Model, graph: ModelGraph) -> tuple[ModelRewriter, list[Site], dict[str, str]]:
    rewriter = open_rewriter(model)
    sites, reasons = find_sites(graph, rewriter.slots, rewriter.values)
    # Constants that are added or scaled with meet nothing.
    weights = {slot.index: slot for slot in rewriter.slots if slot.role == "weight" and slot.layer_type in MULTIPLYING}
    return rewriter, sites, {weights[index].where: why for index, why in reasons.items() if index in weights}


def check_inverses(rewriter: ModelRewriter, sites: list[Site]) -> None:
    for site in sites:
        values = rewriter.values(site.slot)
        matrix = site.matrix(values)
        assert matrix.shape == (site.groups, site.outputs, site.inputs)
        np.testing.assert_array_equal(site.from_matrix(matrix), values)


def feed_of(model: Model, graph: ModelGraph, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    pictures = {feature.name for feature in model.inputs if isinstance(feature, ImageFeature)}
    feed: dict[str, Any] = {}
    for value in graph.model.graph.inputs:
        shape = tuple(int(size) for size in value.shape)
        if value.name in pictures:
            feed[value.name] = rng.integers(0, 256, shape).astype(np.float32)
        else:
            dtype = value.dtype.numpy()
            array = rng.standard_normal(shape) if dtype.kind == "f" else rng.integers(0, 7, shape)
            feed[value.name] = array.astype(dtype)
    return feed


def check_put(model: Model, quantized: Model, shapes: dict[str, tuple[int, ...]]) -> None:
    """The quantized file's numbers, put into the float graph, give just what the quantized file gives."""
    graph = model.graph(shapes)
    rewriter, sites, _ = all_sites(model, graph)
    changed = copy_graph(graph)
    stored = open_rewriter(quantized)
    assert [slot.where for slot in stored.slots] == [slot.where for slot in rewriter.slots]
    different = 0
    for site in sites:
        values = stored.values(stored.slots[site.slot.index])
        assert values.shape == site.slot.shape
        different += not np.array_equal(values, rewriter.values(site.slot))
        site.put(changed, values)
    assert different == len(sites)
    feed = feed_of(model, graph)
    expected = outputs_of(quantized.graph(shapes), feed)
    for name, array in outputs_of(changed, feed).items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_type(name: str) -> None:
    build, count = NETWORKS[name]
    spec, shape = build()
    model = Model.from_spec(spec)
    shapes = {"x": shape}
    graph = model.graph(shapes)
    rewriter, sites, missing = all_sites(model, graph)
    assert not missing
    assert len(sites) == count
    check_inverses(rewriter, sites)
    biases = [slot.index for slot in rewriter.slots if slot.role == "bias"]
    config = mlt.quantize_weights(model, 3, selector=lambda layer, weight: True)
    if not biases:
        check_put(model, config, shapes)
        return
    # Only weights have sites: quantized biases would differ.
    changed = copy_graph(graph)
    stored = open_rewriter(config)
    for site in sites:
        site.put(changed, stored.values(stored.slots[site.slot.index]))
    again = Model.from_spec(_with_biases_of(config, model))
    feed = feed_of(model, graph)
    expected = outputs_of(again.graph(shapes), feed)
    for output, array in outputs_of(changed, feed).items():
        np.testing.assert_array_equal(array, expected[output])


def _with_biases_of(quantized: Model, model: Model) -> Any:
    from mltoolkit.formats.protobuf import new_model
    from mltoolkit.formats.weight_fields import iter_weight_fields

    spec = new_model()
    spec.CopyFrom(quantized.spec)
    for new, old in zip(iter_weight_fields(spec), iter_weight_fields(model.spec), strict=True):
        if new.role == "bias":
            new.params.CopyFrom(old.params)
    return spec


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("SqueezeNet_fp32_meanfix.mlmodel", 26),
        ("MNIST_ph1ps.mlmodel", 4),
        ("pose_cpm.mlmodel", 145),
        ("FNS-Candy.mlmodel", 16),
        ("activity_lstm_mariozusag.mlmodel", None),
        ("DeepLabV3Int8LUT.mlmodel", None),
    ],
)
def test_every_weight_of_real_models_has_a_site(shared_data: Path, name: str, weights: int | None) -> None:
    model = mlt.load(shared_data / "coreml" / name)
    rewriter, sites, missing = all_sites(model, model.graph())
    assert not missing, missing
    expected = sum(slot.role == "weight" and slot.layer_type in MULTIPLYING for slot in rewriter.slots)
    assert len(sites) == (weights or expected) == expected
    check_inverses(rewriter, sites)


@pytest.mark.parametrize(
    ("name", "nbits"),
    [("SqueezeNet_fp32_meanfix.mlmodel", 4), ("MNIST_ph1ps.mlmodel", 2), ("activity_lstm_mariozusag.mlmodel", 4)],
)
def test_put_does_what_the_file_does(shared_data: Path, name: str, nbits: int) -> None:
    model = mlt.load(shared_data / "coreml" / name)
    check_put(model, mlt.quantize_weights(model, nbits), {})


def test_put_does_what_the_package_does(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    graph = model.graph()
    rewriter, _, _ = all_sites(model, graph)
    sites, reasons = find_sites(graph, rewriter.slots, rewriter.values)
    weights = [slot for slot in rewriter.slots if slot.role == "weight"]
    # The constant-Q transform uses three of its kernels nine times and more.
    without = [slot for slot in weights if slot.index in reasons]
    assert [reasons[slot.index] for slot in without] == ["several operations use it"] * 3
    assert len(sites) == len(weights) - 3
    check_inverses(rewriter, sites)
    mine = {(site.slot.layer, site.slot.name) for site in sites}
    quantized = mlt.quantize_weights(
        model, 4, selector=lambda layer, weight: (layer, weight) in mine, minimum_deployment_target="iOS18"
    )
    check_put(model, quantized, {})


def test_statistics_of_an_lstm_model_gate_by_gate(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "activity_lstm_mariozusag.mlmodel")
    graph = model.graph()
    _, sites, _ = all_sites(model, graph)
    feeds = [feed_of(model, graph, seed) for seed in range(4)]
    stops = list(dict.fromkeys(site.node(graph) for site in sites))
    run = SectionedRun(graph, stops, feeds)
    found = {}
    while run.advance() is not None:
        for site in sites:
            if site.node(graph) is run.stop:
                statistics = site.new_statistics()
                assert isinstance(statistics, InputStatistics)
                for sample in range(run.samples):
                    arrays = site.read(run, sample)
                    statistics.add(*site.columns(arrays, arrays, np.random.default_rng(0), rows=10_000))
                assert statistics.count > 0
                assert np.isfinite(statistics.second_moment).all()
                found[site.slot.name] = statistics.second_moment
    # All input matrices of a direction meet the same inputs, all recursion matrices the same states.
    for owner in ("weightParams[0]", "weightParams[1]"):
        for kind in ("WeightMatrix", "RecursionMatrix"):
            alike = [moment for name, moment in found.items() if name.startswith(owner) and name.endswith(kind)]
            assert len(alike) == 4, sorted(found)
            assert all(np.allclose(alike[0], other, rtol=0, atol=1e-5) for other in alike[1:])


def test_a_copied_graph_leaves_the_model_alone(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "MNIST_ph1ps.mlmodel")
    graph = model.graph()
    rewriter, sites, _ = all_sites(model, graph)
    feed = feed_of(model, graph)
    before = outputs_of(graph, feed)
    changed = copy_graph(graph)
    for site in sites:
        site.put(changed, 0 * rewriter.values(site.slot))
        site.shift_bias(changed, np.ones(site.groups * site.outputs, np.float32))
    after = outputs_of(graph, feed)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    assert not np.array_equal(outputs_of(changed, feed)[name], before[name])
