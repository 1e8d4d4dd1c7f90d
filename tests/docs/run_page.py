"""Run a page's code as a reader would: ``python run_page.py PAGE``, in an empty folder.

Its python blocks run one after the other as one program, its ``sh`` blocks line by line; a ``text`` block marked
``<!-- output -->`` must be what the block before printed, where … stands for anything. Blocks with a reason not to run
are passed over. Errors name the line of the page.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from docs_scenes import scene
from markdown_code import Block, blocks


def run_page(page: str) -> int:
    """How many blocks ran."""
    names: dict[str, Any] = {"__name__": "__main__", **scene(page, Path.cwd())}
    printed, count = "", 0
    for block in blocks(page):
        if block.output:
            check_output(page, block, printed)
        elif block.reason or block.language not in ("python", "sh"):
            continue
        else:
            printed = run_python(page, block, names) if block.language == "python" else run_shell(page, block)
            count += 1
    return count


def run_python(page: str, block: Block, names: dict[str, Any]) -> str:
    """What it printed."""
    # Empty lines before it make the lines of a traceback those of the page.
    code = compile("\n" * (block.line - 1) + block.text, page, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        exec(code, names)
    return stdout.getvalue()


def run_shell(page: str, block: Block) -> str:
    """What its lines printed; each is a command of mltoolkit's."""
    printed = ""
    for number, line in enumerate(block.text.splitlines(), block.line):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "mltoolkit":
            raise SystemExit(f"{page}:{number}: {words[0]} is not run; give the block a reason")
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, encoding="utf-8", check=False
        )
        if done.returncode:
            raise SystemExit(f"{page}:{number}: exit code {done.returncode}: {done.stderr}")
        printed += done.stdout
    return printed


def check_output(page: str, block: Block, printed: str) -> None:
    """Compare as doctest does, blank lines and ends of lines aside."""
    wanted, got = (
        "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip()) for text in (block.text, printed)
    )
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(wanted.replace("…", "..."), got, flags):
        raise SystemExit(f"{page}:{block.line}: the page shows\n{wanted}\nbut printed is\n{got}")


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "torch")
    # Pages use UTF-8 whatever the console has.
    os.environ["PYTHONIOENCODING"] = "utf-8"
    sys.stdout.write(f"{run_page(sys.argv[1])} blocks ran\n")
