"""``mltoolkit visualize MODEL -o PAGE.html``"""

from __future__ import annotations

from typing import Annotated

import typer

from mltoolkit.cli.options import Function, Json, Layers, ModelPath, examples, free_path, import_custom_layers
from mltoolkit.cli.printing import print_json
from mltoolkit.markup.text import bytes_text, shown

_EXAMPLES = examples(
    "mltoolkit visualize model.mlmodel -o model.html",
    "mltoolkit visualize small.mlmodel -o small.html --original model.mlmodel",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("visualize", epilog=_EXAMPLES)(visualize)


def visualize(
    model: ModelPath,
    output: Annotated[str, typer.Option("--output", "-o", help="The .html file to write.")],
    original: Annotated[
        str | None,
        typer.Option(
            "--original", metavar="MODEL", help="The model before quantization: shows what each weight has lost."
        ),
    ] = None,
    function: Function = "",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output.")] = False,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Show a model's layers as a graph in one HTML file: shapes, parameters, weights with histograms."""
    from mltoolkit.model import load
    from mltoolkit.visualization import visualize as make

    free_path(output, force)
    import_custom_layers(custom_layers)
    before = load(original) if original is not None else None
    page = make(load(model, function_name=function), output, compared_with=before)
    size = len(page.html.encode())
    if as_json:
        print_json({"output": output, "bytes": size, "remarks": page.remarks})
        return
    # Remarks may quote names of the file, which may hold anything.
    for remark in page.remarks:
        typer.echo(shown(remark, 1000))
    typer.echo(f"{output}: {bytes_text(size)}")
