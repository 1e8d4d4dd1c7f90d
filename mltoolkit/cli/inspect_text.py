"""A model's summary as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mltoolkit.cli.printing import print_table
from mltoolkit.formats.feature_text import describe
from mltoolkit.formats.layer_summary import WeightTotal
from mltoolkit.formats.summary import FunctionSummary, ModelSummary
from mltoolkit.markup.text import bytes_text

if TYPE_CHECKING:
    from mltoolkit.cli.layer_shapes import Shapes


def print_summary(
    title: str, summary: ModelSummary, shapes: Shapes, path: tuple[str, ...] = (), *, all_functions: bool = True
) -> None:
    """Everything about a model, and then about each stage of a pipeline and each further function.

    Args:
        title: what to call the model.
        summary: the model.
        shapes: of its layers' outputs, see :func:`~mltoolkit.cli.layer_shapes.layer_shapes`.
        path: the pipeline stages that lead to it.
        all_functions: also print the functions of an ML Program that the model does not run.
    """
    typer.echo(f"{title}: {summary.kind}, specification version {summary.specification_version}")
    for name in ("description", "author", "license", "version"):
        text = getattr(summary.metadata, name)
        if text:
            typer.echo(f"  {name}: {text}")
    if summary.functions:
        typer.echo(f"Functions: {', '.join(summary.functions)}")
        typer.echo(f"\nFunction {summary.function}")
    _print_function(summary, shapes.get(path, []))
    if not path:
        _print_dependencies(summary)
    for name, function in summary.functions.items() if all_functions else ():
        if name != summary.function:
            typer.echo(f"\nFunction {name}")
            _print_function(function, shapes.get((*path, name), []))
    for name, stage in summary.stages.items():
        typer.echo("")
        print_summary(f"Stage {'/'.join((*path, name))}", stage, shapes, (*path, name))


def _print_function(summary: FunctionSummary, shapes: list[list[Any]]) -> None:
    parts = (("input", summary.inputs), ("output", summary.outputs), ("state", summary.states))
    rows = [(side, item.name, describe(item), item.description) for side, features in parts for item in features]
    print_table(("", "name", "type", "description"), rows)
    if summary.class_labels is not None:
        typer.echo(f"Class labels: {summary.class_labels}")
    if summary.layers:
        _print_layers(summary, shapes)
    if summary.weights:
        print_table(
            ("weights", "tensors", "parameters", "bytes"),
            [
                *(_weight_row(name, total) for name, total in summary.weights.items()),
                *([_weight_row("total", summary.total)] if len(summary.weights) > 1 else []),
            ],
            numeric=("tensors", "parameters", "bytes"),
        )


def _print_layers(summary: FunctionSummary, shapes: list[list[Any]]) -> None:
    rows = []
    for index, layer in enumerate(summary.layers):
        outputs = shapes[index] if index < len(shapes) else []
        total = layer.total
        rows.append(
            (
                layer.name,
                layer.type,
                ", ".join("×".join(str(size or "?") for size in shape) for shape in outputs),
                f"{total.parameters:,}" if total.parameters else "",
                bytes_text(total.bytes) if total.bytes else "",
                ", ".join(layer.weights),
            )
        )
    print_table(
        ("layer", "type", "output shape", "parameters", "size", "stored as"), rows, numeric=("parameters", "size")
    )


def _weight_row(name: str, total: WeightTotal) -> tuple[str, str, str, str]:
    return name, str(total.tensors), f"{total.parameters:,}", f"{total.bytes:,}"


def _print_dependencies(summary: ModelSummary) -> None:
    if not summary.custom_layers:
        return
    typer.echo("Dependencies: custom layers, whose code does not come with the model")
    print_table(
        ("class", "layer", "parameters", "weights", "description"),
        [
            (
                item.class_name,
                item.layer,
                ", ".join(f"{key}={value}" for key, value in item.parameters.items()),
                item.weights,
                item.description,
            )
            for item in summary.custom_layers
        ],
    )
