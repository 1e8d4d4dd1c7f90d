"""The code of README.md and of every page in docs/ runs, and prints what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_code import OURS, PROJECT, blocks, pages

import mltoolkit

RUNNER = Path(__file__).with_name("run_page.py")
NEEDS_KERAS = {"README.md", "docs/conversion.md", "docs/how-to/convert-keras.md"}
WITH_CODE = [page for page in pages() if any(block.language in ("python", "sh") for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_page_runs(page: str, tmp_path: Path) -> None:
    if page in NEEDS_KERAS and not (find_spec("keras") and find_spec("torch")):
        pytest.skip("needs Keras and torch")
    # The same mltoolkit as here, installed or not.
    home = str(Path(mltoolkit.__file__).parent.parent)
    paths = [str(RUNNER.parent), home, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(RUNNER), page],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runnable = [block for block in blocks(page) if block.language in ("python", "sh") and not block.reason]
    assert done.stdout.split() == [str(len(runnable)), "blocks", "ran"]


@pytest.mark.parametrize("page", pages())
def test_code_says_its_language(page: str) -> None:
    """So that no code escapes the tests: shell and Python stand in blocks of theirs."""
    for block in blocks(page):
        first = block.text.split(" ")[0]
        if block.language in ("python", "sh"):
            continue
        if first in OURS or first in ("import", "from", "def", "class", "@mlt", "pip"):
            assert block.output, f"{page}:{block.line}: mark the block as python or sh"


@pytest.mark.parametrize("page", pages())
def test_no_python_stands_outside_blocks(page: str) -> None:
    text = re.sub(r"```.*?```", "", (PROJECT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"^ {4,}(?:import |from \w+ import|def |class |mlt\.|\w+ = ).*", text, re.MULTILINE)
    assert not found, f"put it into a block of python: {found[0]}"


def test_reasons_are_reasons() -> None:
    for page in pages():
        for block in blocks(page):
            if block.reason:
                assert len(block.reason.split()) >= 2, f"{page}:{block.line}: {block.reason!r} says nothing"
