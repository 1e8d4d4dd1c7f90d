"""``mltoolkit quantize`` on ML Programs: packages in and out, the options of their forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from program_zoo import chain, sample
from typer.testing import CliRunner

import mltoolkit as mlt
from mltoolkit.cli import app


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "source.mlpackage"
    chain().save(path)
    return path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        (["--nbits", "8"], 8),
        (["--mode", "kmeans", "--nbits", "4"], 4),
        (["--mode", "float16"], 16),
        (["--nbits", "4", "--granularity", "per_block", "--block-size", "8", "--unsigned"], 4),
        (["--nbits", "3", "--mode", "kmeans", "--granularity", "per_grouped_channel", "--group-size", "8"], 3),
        (["--nbits", "4", "--mode", "kmeans", "--cluster-dim", "2"], 4),
        (["--nbits", "4", "--mode", "kmeans", "--per-channel-scale"], 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_package_becomes_a_package(package: Path, tmp_path: Path, options: list[str], bits: int) -> None:
    target = tmp_path / "small.mlpackage"
    raised = ["--minimum-deployment-target", "iOS18"] if bits in (3, 4) else []
    output = run("quantize", str(package), "-o", str(target), *options, *raised, "--json")
    report = json.loads(output)
    assert {record["bits_after"] for record in report["records"] if record["mode"]} == {bits}
    assert mlt.load(target).spec.specificationVersion == (9 if raised else 7)


def test_names_of_operations_are_patterns(package: Path, tmp_path: Path) -> None:
    report = json.loads(run("quantize", str(package), "-o", str(tmp_path / "a.mlpackage"), "--only", "c*", "--json"))
    assert {record["layer"] for record in report["records"] if record["mode"]} == {"conv"}
    result = CliRunner().invoke(app, ["quantize", str(package), "-o", str(tmp_path / "b.mlpackage"), "--only", "cc"])
    assert result.exit_code != 0


def test_the_way_out_is_told(package: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["quantize", str(package), "-o", str(tmp_path / "a.mlpackage"), "--nbits", "4"])
    text = result.output + str(result.exception or "")
    assert result.exit_code != 0
    assert "minimum_deployment_target='iOS18'" in text.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "zeros"),
    [
        (["--sparsity", "0.75"], 0.75),
        (["--n-of-m", "1:2", "--only", "dense"], 0.5),
        (["--threshold", "0.6745", "--skip", "dense"], 0.5),
        (["--sparsity", "0.5", "--nbits", "4", "--target", "iOS18"], 0.5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_prune(package: Path, tmp_path: Path, options: list[str], zeros: float) -> None:
    target = tmp_path / "pruned.mlpackage"
    report = json.loads(run("prune", str(package), "-o", str(target), *options, "--json"))
    changed = [record for record in report["records"] if record["mode"]]
    shares = [float(record["reason"].removesuffix("% zeros")) / 100 for record in changed]
    # Half of all normal numbers are within 0.6745 deviations, but for the spread of some hundred draws.
    assert shares and all(abs(share - zeros) < 0.1 for share in shares), shares
    assert mltoolkit_runs(target)
    assert CliRunner().invoke(app, ["prune", str(package), "-o", str(target), *options]).exit_code != 0
    assert CliRunner().invoke(app, ["prune", str(package), "-o", str(target), "-f", "--n-of-m", "2"]).exit_code != 0
    assert "sparse" in run("prune", str(package), "-o", str(target), *options, "--force")


def test_prune_finds_out_first_where_it_cannot_write(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "pruned.mlmodel"
    # A rule of pruning is missing as well: the name of the file is looked at before.
    result = CliRunner().invoke(app, ["prune", str(package), "-o", str(target)])
    assert "is saved as .mlpackage" in str(result.exception), result.exception


def mltoolkit_runs(path: Path) -> bool:
    return bool(mlt.load(path).predict(sample())["y"].size)
