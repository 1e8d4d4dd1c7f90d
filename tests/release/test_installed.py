"""mltoolkit as it is installed: typed, with its data, its command, and nothing of the checkout."""

from __future__ import annotations

import importlib.resources
import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import mltoolkit

installed = pytest.mark.skipif(
    "MLTOOLKIT_DISTRIBUTIONS" not in os.environ, reason="tests what python develop.py wheel has installed"
)


@installed
def test_the_installed_package_is_tested() -> None:
    assert Path(mltoolkit.__file__).is_relative_to(sys.prefix), mltoolkit.__file__
    assert version("mltoolkit") == mltoolkit.__version__


def test_one_version(project: Path) -> None:
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["version"] == mltoolkit.__version__
    changes = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    released = mltoolkit.__version__.split(".dev")[0]
    assert ".dev" in mltoolkit.__version__ or f"## {released} (" in changes


@pytest.mark.parametrize("package", ["mltoolkit", "mltoolkit.converters", "mltoolkit.custom_layers"])
def test_the_package_is_typed(package: str) -> None:
    assert (importlib.resources.files(package) / "py.typed").is_file()


@pytest.mark.parametrize(
    "file",
    ["digits/digits.mlmodel", "custom_layers/swish/Swish.metal", "sample_images/digits/7/000.png"],
)
def test_the_data_is_there(file: str) -> None:
    folder, _, name = file.partition("/")
    assert (importlib.resources.files(f"mltoolkit.{folder}") / name).is_file()


@installed
def test_the_command_is_there(tmp_path: Path) -> None:
    command = Path(sysconfig.get_path("scripts")) / ("mltoolkit.exe" if sys.platform == "win32" else "mltoolkit")
    done = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mltoolkit.__version__


@installed
def test_the_package_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mltoolkit", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mltoolkit.__version__


@installed
def test_type_checkers_see_the_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(
        "import mltoolkit as mlt\n"
        "from mltoolkit.custom_layers import CustomLayer\n"
        "from mltoolkit.converters.hooks import HookedLayer\n"
        "reveal_type(mlt.load('a'))\n"
        "def hook(layer: HookedLayer, custom: CustomLayer) -> None:\n"
        "    reveal_type(layer.name)\n"
        "    reveal_type(custom.parameters)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for shown in ("mltoolkit.model.Model", '"str"', '"dict[str, '):
        assert shown in done.stdout, done.stdout
