"""``mltoolkit compare A B DATA``"""

from __future__ import annotations

from typing import Annotated

import typer

from mltoolkit.cli.options import Json, Layers, import_custom_layers
from mltoolkit.cli.printing import print_json


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("compare")(compare)


def compare(
    full_precision_model: Annotated[str, typer.Argument(metavar="MODEL", help="The model taken for right.")],
    quantized_model: Annotated[str, typer.Argument(metavar="OTHER", help="The model measured against it.")],
    sample_data: Annotated[str, typer.Argument(metavar="PICTURES", help="A folder of pictures, or one picture.")],
    crop: Annotated[str, typer.Option(help="How pictures are fitted: whole or center.")] = "whole",
    min_agreement: Annotated[
        float | None, typer.Option(help="Leave with exit code 3 when top-1 agreement (0 to 1) is lower.")
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="A progress bar on stderr; on a terminal by default."),
    ] = None,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Compare two models on a folder of pictures: top-1 agreement for classifiers, SNR and PSNR for the rest."""
    from mltoolkit.comparison import compare_models
    from mltoolkit.errors import ArgumentError, ComparisonError
    from mltoolkit.model import load

    if min_agreement is not None and not 0 <= min_agreement <= 1:
        raise ArgumentError(f"--min-agreement lies between 0 and 1, not {min_agreement}")
    import_custom_layers(custom_layers)
    report = compare_models(
        load(full_precision_model),
        load(quantized_model),
        sample_data,
        crop=crop,  # type: ignore[arg-type]  # compare_models checks it
        progress=progress,
    )
    if as_json:
        print_json(report.to_dict())
    else:
        typer.echo(str(report))
    if min_agreement is not None:
        if report.top1_agreement is None:
            raise ComparisonError("--min-agreement needs classifiers; these models have no class labels")
        if report.top1_agreement < min_agreement:
            typer.echo(f"mltoolkit: agreement {report.top1_agreement:.4f} is below {min_agreement}", err=True)
            raise typer.Exit(3)
