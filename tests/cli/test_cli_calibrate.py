"""``mltoolkit quantize --calibrate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path

Run = Callable[..., tuple[int, str, str]]
MODEL, PICTURES = digit_model_path(), digit_images_path()
FEW = ("--calibrate", PICTURES, "--limit", 20)


def test_bits_of_all_weights(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "small.mlmodel"
    code, out, err = run("quantize", MODEL, "-o", target, *FEW, "--nbits", 3, "--progress")
    assert code == 0, err
    assert "Calibrating" in err and "5/5" in err
    assert out.startswith("calibrated kmeans, 3 bits: 5 of 19 weights changed")
    assert "output SNR" in out and "calibrated with 20 samples" in out and "20 samples are few" in out
    assert "uniform 3 bits: 3.05 bits a weight" in out and "(chosen)" in out
    expected = mlt.quantize_calibrated(MODEL, PICTURES, nbits=3, limit=20)
    assert mlt.load(target).spec == expected.spec


def test_json_size_and_plot(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target, plot = tmp_path / "small.mlmodel", tmp_path / "curve.png"
    arguments = ("quantize", MODEL, "-o", target, *FEW, "--max-bytes", 9_000, "--plot", plot, "--json")
    code, out, err = run(*arguments)
    assert code == 0, err
    report = json.loads(out)
    assert target.stat().st_size == report["model_bytes_after"] <= 9_000
    assert report["output"] == str(target) and report["samples"] == 20
    assert sum(point["chosen"] for point in report["curve"]) == 1 and len(report["curve"]) > 3
    with Image.open(plot) as picture:
        assert min(picture.size) > 500
    target.unlink()
    code, _, err = run(*arguments)
    assert code == 1 and "curve.png' exists already" in err and not target.exists()
    code, _, err = run(*arguments[:-2], tmp_path / "curve.txt")
    assert code == 1 and "a plot cannot be written as '.txt'" in err


def test_rate_and_agreement(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "small.mlmodel"
    code, out, err = run("quantize", MODEL, "-o", target, *FEW, "--max-bits-per-weight", 2.5, "--json")
    assert code == 0, err
    (chosen,) = (point for point in json.loads(out)["curve"] if point["chosen"])
    assert chosen["bits_per_weight"] <= 2.5
    arguments = ("quantize", MODEL, "-o", target, *FEW, "--min-agreement", 0.6, "--held-out", 0.4, "--json", "-f")
    code, out, err = run(*arguments)
    assert code == 0, err
    (chosen,) = (point for point in json.loads(out)["curve"] if point["chosen"])
    assert chosen["agreement"] >= 0.6 and chosen["held_out"] and chosen["samples"] == 8


def test_settings_of_a_model_do_the_same_again(run: Run, tmp_path: Path) -> None:
    first, settings, again = tmp_path / "a.mlmodel", tmp_path / "settings.json", tmp_path / "b.mlmodel"
    arguments = ("quantize", MODEL, *FEW, "--mode", "linear", "--skip", "conv1", "--seed", 3)
    assert run(*arguments, "--nbits", 2, "-o", first)[0] == 0
    found = mlt.quantization_settings(first)
    assert found is not None and found.method == "calibrated" and found.details["seed"] == 3
    found.to_json(settings)
    code, _, err = run("quantize", MODEL, *FEW, "--seed", 3, "--settings", settings, "-o", again)
    assert code == 0, err
    assert again.read_bytes() == first.read_bytes()
    # Without pictures, the same forms from the values alone.
    code, _, err = run("quantize", MODEL, "--settings", settings, "-o", again, "-f")
    assert code == 0, err
    assert again.stat().st_size < 1.02 * first.stat().st_size and again.read_bytes() != first.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-bytes", 9_000), "--max-bytes needs samples to measure with. Give --calibrate SAMPLES"),
        (("--plot", "c.png"), "--plot needs samples"),
        (FEW, "nothing says how small the model shall be"),
        ((*FEW, "--nbits", 4, "--max-bytes", 9_000), "--nbits and --max-bytes are given"),
        ((*FEW, "--max-bytes", 100), "the smallest reachable takes 6,4"),
        ((*FEW, "--min-agreement", 1.5), "--min-agreement is 1.5"),
        ((*FEW, "--nbits", 9), "weights cannot have 9 bits"),
        ((*FEW, "--nbits", 4, "--mode", "kmean"), "Did you mean 'kmeans'"),
        ((*FEW, "--nbits", 4, "--crop", "middle"), "there is no crop 'middle'"),
        ((*FEW, "--nbits", 4, "--include-biases"), "calibration corrects biases"),
        (("--calibrate", "nowhere", "--nbits", 4), "the sample data does not exist"),
        ((*FEW, "--settings", "nowhere.json"), "the settings cannot be read"),
    ],
)
def test_wrong_use(run: Run, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    target = tmp_path / "small.mlmodel"
    code, _, err = run("quantize", MODEL, "-o", target, *arguments)
    assert code == 1 and message in " ".join(err.split()), err
    assert not target.exists()


def test_where_it_cannot_be_written_is_found_out_first(run: Run, tmp_path: Path) -> None:
    for target, message in (
        (tmp_path / "small.txt", "is saved as .mlmodel or .mlpackage"),
        (tmp_path / "nowhere" / "small.mlmodel", "there is no such folder"),
    ):
        # The samples, which are looked at later, do not exist.
        code, _, err = run("quantize", MODEL, "-o", target, "--calibrate", "nowhere", "--nbits", 4)
        assert code == 1 and message in " ".join(err.split()), err
