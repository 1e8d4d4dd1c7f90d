"""``mltoolkit quantize MODEL -o OUT``"""

from __future__ import annotations

from typing import Annotated

import typer

from mltoolkit.cli import calibrate_options as calibration
from mltoolkit.cli import form_options as forms
from mltoolkit.cli.options import Json, Layers, ModelPath, examples, free_path, given, import_custom_layers
from mltoolkit.cli.printing import print_json
from mltoolkit.markup.text import bytes_text

# Modes that say the number of bits themselves.
_WITHOUT_BITS = ("unique", "float16", "dequantization")

_EXAMPLES = examples(
    "mltoolkit quantize model.mlmodel -o small.mlmodel --nbits 8 --mode linear",
    "mltoolkit quantize model.mlpackage -o small.mlpackage --nbits 4 --mode kmeans --target iOS18",
    "mltoolkit quantize model.mlmodel -o small.mlmodel --calibrate pictures --max-bytes 700000",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("quantize", epilog=_EXAMPLES)(quantize)


def quantize(
    model: ModelPath,
    output: Annotated[str, typer.Option("--output", "-o", help="The .mlmodel file or .mlpackage to write.")],
    nbits: Annotated[
        int | None,
        typer.Option("--nbits", "-n", help="Bits a weight: 1 to 8, or 16 for float16; 8 if nothing else says it."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            "-m",
            help="linear, linear_symmetric, kmeans, linear_lut, unique, float16, or dequantization (to floats); "
            "linear by default, kmeans with --calibrate.",
        ),
    ] = None,
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
    settings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.json", help="Exceptions by layer and weight, as quantization_settings(model) has them."
        ),
    ] = None,
    granularity: forms.Granularity = None,
    block_size: forms.BlockSize = None,
    group_size: forms.GroupSize = None,
    channel_axis: forms.ChannelAxis = None,
    cluster_dim: forms.ClusterDim = None,
    per_channel_scale: forms.PerChannelScale = False,
    unsigned: forms.Unsigned = False,
    minimum_deployment_target: forms.Target = None,
    calibrate: calibration.Pictures = None,
    max_bytes: calibration.MaxBytes = None,
    max_bits_per_weight: calibration.MaxBitsPerWeight = None,
    min_agreement: calibration.MinAgreement = None,
    held_out: calibration.HeldOut = None,
    limit: calibration.Limit = None,
    seed: calibration.Seed = None,
    crop: calibration.Fit = None,
    plot: calibration.Plot = None,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress",
            help="With --calibrate, a progress bar on stderr, weight by weight; on a terminal by default.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output, or even the model itself.")] = False,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Quantize a model's weights; the inputs and outputs stay the same.

    With --calibrate, one of --nbits, --max-bytes, --max-bits-per-weight, --min-agreement and --settings says how far.
    """
    from mltoolkit.cli.selection import layer_selector
    from mltoolkit.errors import ArgumentError
    from mltoolkit.formats.model_writing import check_target
    from mltoolkit.model import load
    from mltoolkit.quantization import quantize_weights

    target = free_path(output, force)
    if mode in ("custom_lut", "custom"):
        raise ArgumentError(f"the mode {mode!r} needs a Python function", fix="Call mlt.quantize_weights in Python")
    options = calibration.CalibrateOptions(
        calibrate, max_bytes, max_bits_per_weight, min_agreement, held_out, limit, seed, crop, plot
    )
    form_arguments = forms.form_arguments(
        *(granularity, block_size, group_size, channel_axis, cluster_dim),
        *(per_channel_scale, unsigned, minimum_deployment_target),
    )
    if settings is None:  # which may have granularities of their own
        forms.check_sizes(form_arguments)
    import_custom_layers(custom_layers)
    source = load(model)
    check_target(source.spec, target)
    selector = layer_selector(source, only or [], skip or [])
    drawing = None
    if calibrate is None:
        options.refuse_alone()
        small = quantize_weights(
            source,
            8 if nbits is None and settings is None and mode not in _WITHOUT_BITS else nbits,
            "linear" if mode is None else mode,
            per_channel=not per_tensor,
            include_biases=include_biases,
            include_normalization=include_normalization,
            selector=selector,
            settings=settings,
            **form_arguments,
        )
    else:
        given(calibrate, "--calibrate")
        if include_biases or include_normalization:
            raise ArgumentError("calibration corrects biases; it quantizes weights alone", fix="Leave --include-… out")
        forms.check_for_calibration(form_arguments)
        drawing = options.plot_path(force)
        small = options.quantize(
            source,
            nbits=nbits,
            mode=mode,
            per_channel=not per_tensor,
            settings=settings,
            selector=selector,
            progress=progress,
            **form_arguments,
        )
    small.save(target)
    if drawing is not None:
        calibration.draw(small, drawing)
    report = small.quantization_report
    assert report is not None  # quantize_weights sets it
    if as_json:
        print_json({**report.to_dict(), "output": output})
        return
    typer.echo(str(report))
    typer.echo(f"{output}: {bytes_text(report.model_bytes_before)} → {bytes_text(report.model_bytes_after)}")
