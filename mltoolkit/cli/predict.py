"""``mltoolkit predict MODEL name=value …``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mltoolkit.cli.options import Function, Json, Layers, ModelPath, examples, given, import_custom_layers
from mltoolkit.cli.printing import print_json, print_table

_EXAMPLES = examples(
    "mltoolkit predict model.mlmodel cat.jpg dog.jpg --top 3",
    "mltoolkit predict model.mlpackage x=values.npy scale=0.5 -o outputs",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("predict", epilog=_EXAMPLES)(predict)


def predict(
    model: ModelPath,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]VALUE…",
            help="Inputs: a picture's path, a .npy file, or numbers separated by commas. The name may be left out "
            "when the model has one required input; then several values are several predictions.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Print this many of a classifier's classes.", min=1)] = 5,
    save: Annotated[
        str | None, typer.Option("--output", "-o", help="Folder for image outputs (.png) and arrays (.npy).")
    ] = None,
    function: Function = "",
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Run a model on pictures, arrays or numbers."""
    from mltoolkit.cli.predict_values import read_inputs, save_outputs, shown
    from mltoolkit.model import load

    import_custom_layers(custom_layers)
    folder = None if save is None else Path(given(save, "--output"))
    loaded = load(model, function_name=function)
    results: list[dict[str, Any]] = []
    for label, data in read_inputs(loaded, inputs or []):
        outputs = loaded.predict(data)
        saved = save_outputs(outputs, folder, label) if folder else {}
        results.append({"input": label, "outputs": shown(loaded, outputs, top, whole=as_json), "files": saved})
    if as_json:
        print_json(results)
        return
    for result in results:
        rows = []
        for name, value in result["outputs"].items():
            if isinstance(value, dict):
                rows += [
                    (name if index == 0 else "", f"{share:8.4%}  {key}")
                    for index, (key, share) in enumerate(value.items())
                ]
            else:
                rows.append((name, value))
        rows += [("written", path) for path in result["files"].values()]
        print_table(("output", result["input"]), rows)
