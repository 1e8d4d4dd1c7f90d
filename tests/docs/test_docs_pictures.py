"""The pictures of README.md show what was measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def draw(project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/pictures/draw.py, which is no module on the path."""
    spec = importlib.util.spec_from_file_location("draw", project / "docs" / "pictures" / "draw.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "draw", module)
    spec.loader.exec_module(module)
    return module


def test_the_curve_is_that_of_the_table(draw: Any, project: Path) -> None:
    rows = draw.measured()
    assert {8, 4, 2} <= {row.bits for row in rows}
    assert all(row.low <= row.agreement <= row.high for row in rows)
    text = (project / "docs" / "pictures" / "bits.svg").read_text(encoding="utf-8")
    assert draw.fingerprint(rows) in text, "the table has changed: python docs/pictures/draw.py bits"


def test_pictures_are_small(project: Path) -> None:
    for path in (project / "docs" / "pictures").iterdir():
        assert path.stat().st_size < 150_000, path.name
