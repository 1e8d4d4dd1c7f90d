"""``mltoolkit inspect MODEL``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mltoolkit.cli.options import Function, Json, Layers, ModelPath, examples, import_custom_layers
from mltoolkit.cli.printing import print_json

_EXAMPLES = examples("mltoolkit inspect model.mlmodel", "mltoolkit inspect model.mlpackage --json")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("inspect", epilog=_EXAMPLES)(inspect)


def inspect(
    model: ModelPath,
    shapes: Annotated[
        bool, typer.Option("--shapes/--no-shapes", help="Infer the layers' output shapes, which converts the model.")
    ] = True,
    function: Function = "",
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Show a model's inputs, outputs, layers with shapes, weights by type, and the custom layers it depends on.

    Of an ML Program with several functions all are shown, unless one is chosen.
    """
    from mltoolkit.cli.inspect_text import print_summary
    from mltoolkit.model import load

    import_custom_layers(custom_layers)
    loaded = load(model, function_name=function)
    summary = loaded.summary()
    found: dict[tuple[str, ...], list[list[Any]]] = {}
    reason = ""
    if shapes:
        # Graphs bring half a second of packages with them.
        from mltoolkit.cli.layer_shapes import layer_shapes

        found, reason = layer_shapes(loaded, all_functions=as_json or not function)
    if as_json:
        plain: dict[str, Any] = {"file": model, **summary.to_dict(), "shapes_missing_because": reason or None}
        _add_shapes(plain, found, ())
        print_json(plain)
        return
    print_summary(model, summary, found, all_functions=not function)
    if reason:
        typer.echo(f"Shapes are not shown: {reason}")


def _add_shapes(plain: dict[str, Any], found: dict[tuple[str, ...], list[list[Any]]], path: tuple[str, ...]) -> None:
    for layer, layer_outputs in zip(plain["layers"], found.get(path, ()), strict=False):
        layer["output_shapes"] = layer_outputs
    for part in ("stages", "functions"):
        for name, inner in plain.get(part, {}).items():
            _add_shapes(inner, found, (*path, name))
