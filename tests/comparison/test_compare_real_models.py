"""compare_models on real files: SqueezeNet in float16 and 8 bits, style transfer, pose heat maps."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mltoolkit as mlt
from mltoolkit.comparison import psnr_db

PICTURES = 40


@pytest.fixture(scope="module")
def squeezenets(shared_data: Path) -> tuple[mlt.Model, mlt.Model]:
    folder = shared_data / "coreml"
    return mlt.load(folder / "SqueezeNetFP16.mlmodel"), mlt.load(folder / "SqueezeNetInt8LUT.mlmodel")


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "images" / "imagenet").glob("*.JPEG"))[:: 500 // PICTURES][:PICTURES]


@pytest.fixture(scope="module")
def report(squeezenets, photographs) -> mlt.ComparisonReport:
    return mlt.compare_models(*squeezenets, photographs)


def test_agreement_is_that_of_the_predicted_labels(report, squeezenets, photographs) -> None:
    """One picture at a time through predict, as a user would check it; no repeated label comes first here."""
    first, second = ([model.predict({"image": path})["classLabel"] for path in photographs] for model in squeezenets)
    assert [row.reference_label for row in report.inputs] == first
    assert [row.other_label for row in report.inputs] == second
    assert report.top1_agreement == np.mean([a == b for a, b in zip(first, second, strict=True)])
    # 482 of 500 on the whole folder; four standard deviations on 40 pictures are 12 %.
    assert 0.84 <= report.top1_agreement <= 1
    assert report.top5_agreement >= report.top1_agreement


def test_divergence_is_small_but_not_zero(report) -> None:
    # 0.006 nats on the whole folder.
    assert 0.001 < report.mean_kl < 0.02, report.mean_kl
    assert len(report.worst) == 10


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_the_same(report, squeezenets, photographs, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    # A parent whose sessions have threads of their own is what a fork could stumble over.
    squeezenets[0].predict({"image": photographs[0]})
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        assert mlt.compare_models(*squeezenets, photographs, executor=executor) == report


def test_center_crop_changes_what_the_models_see(report, squeezenets, photographs) -> None:
    cropped = mlt.compare_models(*squeezenets, photographs[:8], crop="center")
    pixels = squeezenets[0].prepare_image("image", photographs[0], "center")
    scores = squeezenets[0].predict_raw({"image": pixels}, threads=1)["classLabelProbs"]
    assert cropped.inputs[0].reference_score == float(scores.max())
    assert [row.reference_score for row in cropped.inputs] != [row.reference_score for row in report.inputs[:8]]


def test_paths_and_specs_are_loaded(shared_data: Path, photographs) -> None:
    path = shared_data / "coreml" / "SqueezeNetFP16.mlmodel"
    same = mlt.compare_models(str(path), mlt.load(path).spec, photographs[:2])
    assert (same.top1_agreement, same.mean_kl, same.worst) == (1, 0, ())


def test_pictures_of_a_style_transfer(shared_data: Path) -> None:
    """Two styles of one network on one photograph; the figures are those of the pictures of predict."""
    models = [mlt.load(shared_data / "coreml" / f"FNS-{style}.mlmodel") for style in ("Candy", "Mosaic")]
    photograph = next((shared_data / "images" / "free").glob("*chelsea*"))
    report = mlt.compare_models(*models, photograph)
    answers = [model.predict({"inputImage": photograph})["outputImage"] for model in models]
    # The opaque fourth channel would count as equal pixels.
    first, second = (np.asarray(answer.convert("RGB")) for answer in answers)
    (output,) = report.outputs
    assert (output.name, output.count, output.identical) == ("outputImage", 1, 0)
    # One thread and several may round a few of 1.5 million pixels differently.
    assert output.psnr.mean == pytest.approx(psnr_db(first, second, peak=255), abs=1e-3)
    assert output.ssim is None or 0 < output.ssim < 1
    assert report.top1_agreement is None


def test_heat_maps_of_a_pose_network(shared_data: Path, photographs) -> None:
    model = mlt.load(shared_data / "coreml" / "pose_cpm.mlmodel")
    report = mlt.compare_models(model, model, [Image.open(photographs[0])])
    assert [output.identical for output in report.outputs] == [1]
    assert report.outputs[0].snr.mean == math.inf
    assert report.worst == ()


def test_a_lstm_classifier_with_states(shared_data: Path) -> None:
    """Dictionaries of arrays; the states that it gives out are measured beside its classes."""
    model = mlt.load(shared_data / "coreml" / "activity_lstm_mariozusag.mlmodel")
    random = np.random.default_rng(3)
    shapes = {feature.name: feature.shape for feature in model.inputs if not feature.optional}
    data = [{name: random.normal(size=shape) for name, shape in shapes.items()} for _ in range(3)]
    report = mlt.compare_models(model, model, data)
    assert (report.top1_agreement, report.count) == (1, 3)
    assert len(report.outputs) == 4
