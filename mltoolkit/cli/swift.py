"""``mltoolkit swift MODEL -o DIR``"""

from __future__ import annotations

from typing import Annotated

import typer

from mltoolkit.cli.options import Json, Layers, ModelPath, examples, given, import_custom_layers
from mltoolkit.cli.printing import print_json

_EXAMPLES = examples("mltoolkit swift model.mlmodel -o Layers")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("swift", epilog=_EXAMPLES)(swift)


def swift(
    model: ModelPath,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder of the Swift package; new, empty or its own.")],
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Write Swift classes, Metal kernels and tests for a model's custom layers and custom models.

    Layers that mltoolkit knows are complete; for others a class is made that compiles and throws where work is
    missing.
    """
    from mltoolkit.model import load
    from mltoolkit.swift_package import write_swift_package

    import_custom_layers(custom_layers)
    written = write_swift_package(load(model), given(output, "--output"))
    if as_json:
        print_json(
            {
                "folder": str(written.folder),
                "complete": written.complete,
                "stubs": written.stubs,
                "tested": written.tested,
            }
        )
        return
    typer.echo(f"Wrote {written.folder}")
    for title, names in (
        ("complete", written.complete),
        ("to be written", written.stubs),
        ("tested against Python", written.tested),
    ):
        typer.echo(f"  {title + ':':22} {', '.join(names) or 'none'}")
