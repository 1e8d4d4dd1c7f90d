"""The workflow of GitHub Actions covers the systems and Pythons that mltoolkit promises, with jobs that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

SYSTEMS = {"ubuntu-latest", "macos-latest", "windows-latest"}


@pytest.fixture
def workflow(project: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    path = project / ".github" / "workflows" / "ci.yml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_every_python_on_every_system(workflow: dict[str, Any], project: Path) -> None:
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(settings["classifiers"]))
    assert matrix["python"] == promised
    assert set(matrix["os"]) == SYSTEMS
    assert "python develop.py test" in commands(workflow["jobs"]["test"])
    assert "core_ml_comparison.py" in commands(workflow["jobs"]["test"])
    assert set(workflow["jobs"]["wheel"]["strategy"]["matrix"]["os"]) == SYSTEMS


def test_actions_are_pinned_and_get_no_credentials(workflow: dict[str, Any]) -> None:
    """A tag can be moved to other code; a token that stays in .git/config can be read by every later step."""
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_its_commands_exist(workflow: dict[str, Any], project: Path) -> None:
    everything = "\n".join(commands(job) for job in workflow["jobs"].values())
    text = (project / "develop.py").read_text(encoding="utf-8")
    for job in re.findall(r"develop\.py (\w+)", everything):
        assert f'"{job}": ' in text
    for script in re.findall(r"python (\S+\.py)", everything):
        assert (project / script).is_file(), script


def test_linux_does_not_get_cuda(workflow: dict[str, Any], project: Path) -> None:
    """The index is named, and the pin is one that its packages fit."""
    assert workflow["env"]["PIP_EXTRA_INDEX_URL"].endswith("/whl/cpu")
    (pin,) = re.findall(r"^torch(.*)$", (project / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    release = pin.removeprefix("==")
    assert Version(f"{release}+cpu") in SpecifierSet(pin)
    assert Version(f"{release}+cpu") > Version(release)
