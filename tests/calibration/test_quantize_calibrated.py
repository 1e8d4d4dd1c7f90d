"""``quantize_calibrated`` from file to file, on the digits' model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_ml_pipelines import pictures as picture_pipeline
from PIL import Image

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError
from mltoolkit.formats.validation import validate_spec
from mltoolkit.model import Model
from mltoolkit.quantization.rewriting import open_rewriter

MODEL = digit_model_path()
FILES = sorted(digit_images_path().rglob("*.png"))
# Every tenth to calibrate with: five of each digit.
SHOWN = FILES[::10]
OTHERS = [file for index, file in enumerate(FILES) if index % 10 in (3, 7)]


@pytest.mark.parametrize(("mode", "nbits"), [("kmeans", 1), ("kmeans", 2), ("linear", 2), ("linear_symmetric", 3)])
def test_calibration_beats_the_values_alone(mode: str, nbits: int) -> None:
    plain = mlt.quantize_weights(MODEL, nbits, mode)
    calibrated = mlt.quantize_calibrated(MODEL, SHOWN, nbits=nbits, quantization_mode=mode)
    before, after = (mlt.compare_models(MODEL, small, OTHERS, progress=False) for small in (plain, calibrated))
    text = f"agreement {before.top1_agreement} → {after.top1_agreement}, KL {before.mean_kl} → {after.mean_kl}"
    assert before.mean_kl is not None and after.mean_kl is not None
    assert before.top1_agreement is not None and after.top1_agreement is not None
    # Measured on 100 other pictures: 2 bits 0.2 to 0.002 nats, 1 bit 2.3 to 0.3.
    assert after.mean_kl < 0.5 * before.mean_kl and after.top1_agreement >= before.top1_agreement, text
    # The same forms take the same bytes. The convolutions, which have none, get biases (68 float32 numbers), and what
    # was done is written into the metadata.
    weights = {small.quantization_report.weight_bytes_after for small in (plain, calibrated)}
    assert len(weights) == 1 and calibrated.size - plain.size < 800


@pytest.mark.parametrize("nbits", [1, 2, 4])
def test_the_file_is_what_was_measured(nbits: int, tmp_path: Path) -> None:
    small = mlt.quantize_calibrated(MODEL, SHOWN, nbits=nbits)
    small.save(tmp_path / "small.mlmodel")
    loaded = mlt.load(tmp_path / "small.mlmodel")
    validate_spec(loaded.spec)
    report = mlt.compare_models(MODEL, loaded, SHOWN, progress=False)
    chosen = small.quantization_report.chosen
    assert chosen.agreement == report.top1_agreement
    # Both are means of the same logarithms, but what is below 1e-9 counts so much here.
    assert chosen.divergence == pytest.approx(report.mean_kl, rel=1e-3, abs=1e-6)
    assert chosen.model_bytes == (tmp_path / "small.mlmodel").stat().st_size
    assert small.quantization_report.model_bytes_after == chosen.model_bytes
    assert chosen.samples == len(SHOWN) and not chosen.held_out


def test_coremltools_reads_it(tmp_path: Path) -> None:
    coremltools = pytest.importorskip("coremltools")
    small = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3)
    small.save(tmp_path / "small.mlmodel")
    theirs = coremltools.models.MLModel(str(tmp_path / "small.mlmodel"), skip_model_load=True)
    assert theirs.get_spec() == small.spec


def test_only_weights_and_biases_change() -> None:
    model = mlt.load(MODEL)
    small = mlt.quantize_calibrated(model, SHOWN, nbits=2)
    assert "com.mltoolkit.quantization" not in model.spec.description.metadata.userDefined
    old, new = open_rewriter(model), open_rewriter(small)
    before = {(slot.layer, slot.name): old.values(slot) for slot in old.slots}
    after = {(slot.layer, slot.name): new.values(slot) for slot in new.slots}
    changed = {name for name, values in before.items() if not np.array_equal(values, after[name])}
    layers = ("conv1", "conv2", "conv3", "dense1", "dense2")
    assert changed == {(layer, "weights") for layer in layers} | {("dense1", "bias"), ("dense2", "bias")}
    # Batch normalisation follows these; what it subtracts is not touched.
    assert after.keys() - before.keys() == {("conv1", "bias"), ("conv2", "bias"), ("conv3", "bias")}


def test_the_same_call_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_limits

    def bytes_of(**options: Any) -> bytes:
        return mlt.quantize_calibrated(MODEL, SHOWN[:20], **options).spec.SerializeToString(deterministic=True)

    first, searched = bytes_of(nbits=2), bytes_of(max_bytes=9_000, curve=False)
    assert bytes_of(max_bytes=9_000, curve=False) == searched
    for cores in (1, 2):
        for module in ("calibration.graphs", "calibration.feeds", "runtime.sections"):
            monkeypatch.setattr(f"mltoolkit.{module}.available_cores", lambda cores=cores: cores)
        with threadpool_limits(limits=cores):
            assert bytes_of(nbits=2) == first, f"{cores} threads"
    assert bytes_of(nbits=2, rows=50, seed=1) != bytes_of(nbits=2, rows=50, seed=2)


def test_its_settings_do_the_same_again() -> None:
    for options in (
        {"nbits": 2, "quantization_mode": "linear"},
        {"max_bytes": 9_500, "curve": False},
        {"nbits": 3, "selector": lambda layer, weight: layer.startswith("dense")},
    ):
        small = mlt.quantize_calibrated(MODEL, SHOWN, **options)
        found = mlt.quantization_settings(small)
        assert found is not None and found.method == "calibrated"
        assert (found.details["samples"], found.details["seed"]) == (len(SHOWN), 0)
        assert found.details["rows"] >= 512
        again = mlt.quantize_calibrated(MODEL, SHOWN, settings=found.to_json())
        assert again.spec == small.spec, options


def test_exceptions_by_layer() -> None:
    settings = {"layers": {"conv1": {"skip": True}, "dense*": {"mode": "linear_symmetric", "nbits": 6}}}
    small = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, settings=settings)
    found = {record.layer: (record.mode, record.bits_after) for record in small.quantization_report.records[::1]}
    records = {
        record.layer: (record.mode, record.bits_after)
        for record in small.quantization_report.records
        if record.weight == "weights"
    }
    assert records == {
        "conv1": ("", 32),
        "conv2": ("kmeans", 3),
        "conv3": ("kmeans", 3),
        "dense1": ("linear_symmetric", 6),
        "dense2": ("linear_symmetric", 6),
    }, found
    with pytest.raises(ArgumentError, match="cnv1"):
        mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, settings={"layers": {"cnv1": {"skip": True}}})
    with pytest.raises(ArgumentError, match="cnv1"):
        mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=20_000, settings={"layers": {"cnv1": {"skip": True}}})


def test_a_table_of_the_own_values_stays_that() -> None:
    """Nothing is to be approximated: a table of other numbers is not what the mode ``unique`` is asked for."""
    coded = mlt.quantize_weights(MODEL, 4, "kmeans")
    small = mlt.quantize_calibrated(
        coded, SHOWN, nbits=3, settings={"layers": {"conv2": {"mode": "unique"}}}, only_if_smaller=False
    )
    records = {record.layer: record for record in small.quantization_report.records if record.weight == "weights"}
    assert records["conv3"].bits_after == 3 and records["conv3"].reason.startswith("output SNR")
    before, after = ({slot.key: one.values(slot) for slot in one.slots} for one in map(open_rewriter, (coded, small)))
    np.testing.assert_array_equal(after["conv2.weights"], before["conv2.weights"])
    plain = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, settings={"layers": {"dense1": {"mode": "unique"}}})
    (kept,) = (one for one in plain.quantization_report.records if (one.layer, one.weight) == ("dense1", "weights"))
    assert not kept.mode and "different values" in kept.reason


def test_float16_models_are_calibrated_too() -> None:
    half = mlt.quantize_weights(MODEL, 16)
    small = mlt.quantize_calibrated(half, SHOWN, nbits=2)
    validate_spec(small.spec)
    report = mlt.compare_models(half, small, SHOWN, progress=False)
    chosen = small.quantization_report.chosen
    assert chosen.agreement == report.top1_agreement
    # Biases are float16 in the file, and were float32 where the divergence was measured.
    assert chosen.divergence == pytest.approx(report.mean_kl, rel=0.1, abs=1e-4)
    layers = {layer.name: layer for layer in small.spec.neuralNetworkClassifier.layers}
    assert layers["dense2"].innerProduct.bias.float16Value and not layers["dense2"].innerProduct.bias.floatValue


def test_quantized_models_are_calibrated_from_what_their_codes_stand_for() -> None:
    first = mlt.quantize_weights(MODEL, 8, "kmeans")
    small = mlt.quantize_calibrated(first, SHOWN, nbits=2)
    assert len(small.quantization_report.changed) == 5
    again = mlt.quantize_calibrated(first, SHOWN, nbits=8)
    assert not again.quantization_report.changed
    assert "already 8 bits, lookup table" in again.quantization_report.reasons


def test_progress_is_told_weight_by_weight() -> None:
    calls: list[tuple[int, int, str]] = []
    mlt.quantize_calibrated(MODEL, SHOWN[:5], nbits=4, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(done, 5) for done in range(1, 6)]
    assert [call[2] for call in calls] == ["conv1", "conv2", "conv3", "dense1", "dense2"]


def test_a_limit_takes_pictures_from_all_of_a_folder() -> None:
    from mltoolkit.calibration.feeds import stage_feeds

    feeds = stage_feeds(mlt.load(MODEL), digit_images_path(), limit=10)
    assert [name.split("/")[0] for name in feeds.names] == [str(digit) for digit in range(10)]
    assert len(stage_feeds(mlt.load(MODEL), iter(FILES), limit=7)) == 7
    assert len(stage_feeds(mlt.load(MODEL), FILES[:3], limit=7)) == 3


def test_pictures_of_other_sizes_are_fitted() -> None:
    large = [Image.open(file).resize((61, 47)) for file in SHOWN]
    small = mlt.quantize_calibrated(MODEL, large, nbits=3)
    report = mlt.compare_models(MODEL, small, OTHERS, progress=False)
    assert report.top1_agreement is not None and report.top1_agreement >= 0.95


def test_pipelines_are_calibrated_stage_by_stage() -> None:
    model = Model.from_spec(picture_pipeline(second_color=20))
    rng = np.random.default_rng(0)
    samples = [Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in range(30)]
    small = mlt.quantize_calibrated(model, samples, nbits=2, only_if_smaller=False)
    validate_spec(small.spec)
    report = small.quantization_report
    assert [record.stage for record in report.changed] == ["stage 0", "stage 1"]
    assert all("output SNR" in record.reason for record in report.changed)
    plain = mlt.quantize_weights(model, 2, "kmeans", only_if_smaller=False)

    def error(other: Model) -> float:
        pairs = [(model.predict({"image": one})["out"], other.predict({"image": one})["out"]) for one in samples]
        return float(np.mean([((a - b) ** 2).mean() for a, b in pairs]))

    assert error(small) < error(plain), (error(small), error(plain))
    found = mlt.quantization_settings(small)
    assert found is not None and set(found.weights) == {"stage 0/first.weights", "stage 1/second.weights"}


def test_a_report_in_text_json_and_plot(tmp_path: Path) -> None:
    small = mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=12_000)
    report = small.quantization_report
    text = str(report)
    assert text.startswith("calibrated ") and "(chosen)" in text and "calibrated with 50 samples" in text
    plain = report.to_dict()
    assert plain["samples"] == 50 and [point["name"] for point in plain["curve"]] == [p.name for p in report.curve]
    assert set(report.pareto) <= set(report.curve) and report.curve == tuple(
        sorted(report.curve, key=lambda point: point.model_bytes)
    )
    assert "conv1" in report._repr_html_()
    pytest.importorskip("matplotlib")
    axes = report.plot()
    assert axes.get_ylabel() == "agreement with the float model, %"
    axes.figure.savefig(tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert len(np.unique(colours, axis=0)) > 5
