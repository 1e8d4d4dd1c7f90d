"""How a benchmark's table gets into its page."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = """# Speed

<!-- benchmarks/speed.py -->
old
<!-- end -->
after
<!-- benchmarks/speed.py: b -->
<!-- end -->
"""


@pytest.fixture
def tools(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """benchmarks/measured_pages.py as its scripts see it, run as benchmarks/speed.py."""
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    import measured_pages

    monkeypatch.setattr(sys, "argv", ["benchmarks/speed.py", "--rounds", "3", "--write", "--docs", "elsewhere"])
    yield measured_pages
    for name in ("measured_pages", "run_record", "kept_results"):
        sys.modules.pop(name, None)


def options(docs: Path, *, write: bool = True, quick: bool = False) -> argparse.Namespace:
    return argparse.Namespace(docs=docs, write=write, quick=quick)


def test_what_is_printed_goes_into_the_page(tools: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "speed.md"
    page.write_text(PAGE, encoding="utf-8")
    with tools.measured(options(tmp_path), "speed.md"):
        sys.stdout.write("n  seconds\n")
        sys.stdout.write("1  2.5\n")
    text = page.read_text(encoding="utf-8")
    assert capsys.readouterr().out == "n  seconds\n1  2.5\n"
    assert "old" not in text and "after\n<!-- benchmarks/speed.py: b -->\n<!-- end -->\n" in text
    command, _, table = text.partition("<!-- benchmarks/speed.py -->\n\n")[2].partition("\n\n")
    assert re.fullmatch(
        r"`python benchmarks/speed\.py --rounds 3`: \d{4}-\d\d-\d\d, Python 3[\d.]+, onnxruntime [\d.]+, "
        r"coremltools [\d.]+, numpy [\d.]+, \w+ \w+, \d+ processors, load \S+ at the start; took [\d,]+ s\.",
        command,
    ), command
    assert table.startswith("```\nn  seconds\n1  2.5\n```\n\n<!-- end -->\nafter")


def test_markdown_and_parts(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "speed.md").write_text(PAGE, encoding="utf-8")
    kept = ["2026-01-01, Python 3.11", "2026-02-01, Python 3.12"]
    with tools.measured(options(tmp_path), "speed.md", "b", markdown=True, kept=lambda: kept):
        sys.stdout.write("| a |\n|---|\n")
    written = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "`: 2026-01-01, Python 3.11; 2026-02-01, Python 3.12.\n\n| a |\n|---|\n\n<!-- end -->\n" in written


def test_an_unfinished_run_writes_nothing(tools: Any, tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(PAGE, encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), tools.measured(options(tmp_path), "speed.md"):
        sys.stdout.write("half a table\n")
        raise KeyboardInterrupt
    with tools.measured(options(tmp_path, write=False), "speed.md"):
        sys.stdout.write("only shown\n")
    assert page.read_text(encoding="utf-8") == PAGE


def test_what_cannot_be_written_is_said_before_measuring(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "speed.md").write_text("# Speed\n", encoding="utf-8")
    with (
        pytest.raises(SystemExit, match=r"add the lines <!-- benchmarks/speed\.py -->"),
        tools.measured(options(tmp_path), "speed.md"),
    ):
        pytest.fail("measured")
    with (
        pytest.raises(SystemExit, match="quick runs are not for the documentation"),
        tools.measured(options(tools.DOCS, quick=True), "benchmarks.md"),
    ):
        pytest.fail("measured")


def test_kept_results_tell_when_they_were_measured(tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kept_results

    monkeypatch.setattr(kept_results, "PROJECT", tmp_path)
    days = iter(["monday", "tuesday"])
    monkeypatch.setattr(kept_results, "conditions", lambda packages: next(days))
    first = kept_results.Results("speed", fresh=False)
    assert first.measure("a", lambda: {"seconds": 1}) == {"seconds": 1}
    again = kept_results.Results("speed", fresh=False)
    assert again.measure("a", lambda: pytest.fail("measured again")) == {"seconds": 1}
    again.measure("b", lambda: {"seconds": 2})
    assert again.take_conditions() == ["monday", "tuesday"]
    assert again.take_conditions() == []
