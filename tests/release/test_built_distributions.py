"""What was built by ``python develop.py wheel``: the sdist is complete, the wheel holds the packages and their data."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

# What setuptools adds to an sdist.
ADDED = {"PKG-INFO", "setup.cfg"}


@pytest.fixture(scope="module")
def distributions() -> Path:
    folder = os.environ.get("MLTOOLKIT_DISTRIBUTIONS")
    if not folder:
        pytest.skip("tests what python develop.py wheel has built")
    return Path(folder)


@pytest.fixture(scope="module")
def tracked(project: Path) -> set[str]:
    """The files of the checkout that git knows, symbolic links left out."""
    if not (project / ".git").exists():
        pytest.skip("needs a checkout of git's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and not (project / name).is_symlink()}


def test_the_sdist_is_the_checkout(distributions: Path, tracked: set[str]) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
    names = {member.name.partition("/")[2] for member in members}
    packed = {name for name in names if name not in ADDED and ".egg-info/" not in name}
    assert not tracked - packed, f"MANIFEST.in leaves out {sorted(tracked - packed)[:10]}"
    assert not packed - tracked, f"git does not know {sorted(packed - tracked)[:10]}"
    assert all(member.isfile() for member in members), "links would not be unpacked everywhere"


def test_the_wheel_is_the_packages(distributions: Path, tracked: set[str], project: Path) -> None:
    (path,) = distributions.glob("*.whl")
    wheel = zipfile.ZipFile(path)
    homes = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    folders = {folder: name.replace(".", "/") for name, folder in homes.items()} | {"mltoolkit": "mltoolkit"}
    expected = {}
    for name in tracked:
        folder, _, rest = name.partition("/")
        if folder in folders and not rest.startswith("photographs/"):
            expected[f"{folders[folder]}/{rest}"] = name
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert not expected.keys() - packed, f"the wheel lacks {sorted(expected.keys() - packed)[:10]}"
    assert not packed - expected.keys(), f"the wheel also holds {sorted(packed - expected.keys())[:10]}"
    # It was built from the sdist: so that holds the same bytes as well.
    differing = [name for name, home in expected.items() if wheel.read(name) != (project / home).read_bytes()]
    assert not differing, f"not what the checkout holds: {sorted(differing)[:10]}"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_both_have_the_same_version(distributions: Path) -> None:
    import mltoolkit

    for pattern, name in (("*.whl", f"mltoolkit-{mltoolkit.__version__}-py3-none-any.whl"), ("*.tar.gz", None)):
        (path,) = distributions.glob(pattern)
        assert path.name == (name or f"mltoolkit-{mltoolkit.__version__}.tar.gz")
