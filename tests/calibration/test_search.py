"""Budgets: what is promised of bytes, rates and agreements holds for the files that come out."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program
from test_program_sites import normal

import mltoolkit as mlt
from mltoolkit.calibration.candidates import find_shares
from mltoolkit.calibration.feeds import stage_feeds
from mltoolkit.calibration.model import Calibration
from mltoolkit.calibration.network import Effort
from mltoolkit.calibration.report import CurvePoint
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import QuantizationError
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.rewriting_spec import SpecRewriter

MODEL = digit_model_path()
SHOWN = sorted(digit_images_path().rglob("*.png"))[::25]


def smallest_of(model: Any, samples: Any, **options: Any) -> int:
    with pytest.raises(QuantizationError, match="smallest reachable takes") as caught:
        mlt.quantize_calibrated(model, samples, max_bytes=1, **options)
    return int(str(caught.value).split("max_bytes=")[1].split()[0])


@pytest.mark.parametrize("mode", ["kmeans", "linear_symmetric"])
def test_the_file_never_exceeds_max_bytes(mode: str, tmp_path: Path) -> None:
    smallest = smallest_of(MODEL, SHOWN, quantization_mode=mode)
    for most in (smallest, smallest + 70, 14_321, 30_000):
        if most < smallest:
            continue
        small = mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=most, quantization_mode=mode, curve=False)
        small.save(tmp_path / "small.mlmodel")
        size = (tmp_path / "small.mlmodel").stat().st_size
        assert size <= most and size == small.quantization_report.chosen.model_bytes
        # What is not used is less than the next finer form of most weights would take.
        assert size > 0.85 * most, (size, most)
    with pytest.raises(QuantizationError, match=f"takes {smallest:,}"):
        mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=smallest - 1, quantization_mode=mode)


def test_more_bytes_than_the_model_has_leave_it_alone() -> None:
    small = mlt.quantize_calibrated(MODEL, SHOWN[:5], max_bytes=10**7, curve=False)
    assert small.spec == mlt.load(MODEL).spec
    assert small.quantization_report.chosen.divergence == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rate", [1.3, 3.7])
def test_rates_are_kept(rate: float) -> None:
    small = mlt.quantize_calibrated(MODEL, SHOWN, max_bits_per_weight=rate, curve=False)
    weights = [record for record in small.quantization_report.records if record.weight == "weights"]
    bits = 8 * sum(record.bytes_after for record in weights) / sum(np.prod(record.shape) for record in weights)
    assert bits <= rate and bits == pytest.approx(small.quantization_report.chosen.bits_per_weight)
    assert bits > 0.8 * rate


def test_the_least_rate_succeeds() -> None:
    with pytest.raises(QuantizationError, match="least reachable is") as caught:
        mlt.quantize_calibrated(MODEL, SHOWN, max_bits_per_weight=0.5)
    least = float(str(caught.value).split("max_bits_per_weight=")[1].split()[0])
    small = mlt.quantize_calibrated(MODEL, SHOWN, max_bits_per_weight=least, curve=False)
    assert small.quantization_report.chosen.bits_per_weight <= least < 1.1


def of_name(points: tuple[CurvePoint, ...], name: str) -> list[CurvePoint]:
    return [point for point in points if point.name.startswith(name)]


@pytest.mark.parametrize("most", [7_000, 9_600, 13_000])
def test_never_worse_than_uniform_bits(most: int) -> None:
    report = mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=most, curve=False).quantization_report
    uniform = of_name(report.curve, "uniform")
    assert uniform and all(point.model_bytes <= most for point in report.curve)
    assert report.chosen.divergence == min(point.divergence for point in report.curve)
    # The uniform one was made as if it had been asked for by itself.
    (bits,) = {int(point.name.split()[1]) for point in uniform}
    alone = mlt.quantize_calibrated(MODEL, SHOWN, nbits=bits).quantization_report.chosen
    assert uniform[0].divergence == pytest.approx(alone.divergence, rel=1e-6)
    assert report.chosen.divergence <= alone.divergence


def test_the_smallest_that_keeps_the_agreement_is_returned() -> None:
    shown = sorted(digit_images_path().rglob("*.png"))[::6]
    for least in (0.5, 0.97):
        small = mlt.quantize_calibrated(MODEL, shown, min_agreement=least)
        report = small.quantization_report
        assert report.chosen.agreement is not None and report.chosen.agreement >= least
        enough = [point for point in report.curve if (point.agreement or 0) >= least]
        assert report.chosen.model_bytes == min(point.model_bytes for point in enough)
        assert len(report.curve) > 2 and all(point.held_out for point in report.curve)
        assert report.samples + report.chosen.samples == len(shown)
    # Never seen, the model agrees about as often as on the pictures held out: within their 95 % interval.
    others = [file for file in sorted(digit_images_path().rglob("*.png")) if file not in shown][::3]
    found = mlt.compare_models(MODEL, small, others, progress=False).top1_agreement
    assert found is not None and report.chosen.interval is not None and found >= report.chosen.interval[0] - 0.03


def test_an_agreement_out_of_reach() -> None:
    with pytest.raises(QuantizationError, match=r"agrees in 100.0%.*the best reached [0-9.]+%"):
        mlt.quantize_calibrated(MODEL, SHOWN, min_agreement=1.0, agreement=lambda expected, found: 0.5, held_out=0.2)


def test_held_out_samples_are_not_calibrated_with() -> None:
    small = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, held_out=0.4)
    report = small.quantization_report
    assert (report.samples, report.chosen.samples, report.chosen.held_out) == (12, 8, True)
    again = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, held_out=0.4)
    assert again.spec == small.spec
    other = mlt.quantize_calibrated(MODEL, SHOWN, nbits=3, held_out=0.4, seed=5)
    assert other.spec != small.spec


def test_bits_that_settings_give_are_kept() -> None:
    settings = {"layers": {"dense1": {"nbits": 7}, "conv2": {"skip": True}}}
    small = mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=40_000, settings=settings, curve=False)
    bits = {
        record.layer: record.bits_after for record in small.quantization_report.records if record.weight == "weights"
    }
    assert bits["dense1"] == 7 and bits["conv2"] == 32


@pytest.mark.parametrize("budget", [{"max_bytes": 12_000}, {"max_bits_per_weight": 3.0}, {"min_agreement": 0.8}])
def test_at_most_two_finished_models_are_kept(budget: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The best so far and the one that is being measured."""
    models: weakref.WeakSet[Any] = weakref.WeakSet()
    rewriters: weakref.WeakSet[Any] = weakref.WeakSet()
    counts = []
    make, finish = Model.__init__, SpecRewriter.finish_spec

    def made(model: Model, *arguments: Any, **options: Any) -> None:
        make(model, *arguments, **options)
        models.add(model)

    def finished(rewriter: SpecRewriter) -> Any:
        # A rewriter holds the message of the model that it finishes; the model itself is made after this.
        rewriters.add(rewriter)
        gc.collect()
        counts.append((len(models) + 1, len(rewriters)))
        return finish(rewriter)

    source = mlt.load(MODEL)
    monkeypatch.setattr(Model, "__init__", made)
    monkeypatch.setattr(SpecRewriter, "finish_spec", finished)
    report = mlt.quantize_calibrated(source, SHOWN, **budget).quantization_report
    assert len(counts) >= len(report.curve) > 2
    assert max(number for number, _ in counts) == 2, counts
    assert max(number for _, number in counts) == 1, counts


