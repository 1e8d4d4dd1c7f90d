"""Options that several commands share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mltoolkit.errors import ArgumentError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A .mlmodel file or .mlpackage folder.")]
Samples = Annotated[
    str,
    typer.Argument(
        metavar="SAMPLES",
        help="A folder of pictures or one picture; for models that take arrays, of .npz files with an array for each "
        "input or .npy files for a single one, each with one sample or many along a further first axis.",
    ),
]
Progress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="A progress bar on stderr; on a terminal by default."),
]
Layers = Annotated[
    list[str] | None,
    typer.Option("--custom-layers", metavar="FILE", help="Python file that registers custom layers; may be repeated."),
]
Function = Annotated[
    str, typer.Option("--function", metavar="NAME", help="Which function of an ML Program that has several.")
]


def target_option(help: str, **options: Any) -> Any:
    """``--target``: the oldest system that a model shall run on, in the words of the command."""
    return typer.Option("--target", "--minimum-deployment-target", help=help, **options)


def given(text: str | Path, name: str) -> str | Path:
    """A path as it was given; "" is what an unset variable of a script leaves, not the current folder.

    Raises:
        ArgumentError: it is empty.
    """
    if not str(text):
        raise ArgumentError(f"{name} is empty", fix="Give a path; . is the current folder")
    return text


def free_path(path: str | Path, force: bool, *, option: str = "--output") -> Path:
    """Where a command writes, found out before the long work.

    Raises:
        ArgumentError: there is no such folder, or something already, which ``--force`` does not allow to be replaced.
    """
    target = Path(given(path, option))
    if not target.parent.is_dir():
        raise ArgumentError("there is no such folder to write to", where=str(target), fix="Make it")
    if target.exists() and not force:
        raise ArgumentError(f"{str(path)!r} exists already", fix=f"Give another {option}, or --force to replace it")
    return target


def examples(*lines: str) -> str:
    """What stands below the help of a command: command lines that run."""
    return "\n\n".join(("Examples:", *lines))


def import_custom_layers(files: list[str] | None) -> None:
    """Run the Python files in which the user registers custom layers.

    Raises:
        ArgumentError: a file is missing or fails.
    """
    for index, file in enumerate(files or ()):
        path = Path(file)
        if not path.is_file():
            raise ArgumentError(f"there is no file {file!r}", where="--custom-layers")
        name = f"mltoolkit_custom_layers_{index}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ArgumentError(f"{file!r} is not a Python file", where="--custom-layers")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise ArgumentError(f"{file!r} fails: {type(error).__name__}: {error}", where="--custom-layers") from error
