"""Calibrating each type of layer: what the file says is what was measured, and less is lost than by values alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from weighted_networks import NETWORKS

import mltoolkit as mlt
from mltoolkit.calibration import layer, network
from mltoolkit.calibration.feeds import stage_feeds
from mltoolkit.calibration.graphs import run_graph
from mltoolkit.calibration.layer import CalibratedWeight, calibrate_weight
from mltoolkit.calibration.model import CalibratedModel, Calibration
from mltoolkit.calibration.network import Effort
from mltoolkit.calibration.problem import Problem, make_problem
from mltoolkit.calibration.sites import Site
from mltoolkit.formats.validation import validate_spec
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig

SAMPLES = 40


def samples_of(model: Model, shape: tuple[int, ...], seed: int = 0) -> list[dict[str, Any]]:
    """Inputs with correlated channels of different sizes, as layers meet them; whole numbers for embeddings."""
    rng = np.random.default_rng(seed)
    if shape[-1] == 1:
        return [{"x": rng.integers(0, 11, shape).astype(np.int32)} for _ in range(SAMPLES)]
    last = shape[-1]
    mixing = rng.standard_normal((last, last)) * np.geomspace(0.2, 2, last)
    return [{"x": (rng.standard_normal(shape) @ mixing + 0.5).astype(np.float32)} for _ in range(SAMPLES)]


def calibrated(model: Model, shape: tuple[int, ...], **options: Any) -> tuple[CalibratedModel, Calibration]:
    calibration = Calibration(model, stage_feeds(model, samples_of(model, shape)), Effort())
    config = QuantizationConfig(**({"nbits": 3, "quantization_mode": "kmeans", "only_if_smaller": False} | options))
    return calibration.quantize(config), calibration


def relative_error(expected: list[Mapping[str, Any]], found: list[Mapping[str, Any]]) -> float:
    error = sum(float(((a["y"] - b["y"]) ** 2).sum()) for a, b in zip(expected, found, strict=True))
    return error / sum(float((a["y"] ** 2).sum()) for a in expected)


@pytest.mark.parametrize("mode", ["kmeans", "linear", "linear_symmetric", "linear_lut"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_type_in_every_mode(name: str, mode: str) -> None:
    build, count = NETWORKS[name]
    spec, shape = build()
    model = Model.from_spec(spec)
    result, calibration = calibrated(model, shape, quantization_mode=mode)
    done = [record for record in result.records if record.mode]
    assert len(done) == count
    assert all(record.reason.startswith("output SNR") for record in done), [record.reason for record in done]
    small = result.rewriter.finish()
    validate_spec(small.spec)
    (stage,) = calibration.feeds.stages.values()
    expected = run_graph(stage.graph, stage.feeds)
    measured = run_graph(result.graphs[""], stage.feeds)
    loaded = run_graph(small.graph(dict(stage.shapes)), stage.feeds)
    for one, other in zip(measured, loaded, strict=True):
        # The file adds a gate's two shifts to one bias, the graph one after the other.
        np.testing.assert_allclose(one["y"], other["y"], rtol=1e-4, atol=1e-5 * np.abs(other["y"]).max())
    plain = mlt.quantize_weights(model, 3, mode, only_if_smaller=False)
    before = relative_error(expected, run_graph(plain.graph(dict(stage.shapes)), stage.feeds))
    after = relative_error(expected, measured)
    # Embeddings of rows that are looked up about as often as each other gain nothing by it.
    assert after < (1.1 if name == "embedding" else 1.0) * before, f"{after:.4f} calibrated, {before:.4f} from values"


@pytest.mark.parametrize("mode", ["kmeans", "linear"])
@pytest.mark.parametrize("name", ["convolution", "grouped deconvolution", "inner product of vectors"])
def test_the_output_snr_is_that_of_the_stored_values(name: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problems, weights = [], []

    def keep_problem(*arguments: Any, **options: Any) -> Problem:
        problems.append(make_problem(*arguments, **options))
        return problems[-1]

    def keep_weight(site: Site, *arguments: Any, **options: Any) -> CalibratedWeight:
        weights.append((site, calibrate_weight(site, *arguments, **options)))
        return weights[-1][1]

    monkeypatch.setattr(layer, "make_problem", keep_problem)
    monkeypatch.setattr(network, "calibrate_weight", keep_weight)
    spec, shape = NETWORKS[name][0]()
    calibrated(Model.from_spec(spec), shape, nbits=2, quantization_mode=mode)
    ((problem,), ((site, result),)) = problems, weights
    error = (site.matrix(result.values) - problem.target).astype(np.float64)
    loss = np.einsum("goi,gij,goj->", error, problem.hessian.astype(np.float64), error)
    # What the solver saw, before it stretched the grid, is 0.04 to 0.1 dB off.
    assert result.output_snr_db == pytest.approx(10 * np.log10(problem.power.sum() / loss), abs=1e-3)


@pytest.mark.parametrize("name", ["convolution", "grouped deconvolution", "inner product of vectors", "embedding"])
def test_a_table_of_the_callers(name: str) -> None:
    spec, shape = NETWORKS[name][0]()
    model = Model.from_spec(spec)
    asked: list[tuple[int, ...]] = []

    def own(nbits: int, weights: np.ndarray) -> tuple[list[float], np.ndarray]:
        asked.append(weights.shape)
        return [0.8, -0.8, 0.0, 1.6], np.zeros(weights.size, np.uint8)

    result, _ = calibrated(model, shape, nbits=2, quantization_mode="custom_lut", lut_function=own)
    small = result.rewriter.finish()
    from mltoolkit.quantization.rewriting import open_rewriter

    (slot,) = (slot for slot in open_rewriter(small).slots if slot.role == "weight")
    values = np.unique(open_rewriter(small).values(slot))
    assert set(values.tolist()) <= {np.float32(number).item() for number in (-0.8, 0.0, 0.8, 1.6)}
    assert len(values) > 1 and asked


def test_biases_make_up_for_means() -> None:
    spec, shape = NETWORKS["inner product of rows"][0]()
    model = Model.from_spec(spec)
    for nbits in (1, 3):
        result, calibration = calibrated(model, shape, nbits=nbits)
        (stage,) = calibration.feeds.stages.values()
        expected = np.stack([one["y"] for one in run_graph(stage.graph, stage.feeds)])
        found = np.stack([one["y"] for one in run_graph(result.graphs[""], stage.feeds)])
        axes = tuple(range(expected.ndim - 1))
        # Every position was looked at: what is left is the rounding of float32 sums.
        np.testing.assert_allclose(found.mean(axes), expected.mean(axes), atol=2e-4 * np.abs(expected).max())


def test_a_bias_is_made_where_there_is_none() -> None:
    spec, shape = NETWORKS["grouped convolution"][0]()
    assert not spec.neuralNetwork.layers[0].convolution.hasBias
    result, _ = calibrated(Model.from_spec(spec), shape)
    convolution = result.rewriter.finish().spec.neuralNetwork.layers[0].convolution
    assert convolution.hasBias and len(convolution.bias.floatValue) == 8 and any(convolution.bias.floatValue)


def test_rows_of_an_embedding_that_are_never_looked_up_count_little() -> None:
    spec, _ = NETWORKS["embedding"][0]()
    model = Model.from_spec(spec)
    often = [{"x": np.full((6, 1), 3, np.int32)}] * 30 + [{"x": np.full((6, 1), 5, np.int32)}] * 30
    config = QuantizationConfig(nbits=3, quantization_mode="kmeans", only_if_smaller=False)
    result = Calibration(model, stage_feeds(model, often), Effort()).quantize(config)
    params = spec.neuralNetwork.layers[0].embeddingND
    before = np.array(params.weights.floatValue).reshape(7, 11)
    from mltoolkit.quantization.rewriting import open_rewriter

    small = open_rewriter(result.rewriter.finish())
    after = small.values(next(slot for slot in small.slots if slot.role == "weight"))
    error = ((after - before) ** 2).mean(axis=0)
    assert error[[3, 5]].mean() < 0.2 * np.delete(error, [3, 5]).mean(), error


def test_float16_needs_no_calibration() -> None:
    spec, shape = NETWORKS["convolution"][0]()
    result, _ = calibrated(Model.from_spec(spec), shape, nbits=16)
    assert {record.mode for record in result.records} == {"float16"}
    validate_spec(result.rewriter.finish().spec)
