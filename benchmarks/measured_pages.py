"""How a benchmark's table gets into a page of the documentation, with the conditions of its run.

A page holds each table between ``<!-- benchmarks/SCRIPT.py -->``, or ``<!-- benchmarks/SCRIPT.py: PART -->`` where a
script has several, and the ``<!-- end -->`` that follows. What stands between them, the script writes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from run_record import conditions

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "data"
DOCS = PROJECT / "docs"
END = "<!-- end -->"
# Options that say what becomes of a table, not how it is measured.
_WRITING = ("--write", "--docs")


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark with a table has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small settings, to try it out; not for the documentation")
    parser.add_argument("--write", action="store_true", help="put the table into its page of the documentation")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="FOLDER", help="pages to write into instead of docs")
    return parser


@contextlib.contextmanager
def measured(
    options: argparse.Namespace,
    page: str,
    part: str = "",
    *,
    markdown: bool = False,
    packages: Iterable[str] = (),
    kept: Callable[[], list[str]] | None = None,
) -> Iterator[None]:
    """What is printed inside is a table: with ``--write`` it goes into its page, unless an error ends it.

    Args:
        options: of :func:`benchmark_parser`.
        page: path from the folder of the documentation.
        part: which of the script's tables.
        markdown: a table in Markdown, or plain text.
        packages: further distributions whose versions are told.
        kept: the conditions of a table whose rows may come from earlier runs, asked for at the end.

    Raises:
        SystemExit: the page has no place for it, or a quick run would be written into the documentation.
    """
    document = options.docs / page
    name = f"benchmarks/{Path(sys.argv[0]).name}" + (f": {part}" if part else "")
    if options.write:
        if options.quick and options.docs.resolve() == DOCS:
            raise SystemExit("quick runs are not for the documentation: add --docs FOLDER, a copy of it")
        _split(document, name)  # before hours of measuring
    started, now = time.monotonic(), conditions(packages)
    table = _Copy(sys.stdout)
    with contextlib.redirect_stdout(table):
        yield
    if options.write:
        lines = table.getvalue().strip("\n")
        took = [now, f"took {time.monotonic() - started:,.0f} s"]
        under = f"`python {_command()}`: {'; '.join(kept() if kept else took)}."
        put(document, name, f"{under}\n\n{lines}" if markdown else f"{under}\n\n```\n{lines}\n```")


def put(document: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of a page.

    Raises:
        SystemExit: it has no such marks.
    """
    before, after = _split(document, name)
    document.write_text(f"{before}\n\n{text}\n\n{after}", encoding="utf-8")


def _split(document: Path, name: str) -> tuple[str, str]:
    """The page up to the first mark and from the second on, marks included."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{document} has no place for the table: add the lines <!-- {name} --> and {END}")
    return before + begin, end + after


def _command() -> str:
    """The script and the options that say how it measures."""
    words, given = [f"benchmarks/{Path(sys.argv[0]).name}"], iter(sys.argv[1:])
    for word in given:
        if word == "--docs":
            next(given)
        elif word.split("=")[0] not in _WRITING:
            words.append(word)
    return shlex.join(words)


class _Copy(io.StringIO):
    """Keeps what it is given, and shows it at once."""

    def __init__(self, shown: TextIO) -> None:
        super().__init__()
        self._shown = shown

    def write(self, text: str) -> int:
        self._shown.write(text)
        self._shown.flush()
        return super().write(text)
