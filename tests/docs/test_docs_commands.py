"""Command lines in the documentation name commands, scripts and options that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
from markdown_code import CommandLine, command_lines, pages

from mltoolkit.cli import app

GROUP: Any = typer.main.get_command(app)
LINES = [(page, line) for page in pages() for line in command_lines(page)]


def named(lines: list[tuple[str, CommandLine]]) -> dict[str, Any]:
    return {"argvalues": lines, "ids": [f"{page}:{line.line}" for page, line in lines]}


OF_MLTOOLKIT = [(page, line) for page, line in LINES if line.words[0] == "mltoolkit"]
OF_PYTHON = [(page, line) for page, line in LINES if line.words[0] != "mltoolkit"]


@pytest.mark.parametrize(("page", "line"), **named(OF_MLTOOLKIT))
def test_mltoolkit_takes_the_line(page: str, line: CommandLine) -> None:
    name, *arguments = line.words[1:]
    if name.isupper() or name.startswith("--"):
        return  # any command, or an option of them all
    assert name in GROUP.commands, f"mltoolkit has no command {name}"
    command = GROUP.commands[name]
    if line.inline:
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.split("=")[0] for word in arguments if word.startswith("-")}
        assert given <= known | {"--help"}, f"mltoolkit {name} has no option {given - known}"
    else:
        assert "…" not in " ".join(arguments), "write the line out"
        command.make_context(name, [word for word in arguments if not re.fullmatch(r"\[.*\]", word)])


def jobs(script: Path) -> set[str]:
    """The jobs of develop.py, which is no module on the path."""
    spec = importlib.util.spec_from_file_location("develop", script)
    assert spec and spec.loader
    develop = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(develop)
    return set(develop.JOBS)


@pytest.mark.parametrize(("page", "line"), **named(OF_PYTHON))
def test_the_script_and_its_options_exist(page: str, line: CommandLine, project: Path) -> None:
    script, *arguments = line.words[1:]
    if script in ("-m", "-c"):
        return
    path = project / script
    assert path.is_file(), f"there is no {script}"
    if script == "develop.py":
        known = jobs(path)
        assert not arguments or set(arguments[0].split("|")) <= known, f"develop.py has the jobs {known}"
        return  # what follows goes to the job's own tool
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(path.parent.glob("*.py")))
    for option in arguments:
        if option.startswith("--"):
            assert f'"{option.split("=")[0]}"' in text, f"{script} has no option {option}"


def test_lines_were_found() -> None:
    """The search itself works: a page's known lines are among them."""
    found = {" ".join(line.words[:3]) for page, line in OF_MLTOOLKIT if page == "README.md"}
    assert {"mltoolkit quantize MODEL", "mltoolkit swift MODEL"} <= found
    assert len(OF_PYTHON) > 20
