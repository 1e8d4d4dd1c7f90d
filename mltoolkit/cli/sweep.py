"""``mltoolkit sweep MODEL SAMPLES -o FOLDER``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mltoolkit.cli.options import (
    Json,
    Layers,
    ModelPath,
    Progress,
    Samples,
    examples,
    given,
    import_custom_layers,
    target_option,
)
from mltoolkit.cli.printing import print_json

_EXAMPLES = examples(
    "mltoolkit sweep model.mlmodel pictures -o sweep",
    "mltoolkit sweep model.mlmodel pictures -o sweep --calibration other-pictures --bits 8,4,3,2",
    "mltoolkit sweep model.mlmodel pictures -o sweep --calibration 0.5",
    "mltoolkit sweep model.mlpackage pictures -o sweep -m linear -m kmeans --target iOS18 --keep-models",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("sweep", epilog=_EXAMPLES)(sweep)


def sweep(
    model: ModelPath,
    sample_data: Samples,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where tables, plots and finished rows are kept; rows are reused."
        ),
    ],
    mode: Annotated[
        list[str] | None,
        typer.Option(
            "--mode",
            "-m",
            help="A mode to try; may be repeated. Default: linear, kmeans, and both calibrated with --calibration.",
        ),
    ] = None,
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Bits a weight. 8,6,4,3,2,1 by default; 8,4,3,2 for models that make pictures."
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="SAMPLES|SHARE",
            help="What calibrated modes look at: others than those compared on, or the share of SAMPLES that is kept "
            "apart for it, such as 0.5.",
        ),
    ] = None,
    minimum_deployment_target: Annotated[
        str | None,
        target_option(
            "The oldest system that ML Programs shall run on; raising it brings the forms of that system.",
            metavar="iOS18",
        ),
    ] = None,
    crop: Annotated[str, typer.Option(help="How pictures are fitted: whole or center.")] = "whole",
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the smaller models, in FOLDER/models.")
    ] = False,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw bytes against agreement.")] = True,
    workers: Annotated[int | None, typer.Option(help="Rows measured at once; one a core by default.")] = None,
    progress: Progress = None,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Quantize a model in many ways and show what each costs and keeps: table, CSV, JSON, plot, contact sheet.

    What was interrupted goes on where it stopped.
    """
    from mltoolkit.sweeps import sweep as run_sweep

    import_custom_layers(custom_layers)
    given(sample_data, "SAMPLES")
    try:
        report = run_sweep(
            model,
            sample_data,
            given(output, "--output"),
            modes=mode or None,
            bits=_numbers(bits) if bits is not None else None,
            calibration_data=None if calibration is None else _calibration_data(calibration),
            minimum_deployment_target=minimum_deployment_target,
            crop=crop,  # type: ignore[arg-type]  # sweep checks it
            keep_models=keep_models,
            plots=plots,
            workers=workers,
            progress=progress,
        )
    except KeyboardInterrupt:
        typer.echo(f"mltoolkit: interrupted; the same command goes on from the rows in {output}", err=True)
        raise
    if as_json:
        print_json(report.to_dict())
        return
    typer.echo(str(report))
    files = ["sweep.csv", "sweep.json", *(["sweep.svg", "sweep.png"] if plots else ())]
    typer.echo(f"written to {output}: {', '.join([*files, *(sheet.name for sheet in report.sheets)])}")


def _calibration_data(text: str) -> str | float:
    """A share of the samples, or where others lie."""
    given(text, "--calibration")
    try:
        return text if Path(text).exists() else float(text)
    except ValueError:
        return text


def _numbers(bits: str) -> list[int]:
    from mltoolkit.errors import ArgumentError

    try:
        return [int(number) for number in bits.split(",")]
    except ValueError:
        raise ArgumentError(f"--bits {bits!r} is no list of whole numbers", fix="Give them like 8,4,2") from None
