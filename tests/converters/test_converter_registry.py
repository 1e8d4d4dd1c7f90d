"""The registry that all converters share: modules register when they are imported, names once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mltoolkit.converters.registry import Registry

MODULE = """
from registered_family import registry

@registry.register({names})
def convert():
    return {number}
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry whose package is made of two modules."""
    package = tmp_path / "registered_family"
    package.mkdir()
    (package / "__init__.py").write_text("from test_converter_registry import CURRENT\nregistry = CURRENT[-1]\n")
    (package / "first.py").write_text(MODULE.format(names="'a', 'b'", number=1))
    (package / "second.py").write_text(MODULE.format(names="'c'", number=2))
    (package / "twice.py").write_text(MODULE.format(names="'a'", number=3))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("registered_family")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    made = Registry("registered_family", ("first", "second"), "kind of thing")
    monkeypatch.setattr("test_converter_registry.CURRENT", [made], raising=False)
    return made


CURRENT: list[Registry] = []


def test_the_modules_are_imported_when_entries_are_asked_for(registry: Registry) -> None:
    assert "registered_family.first" not in sys.modules
    entries = registry.entries()
    assert {name: entry() for name, entry in entries.items()} == {"a": 1, "b": 1, "c": 2}
    assert registry.entries() is entries


def test_a_name_is_registered_once(registry: Registry) -> None:
    registry.entries()
    with pytest.raises(RuntimeError, match="the kind of thing 'c' is registered twice"):
        registry.add(["d", "c"], print)
    with pytest.raises(RuntimeError, match="'a'"):
        registry.register("a")(print)


def test_a_module_that_fails_fails_every_time(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "registered_family" / "second.py").write_text("raise ImportError('broken')")
    for _ in range(2):
        with pytest.raises(ImportError, match="broken"):
            registry.entries()