def test_a_curve_of_other_sizes() -> None:
    report = mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=12_000).quantization_report
    beyond = [point for point in report.curve if point.model_bytes > 12_000]
    assert len(beyond) >= 2 and not any(point.chosen for point in beyond)
    front = report.pareto
    assert [point.divergence for point in front] == sorted((point.divergence for point in front), reverse=True)


def test_losses_fall_with_bits_and_do_not_depend_on_the_others() -> None:
    model = mlt.load(MODEL)
    calibration = Calibration(model, stage_feeds(model, SHOWN), Effort())
    shares = find_shares(calibration, QuantizationConfig(nbits=8, quantization_mode="kmeans"))
    assert len(shares.options) == 5 and shares.weights == sum(
        decision.slot.count for decision in shares.decisions.values()
    )
    for own in shares.options.values():
        coded = [option for option in own if option.form is not None and option.form.kind == "table"]
        assert [option.bytes for option in coded] == sorted(option.bytes for option in coded)
        losses = [option.loss for option in coded]
        assert losses == sorted(losses, reverse=True) and losses[0] > 10 * losses[-1] > 0, losses
        (alone,) = (option for option in own if option.form is None)
        assert alone.loss == 0.0
        floats = [option for option in own if option.form is not None and option.form.kind == "float16"]
        assert all(option.loss <= losses[-1] for option in floats)
    for layer in ("conv2", "dense2"):
        only = QuantizationConfig(
            nbits=8, quantization_mode="kmeans", selector=lambda name, weight, layer=layer: name == layer
        )
        ((index, own),) = find_shares(calibration, only).options.items()
        for option, other in zip(own, shares.options[index], strict=True):
            assert (option.form, option.bytes) == (other.form, other.bytes)
            # A bias that is shifted back and forth ends one rounding off.
            assert option.loss == pytest.approx(other.loss, rel=1e-3, abs=1e-9)


