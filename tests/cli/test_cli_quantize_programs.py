"""``mltoolkit quantize`` on ML Programs: packages in and out, the options of their forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from program_zoo import chain
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
