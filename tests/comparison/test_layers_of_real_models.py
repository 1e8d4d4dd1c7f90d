"""Layers of real models: two files of one network, a network and its ML Program, an ML Program of few bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mltoolkit as mlt


def test_apples_eight_bits_against_apples_float32(shared_data: Path) -> None:
    """Two files of one network by the same author, neither made here."""
    folder = shared_data / "coreml"
    report = mlt.compare_layers(
        folder / "SqueezeNet_fp32.mlmodel",
        folder / "SqueezeNetInt8LUT.mlmodel",
        shared_data / "images" / "free",
        max_samples=3,
    )
    assert len(report.layers) == 65 and not report.left_out, str(report)
    # Eight bits a weight give some 40 dB a layer; ten modules add up.
    assert report.starts_at is None or report.starts_at.snr_db > 15, str(report)
    assert report.layers[0].snr_db < 60, "their weights do differ"


@pytest.mark.parametrize(
    "name", ["SqueezeNet_fp32_meanfix.mlmodel", "pose_cpm.mlmodel", "NeuralMcNeuralNet_custom_swish.mlmodel"]
)
def test_in_isolation_only_quantized_layers_differ(shared_data: Path, name: str) -> None:
    model = mlt.load(shared_data / "coreml" / name)
    small = mlt.quantize_weights(model, 4, "kmeans")
    report = mlt.compare_layers(model, small, shared_data / "images" / "free", max_samples=1)
    changed = {record.layer for record in small.quantization_report.changed}
    wrong = {layer.layer for layer in report.layers if layer.isolated_snr_db != float("inf")}
    assert wrong == changed & {layer.layer for layer in report.layers}, wrong ^ changed
    # Some 6 dB a bit, more or less by how evenly the weights are spread.
    assert report.worst_isolated is not None and report.worst_isolated.isolated_snr_db is not None
    assert 5 < report.worst_isolated.isolated_snr_db < 40, str(report)


def test_a_network_and_its_ml_program_have_the_same_layers(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "SqueezeNet_fp32_meanfix.mlmodel")
    package = mlt.convert(model, format="mlpackage", verify=False)
    report = mlt.compare_layers(model, package, shared_data / "images" / "free", max_samples=2)
    assert len(report.layers) == 64, str(report)
    # The same float32 operations: 100 dB is 17 of 24 bits.
    assert report.worst.snr_db > 100, str(report)


def test_an_ml_program_of_few_bits(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    rng = np.random.default_rng(0)
    samples = [{"input_2": rng.normal(0, 0.1, (1, 43844, 1)).astype(np.float32)} for _ in range(2)]
    small = mlt.quantize_weights(model, 4, "kmeans", minimum_deployment_target="iOS16")
    report = mlt.compare_layers(model, small, samples)
    names = [layer.layer for layer in report.layers]
    assert names == [layer.name for layer in model.summary().layers], report.left_out
    assert report.worst.snr_db < 40
    assert all(layer.snr_db == float("inf") for layer in report.layers[:2]), "nothing before the first weight differs"
