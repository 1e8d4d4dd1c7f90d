"""Tables of measurements stand between marks that name the script which writes them, and no script lacks its place."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_code import PROJECT, pages

BENCHMARKS = PROJECT / "benchmarks"
BLOCK = re.compile(r"<!-- (?P<name>benchmarks/(?P<script>\w+)\.py(?:: [^>]+)?) -->(?P<text>.*?)<!-- end -->", re.DOTALL)


def written_blocks() -> Iterator[tuple[str, re.Match[str]]]:
    """Every block that a benchmark writes, with its page."""
    for page in pages():
        for match in BLOCK.finditer((PROJECT / page).read_text(encoding="utf-8")):
            yield page, match


def writers() -> dict[str, list[str]]:
    """The benchmarks that write, and the pages below docs/ that their calls of ``measured`` name."""
    found = {}
    for path in sorted(BENCHMARKS.glob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        named = [
            ast.literal_eval(call.args[1])
            for call in calls
            if isinstance(call.func, ast.Name) and call.func.id == "measured"
        ]
        if named:
            found[path.stem] = named
    return found


@pytest.mark.parametrize("page", ["docs/benchmarks.md", "docs/keras-applications.md"])
def test_every_table_is_written_by_a_script(page: str) -> None:
    text = (PROJECT / page).read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) >= 1
    left = BLOCK.sub("", text)
    assert "```" not in left, "a pasted table"
    assert not re.search(r"^\|", left, re.MULTILINE), "a pasted table"


def test_every_block_names_its_script_and_its_command() -> None:
    known = writers()
    names = []
    for page, match in written_blocks():
        script = match["script"]
        assert script in known, f"{page}: {match['name']} is written by no benchmark"
        names.append((page, match["name"]))
        if page != "README.md":
            assert Path(page).relative_to("docs").as_posix() in known[script], f"{page}: {match['name']}"
            # The command, then the date of the run or that it was not kept.
            under = match["text"].strip().split("\n")[0]
            assert re.match(rf"`python benchmarks/{script}\.py[^`]*`: \d{{4}}-\d\d-\d\d, Python 3", under)
    assert len(set(names)) == len(names), "a mark stands in a page twice"


def test_every_writing_benchmark_has_its_place() -> None:
    places: dict[str, set[str]] = {}
    for page, match in written_blocks():
        places.setdefault(match["script"], set()).add(page)
    for script, named in writers().items():
        for page in named:
            assert f"docs/{page}" in places.get(script, set()), f"docs/{page} has no mark of benchmarks/{script}.py"


def test_one_command_runs_all_that_the_page_of_benchmarks_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("run_all_benchmarks", BENCHMARKS / "all.py")
    assert spec and spec.loader
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    shown = {match["script"] for page, match in written_blocks() if page == "docs/benchmarks.md"}
    assert shown <= set(runner.BENCHMARKS)
    known = runner.BENCHMARKS | runner.LONG
    assert {name.split()[0] for name in known} == set(writers()), "a benchmark that all.py does not run, or none"
