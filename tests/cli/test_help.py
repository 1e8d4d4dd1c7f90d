"""What ``--help`` says: examples that parse, and options whose names can be read on a narrow terminal."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer.main

from mltoolkit.cli import app
from mltoolkit.digits import digit_model_path

Run = Callable[..., tuple[int, str, str]]
GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_command_has_examples_that_parse(run: Run, name: str) -> None:
    command = GROUP.commands[name]
    title, *lines = [line for line in (command.epilog or "").splitlines() if line]
    assert title == "Examples:" and lines
    for line in lines:
        program, called, *arguments = shlex.split(line)
        assert (program, called) == ("mltoolkit", name)
        with command.make_context(name, list(arguments)) as context:
            assert not context.args, f"{line!r} has words too many: {context.args}"
    assert "Examples:" in run(name, "--help")[1]


@pytest.mark.parametrize("name", ["convert", "quantize", "prune"])
def test_the_short_name_of_the_target_shows_at_80_columns(run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "--target" in run(name, "--help")[1]


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", str(digit_model_path()), "--no-shapes"]])
def test_what_needs_no_graph_loads_none(arguments: list[str]) -> None:
    code = (
        "import sys; from mltoolkit.cli import main\n"
        "try: main()\n"
        "finally: print([name for name in ('onnx_ir', 'onnxruntime', 'sympy', 'PIL') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
