"""The declared packages are the folders that hold Python files."""

from __future__ import annotations

import tomllib
from pathlib import Path


def test_declared_packages_match_the_folders(project: Path) -> None:
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    homes = {"mltoolkit": project / "mltoolkit"}
    homes.update({name: project / folder for name, folder in settings["package-dir"].items()})
    found = set()
    for package, folder in homes.items():
        for path in folder.rglob("*.py"):
            relative = path.parent.relative_to(folder)
            if package == "mltoolkit" and relative.parts[:1] and f"mltoolkit.{relative.parts[0]}" in homes:
                continue
            found.add(".".join((package, *relative.parts)))
    found |= {package for package in homes if package not in found}
    assert found == set(settings["packages"])


def test_the_two_symlinks_are_relative(project: Path) -> None:
    for name in ("converters", "custom_layers"):
        link = project / "mltoolkit" / name
        assert link.is_symlink() or link.is_dir()
        if link.is_symlink():
            assert not link.readlink().is_absolute()
            assert link.resolve() == project / name
