"""``mltoolkit quantize MODEL -o OUT``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mltoolkit.cli.options import Json, ModelPath
from mltoolkit.cli.printing import print_json
from mltoolkit.markup.text import bytes_text


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("quantize")(quantize)


def quantize(
    model: ModelPath,
    output: Annotated[str, typer.Option("--output", "-o", help="The .mlmodel file to write.")],
    nbits: Annotated[int, typer.Option("--nbits", "-n", help="Bits a weight: 1 to 8, or 16 for float16.")] = 8,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", "-m", help="linear, linear_symmetric, kmeans, linear_lut, or dequantization (to float32)."
        ),
    ] = "linear",
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="For linear modes: one scale a weight, not one a channel.")
    ] = False,
    include_biases: Annotated[bool, typer.Option("--include-biases", help="Quantize biases too.")] = False,
    include_normalization: Annotated[
        bool, typer.Option("--include-normalization", help="Quantize batch normalisation's parameters too.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Quantize only layers whose name matches this pattern (* and ?); may be repeated."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave alone layers whose name matches this pattern; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output, or even the model itself.")] = False,
    as_json: Json = False,
) -> None:
    """Quantize a model's weights; the inputs and outputs stay the same."""
    from mltoolkit.cli.selection import layer_selector
    from mltoolkit.errors import ArgumentError
    from mltoolkit.model import load
    from mltoolkit.quantization import quantize_weights

    target = Path(output)
    if target.exists() and not force:
        raise ArgumentError(f"{output!r} exists already", fix="Give another --output, or --force to replace it")
    source = load(model)
    small = quantize_weights(
        source,
        nbits,
        mode,
        per_channel=not per_tensor,
        include_biases=include_biases,
        include_normalization=include_normalization,
        selector=layer_selector(source, only or [], skip or []),
    )
    small.save(target)
    report = small.quantization_report
    assert report is not None  # quantize_weights sets it
    if as_json:
        print_json({**report.to_dict(), "output": output})
        return
    typer.echo(str(report))
    typer.echo(f"{output}: {bytes_text(report.model_bytes_before)} → {bytes_text(report.model_bytes_after)}")
