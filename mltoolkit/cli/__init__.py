"""The command line: ``mltoolkit convert | inspect | predict | quantize | prune | compare | …``, a file a command.

Exit codes: 0 done; 1 an error of mltoolkit's, said in one line on stderr; 2 wrong usage; 3 a limit that the caller set
(``compare --min-agreement``) is not kept; 70 a fault of the program itself; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

import typer

from mltoolkit.errors import MLToolkitError

app = typer.Typer(
    name="mltoolkit",
    help="Convert, load, run, quantize and compare Core ML models on any operating system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    "convert",
    "inspect",
    "predict",
    "quantize",
    "prune",
    "compare",
    "sweep",
    "visualize",
    "swift",
    "demo",
):
    import_module(f"mltoolkit.cli.{_command}").add_to(app)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        from mltoolkit import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and leave with its exit code."""
    _print_anything()
    try:
        app(standalone_mode=True)
    except MLToolkitError as error:
        typer.echo(f"mltoolkit: {_said(error)}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of a pipe, such as head, has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # A fault of the program itself. Its traceback is for whoever reports or mends it.
        if os.environ.get("MLTOOLKIT_DEBUG"):
            raise
        typer.echo(
            f"mltoolkit: internal error, {type(error).__name__}: {error}. Please report it with the traceback that "
            "appears when MLTOOLKIT_DEBUG=1 is set in the environment.",
            err=True,
        )
        sys.exit(70)


def _print_anything() -> None:
    """What the terminal's or pipe's encoding lacks is printed as "?", rather than ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _said(error: MLToolkitError) -> str:
    """The error as someone at the command line can act on it."""
    import typer.main

    from mltoolkit.cli.option_names import in_options

    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    return in_options(error, typer.main.get_command(app), command)
