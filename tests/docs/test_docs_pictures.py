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


def test_the_tables_of_calibration_are_read(draw: Any) -> None:
    text = """
| bits | coremltools linear | calibrated | calibrated, mixed | asked for |
|--:|--:|--:|--:|--:|
| 4 | 64.3 % (58.1–70.1) | 89.8 % (85.3–93.0) | 91.0 % (86.7–94.0) | 88 % |
| 3 | 8.2 % (5.3–12.4) | 75.0 % (69.2–80.1) | 75 % |

| bits | method | bytes | agreement | other splits | KL, nats | seconds | CPU seconds |
|--:|---|--:|--:|--:|--:|--:|--:|
| 4 | coremltools linear | 692,994 | 64.3 % |  | 0.5 | 1.0 | 1.0 |
| 4 | calibrated | 663,001 | 89.8 % | 90.0 % | 0.05 | 9.0 | 9.0 |
| 4 | calibrated, mixed (mixed chosen) | 663,000 | 91.0 % |  | 0.05 | 9.0 | 9.0 |
| 3 | calibrated | 508,000 | 75.0 % |  | 0.2 | 9.0 | 9.0 |
"""
    assert [(row.mode, row.bits, row.bytes, row.agreement, row.low) for row in draw.calibrated_rows(text)] == [
        ("coremltools linear", 4, 692_994, 64.3, 58.1),
        ("calibrated", 4, 663_001, 89.8, 85.3),
        ("calibrated, mixed", 4, 663_000, 91.0, 86.7),
        ("calibrated", 3, 508_000, 75.0, 69.2),
    ]


def test_pictures_are_small(project: Path) -> None:
    for path in (project / "docs" / "pictures").iterdir():
        assert path.stat().st_size < 150_000, path.name
