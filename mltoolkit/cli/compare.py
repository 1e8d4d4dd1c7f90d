"""``mltoolkit compare A B SAMPLES``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mltoolkit.cli.options import Json, Layers, Progress, Samples, examples, free_path, given, import_custom_layers
from mltoolkit.cli.printing import print_json

_EXAMPLES = examples(
    "mltoolkit compare model.mlmodel small.mlmodel pictures --min-agreement 0.95",
    "mltoolkit compare model.mlmodel small.mlmodel pictures --report report.html",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("compare", epilog=_EXAMPLES)(compare)


def compare(
    full_precision_model: Annotated[str, typer.Argument(metavar="MODEL", help="The model taken for right.")],
    quantized_model: Annotated[str, typer.Argument(metavar="OTHER", help="The model measured against it.")],
    sample_data: Samples,
    crop: Annotated[str, typer.Option(help="How pictures are fitted: whole or center.")] = "whole",
    min_agreement: Annotated[
        float | None, typer.Option(help="Leave with exit code 3 when top-1 agreement (0 to 1) is lower.")
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a page with agreement, confusions, the worst pictures, the error of every layer and the sizes, "
            "and the figures as JSON beside it.",
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also show the errors of every layer, accumulated and in isolation.")
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the errors over the layers as a plot: .png, .svg or .pdf."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing report or plot.")] = False,
    progress: Progress = None,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Compare two models on a folder of samples: top-1 agreement for classifiers, SNR and PSNR for the rest."""
    from mltoolkit.comparison import compare_layers, compare_models, comparison_page
    from mltoolkit.errors import ArgumentError, ComparisonError
    from mltoolkit.model import load

    if min_agreement is not None and not 0 <= min_agreement <= 1:
        raise ArgumentError(f"--min-agreement lies between 0 and 1, not {min_agreement}")
    target = _free_page(report, force) if report is not None else None
    if plot is not None:
        _check_plot(plot, force)
    import_custom_layers(custom_layers)
    given(sample_data, "SAMPLES")
    models = load(full_precision_model), load(quantized_model)
    if target is not None:
        page = comparison_page(
            *models,
            sample_data,
            crop=crop,  # type: ignore[arg-type]  # compare_models checks it
            names=(full_precision_model, quantized_model),
            progress=progress,
        )
        page.save(target)
        found, found_layers = page.comparison, page.layers
    else:
        found = compare_models(*models, sample_data, crop=crop, progress=progress)  # type: ignore[arg-type]
        found_layers = None
    if (layers or plot is not None) and found_layers is None:
        found_layers = compare_layers(*models, sample_data, crop=crop, progress=progress)  # type: ignore[arg-type]
    if plot is not None and found_layers is not None:
        found_layers.plot(plot)
    if as_json:
        print_json(found.to_dict() | ({"layers": found_layers.to_dict()} if layers and found_layers else {}))
    else:
        typer.echo(str(found))
        if layers:
            typer.echo(f"\n{found_layers}")
        written = [plot] if plot is not None else []
        if target is not None:
            written += [str(target), str(target.with_suffix(".json"))]
        if written:
            typer.echo(f"written: {', '.join(written)}")
    if min_agreement is not None:
        if found.top1_agreement is None:
            raise ComparisonError("--min-agreement needs classifiers; these models have no class labels")
        if found.top1_agreement < min_agreement:
            typer.echo(f"mltoolkit: agreement {found.top1_agreement:.4f} is below {min_agreement}", err=True)
            raise typer.Exit(3)


def _free_page(report: str, force: bool) -> Path:
    """Where the report goes, found out before the long work."""
    from mltoolkit.comparison import check_page_path
    from mltoolkit.comparison.plotting import require_plots

    require_plots("compare --report")
    target = check_page_path(report)
    for file in (target, target.with_suffix(".json")):
        free_path(file, force, option="--report")
    return target


def _check_plot(plot: str, force: bool) -> None:
    from mltoolkit.comparison.plotting import check_plot_path, require_plots

    require_plots("compare --plot")
    free_path(check_plot_path(plot), force, option="--plot")
