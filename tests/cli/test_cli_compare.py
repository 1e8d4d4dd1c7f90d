"""``mltoolkit compare --report`` and ``--layers``."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path

Run = Callable[..., tuple[int, str, str]]
MODEL = digit_model_path()
PICTURES = digit_images_path() / "8"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.mlmodel"
    mlt.quantize_weights(MODEL, 2).save(path)
    return path


def test_report(run: Run, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "report.html"
    code, out, err = run("compare", MODEL, small, PICTURES, "--report", page)
    assert code == 0, err
    assert f"written: {page}, {tmp_path / 'report.json'}" in out
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and str(small) in html
    figures = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert figures["first"] == str(MODEL)
    assert f"{100 * figures['comparison']['top1_agreement']:.2f} %" in out
    before = page.read_bytes()
    code, _, err = run("compare", MODEL, MODEL, PICTURES, "--report", page)
    assert code == 1 and "exists already" in err and page.read_bytes() == before
    assert run("compare", MODEL, MODEL, PICTURES, "--report", page, "--force")[0] == 0
    assert page.read_bytes() != before


def test_layers(run: Run, small: Path) -> None:
    code, out, _ = run("compare", MODEL, small, PICTURES, "--layers")
    assert code == 0
    assert "The error starts at conv1 (convolution)" in out
    code, out, _ = run("compare", MODEL, small, PICTURES, "--layers", "--json")
    assert code == 0
    layers = json.loads(out)["layers"]
    assert layers["starts_at"] == "conv1"
    assert layers["worst_isolated"] in {row["layer"] for row in layers["layers"] if not row["isolated_identical"]}


def test_plot(run: Run, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / "layers.svg"
    code, out, _ = run("compare", MODEL, small, PICTURES, "--plot", plot)
    assert code == 0 and out.splitlines()[-1] == f"written: {plot}"
    text = plot.read_text(encoding="utf-8")
    assert ">conv1<" in text and ">isolated<" in text
    assert run("compare", MODEL, small, PICTURES, "--plot", plot)[0] == 1
    assert run("compare", MODEL, small, PICTURES, "--plot", plot, "--force", "--report", tmp_path / "r.html")[0] == 0
    code, _, err = run("compare", MODEL, small, PICTURES, "--plot", tmp_path / "layers.gif")
    assert code == 1 and "'.gif'" in err


def test_a_report_that_cannot_be_is_refused_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("compare", "missing.mlmodel", "missing.mlmodel", PICTURES, "--report", tmp_path / "report.pdf")
    assert code == 1 and "report.html" in err
    pytest.importorskip("matplotlib")
    nowhere = tmp_path / "missing" / "layers.png"
    code, _, err = run("compare", "missing.mlmodel", "missing.mlmodel", PICTURES, "--plot", nowhere)
    assert code == 1 and "there is no such folder" in err and str(nowhere) in err
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )
    code, _, err = run("compare", "missing.mlmodel", "missing.mlmodel", PICTURES, "--report", tmp_path / "r.html")
    assert code == 1 and "compare --report needs the package 'matplotlib'" in err
    assert 'pip install "mltoolkit[plots]"' in err
