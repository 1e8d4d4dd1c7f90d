"""The code of the documentation's pages: fenced blocks with their marks, and command lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.*?) -->")
OUTPUT = "<!-- output -->"
# What a line of shell may start with for this project's checks.
OURS = ("mltoolkit", "python", ".venv/bin/python", "python3")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        line: the line of the file, from 1, on which its text begins.
        reason: why it is not run; "" where it is.
        output: whether it shows what the block before printed.
    """

    language: str
    text: str
    line: int
    reason: str
    output: bool


def pages() -> list[str]:
    """Every page of the documentation, by its path in the checkout."""
    above = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    return above + sorted(path.relative_to(PROJECT).as_posix() for path in (PROJECT / "docs").rglob("*.md"))


def blocks(page: str) -> list[Block]:
    """The page's fenced blocks in order."""
    lines = (PROJECT / page).read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    opened: tuple[str, int, int] | None = None
    for number, line in enumerate(lines):
        fence = re.match(r"( *)```(\w*)", line)
        if not fence:
            continue
        if opened is None:
            opened = (fence[2], number, len(fence[1]))
            continue
        language, start, indent = opened
        opened = None
        before = next((text for text in reversed(lines[:start]) if text.strip()), "")
        mark = NOT_RUN.search(before)
        text = "\n".join(text[indent:] for text in lines[start + 1 : number]) + "\n"
        found.append(Block(language, text, start + 2, mark["reason"] if mark else "", OUTPUT in before))
    assert opened is None, f"{page}: the fence of line {opened[1] + 1} stays open" if opened else ""
    return found


@dataclass(frozen=True)
class CommandLine:
    """A line of shell: its words, where it stands, and whether it stands inside a sentence, which may cut it short."""

    words: tuple[str, ...]
    line: int
    inline: bool


def command_lines(page: str) -> Iterator[CommandLine]:
    """Every line of shell that runs this project's commands or scripts.

    Those are lines of ``sh`` blocks and of indented ones, and code inside sentences. Comments, redirections and what a
    pipe hands on to are left out.
    """
    text = (PROJECT / page).read_text(encoding="utf-8")
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence := re.match(r" *```(\w*)", line):
            inside = "" if inside else fence[1] or "text"
            continue
        alone = inside == "sh" or (not inside and line.startswith("    "))
        if alone:
            candidates = [line]
        elif inside:
            candidates = []
        else:
            candidates = re.findall(r"`([^`]+)`", line)
        for candidate in candidates:
            plain = re.split(r"\s#\s|\s[|>]\s|\s&&\s", candidate.strip())[0]
            if plain.split(" ")[0] in OURS and " " in plain:
                yield CommandLine(tuple(shlex.split(plain)), number, inline=not alone)