def two_products() -> Model:
    """A linear operation and a matrix product."""
    spec, block = new_program({"x": ("float32", (1, 24))}, {"y": ("float32", (1, 20))})
    for name, array in (("the first", normal(32, 24)), ("the second", normal(32, 20))):
        add_operation(block, "const", {}, {name: ("float32", array.shape)}, {"name": name, "val": array})
    add_operation(block, "linear", {"x": Ref("x"), "weight": Ref("the first")}, {"h": ("float32", (1, 32))})
    add_operation(block, "relu", {"x": Ref("h")}, {"r": ("float32", (1, 32))})
    add_operation(
        block,
        "matmul",
        {"x": Ref("r"), "y": Ref("the second"), "transpose_x": False, "transpose_y": False},
        {"y": ("float32", (1, 20))},
    )
    return Model.from_spec(spec)


@pytest.mark.parametrize("mode", ["kmeans", "linear"])
def test_ml_programs_to_a_size(mode: str, tmp_path: Path) -> None:
    model = two_products()
    rng = np.random.default_rng(0)
    samples = [{"x": rng.standard_normal((1, 24)).astype(np.float32)} for _ in range(30)]
    options = {"quantization_mode": mode, "minimum_deployment_target": "iOS18", "curve": False}
    smallest = smallest_of(model, samples, **options)
    for most in (smallest, smallest + 300, 5_000):
        small = mlt.quantize_calibrated(model, samples, max_bytes=most, **options)
        small.save(tmp_path / "small.mlpackage")
        parts = [path for path in (tmp_path / "small.mlpackage").rglob("*") if path.suffix in (".mlmodel", ".bin")]
        assert sum(path.stat().st_size for path in parts) <= most
        loaded = mlt.load(tmp_path / "small.mlpackage")
        for sample in samples[:3]:
            np.testing.assert_array_equal(loaded.predict(sample)["y"], small.predict(sample)["y"])


def test_no_classifier_has_no_agreement() -> None:
    from mltoolkit.errors import ArgumentError

    model = two_products()
    samples = [{"x": normal(1, 24, seed=seed)} for seed in range(40)]
    with pytest.raises(ArgumentError, match="no classifier"):
        mlt.quantize_calibrated(model, samples, min_agreement=0.9)

    def close(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> float:
        return float(np.abs(expected["y"] - found["y"]).max() < 0.1 * np.abs(expected["y"]).max())

    small = mlt.quantize_calibrated(model, samples, min_agreement=0.5, held_out=0.5, agreement=close)
    assert small.quantization_report.chosen.agreement >= 0.5
    report = mlt.quantize_calibrated(model, samples, nbits=4).quantization_report
    assert report.chosen.agreement is None and report.chosen.interval is None and report.chosen.divergence > 0
    assert report.pareto == report.curve
