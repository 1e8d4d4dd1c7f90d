"""``mltoolkit sweep``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mltoolkit.digits import digit_images_path, digit_model_path

pytest.importorskip("matplotlib")
Run = Callable[..., tuple[int, str, str]]
MODEL, PICTURES = digit_model_path(), digit_images_path() / "8"


def test_table_and_files(run: Run, tmp_path: Path) -> None:
    code, out, err = run("sweep", MODEL, PICTURES, "-o", tmp_path, "-m", "linear", "--bits", "4,2", "--progress")
    assert code == 0, err
    assert "Sweeping" in err
    lines = out.splitlines()
    assert " ".join(lines[1].split()) == "mode bits bytes share top-1 agreement 95 % interval top-5 KL, nats"
    assert [line.split()[:2] for line in lines[2:4]] == [["linear", "4"], ["linear", "2"]]
    assert lines[-1] == f"written to {tmp_path}: sweep.csv, sweep.json, sweep.svg, sweep.png"
    code, again, _ = run("sweep", MODEL, PICTURES, "-o", tmp_path, "-m", "linear", "--bits", "4,2", "--json")
    assert code == 0
    assert [row["nbits"] for row in json.loads(again)["rows"]] == [4, 2]
    assert json.loads(again) == json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))


def test_wrong_use(run: Run, tmp_path: Path) -> None:
    code, _, err = run("sweep", MODEL, PICTURES, "-o", tmp_path, "--bits", "4;2")
    assert code == 1 and "--bits '4;2'" in err
    code, _, err = run("sweep", MODEL, PICTURES, "-o", tmp_path, "-m", "liner")
    assert code == 1 and "Did you mean 'linear' or" in err
    assert run("sweep", MODEL, PICTURES)[0] == 2
    (tmp_path / "file").write_text("")
    code, _, err = run("sweep", MODEL, PICTURES, "-o", tmp_path / "file" / "sub")
    assert code == 1 and "the folder cannot be made" in err


def test_an_interruption_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mltoolkit.sweeps.sweep", interrupted)
    code, out, err = run("sweep", MODEL, PICTURES, "-o", tmp_path)
    assert (code, out) == (130, "")
    assert err == f"mltoolkit: interrupted; the same command goes on from the rows in {tmp_path}\n"


def test_a_share_calibrates(run: Run, tmp_path: Path) -> None:
    options = ("--bits", "4", "-m", "calibrated_kmeans", "--no-plots")
    code, out, err = run("sweep", MODEL, PICTURES, "-o", tmp_path / "sweep", "--calibration", "0.5", *options)
    assert code == 0, err
    assert "others to calibrate with" in out
    code, _, err = run("sweep", MODEL, PICTURES, "-o", tmp_path / "sweep", "--calibration", "1.5", *options)
    assert code == 1 and "--calibration is 1.5" in err and "above 0 and below 1" in err, err
