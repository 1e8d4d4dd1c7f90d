"""``mltoolkit convert SRC -o DST``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mltoolkit.cli.options import Json, Layers, examples, free_path, import_custom_layers, target_option
from mltoolkit.cli.printing import print_json

if TYPE_CHECKING:
    from mltoolkit.conversion.report import ConversionReport

_FORMATS = {".mlmodel": "mlmodel", ".mlpackage": "mlpackage"}

_EXAMPLES = examples(
    "mltoolkit convert model.onnx -o model.mlpackage",
    "mltoolkit convert model.keras -o model.mlmodel --image image --scale 1/255 --labels labels.txt",
    "mltoolkit convert old.mlmodel -o new.mlpackage --target iOS16 --precision float16",
    "mltoolkit convert model.mlpackage -o model.onnx",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("convert", epilog=_EXAMPLES)(convert)


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A model: .keras, .h5, .hdf5, .onnx, .mlmodel, .mlpackage, .pt2, TorchScript .pt, SavedModel folder.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DST", help="The .mlmodel, .mlpackage or .onnx to write.")
    ],
    format: Annotated[str | None, typer.Option(help="mlmodel or mlpackage; by default DST's suffix says it.")] = None,
    precision: Annotated[str, typer.Option(help="float32 or float16.")] = "float32",
    target: Annotated[
        str | None,
        target_option("The oldest system that shall run it, such as iOS16 or macOS13."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="FILE", help="A classifier's labels: a text file, one a line.")
    ] = None,
    predicted_feature_name: Annotated[str, typer.Option(help="A classifier's output for the label.")] = "classLabel",
    probabilities: Annotated[
        str | None, typer.Option(metavar="NAME", help="The source's output with the probabilities, if it has several.")
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This input is a picture; may be repeated.")
    ] = None,
    scale: Annotated[str, typer.Option(help="What pixels are multiplied by: 1/255, or three numbers by commas.")] = "1",
    bias: Annotated[str, typer.Option(help="What is added then: a number, or three by commas.")] = "0",
    color: Annotated[
        str | None, typer.Option(help="Pictures' channels: RGB, BGR, GRAYSCALE or GRAYSCALE_FLOAT16.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Axes of the source's pictures: NCHW or NHWC.")] = None,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SIZES", help="x=1,3,224,224; 1..8 is a range, ? what SRC says; may be repeated."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename an input or output; may be repeated.")
    ] = None,
    hooks: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:DICT", help="Custom conversion functions: module:dictionary or file.py:dictionary."
        ),
    ] = None,
    author: Annotated[str, typer.Option(help="Metadata.")] = "",
    license: Annotated[str, typer.Option(help="Metadata.")] = "",
    description: Annotated[str, typer.Option(help="Metadata.")] = "",
    model_version: Annotated[str, typer.Option(help="Metadata.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the source's outputs with the written model's.")
    ] = True,
    verification_inputs: Annotated[
        str | None, typer.Option(metavar="FILE.npz", help="Arrays by input name to compare on; else seeded values.")
    ] = None,
    tolerance_db: Annotated[
        float | None, typer.Option(help="Lowest signal to noise ratio of an output, in dB.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the values to compare on.")] = 0,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists.")] = False,
    as_json: Json = False,
    custom_layers: Layers = None,
) -> None:
    """Convert a model to Core ML (or a Core ML model to ONNX) and check that it computes the same."""
    from mltoolkit.cli.convert_options import (
        read_arrays,
        read_fixed_shapes,
        read_hooks,
        read_inputs,
        read_pairs,
        refuse_for_onnx,
    )
    from mltoolkit.conversion.convert import convert as convert_model
    from mltoolkit.errors import ArgumentError, did_you_mean

    path = free_path(output, force)
    import_custom_layers(custom_layers)
    if path.suffix.lower() == ".onnx":
        from mltoolkit.conversion.export import export_onnx

        refuse_for_onnx(
            format=format,
            precision=None if precision == "float32" else precision,
            target=target,
            labels=labels,
            predicted_feature_name=None if predicted_feature_name == "classLabel" else predicted_feature_name,
            probabilities=probabilities,
            image=image,
            scale=None if scale == "1" else scale,
            bias=None if bias == "0" else bias,
            color=color,
            layout=layout,
            name=name,
            hooks=hooks,
            author=author,
            license=license,
            description=description,
            model_version=model_version,
        )
        exported = export_onnx(
            source,
            path,
            input_shapes=read_fixed_shapes(input_shape or []),
            verify=verify,
            verification_inputs=read_arrays(verification_inputs),
            tolerance_db=tolerance_db,
            seed=seed,
        )
        _say(exported, output, as_json)
        return
    kind = format or _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ArgumentError(
            f"{output!r} is neither .mlmodel nor .mlpackage nor .onnx", fix="Give DST one of these suffixes"
        )
    if kind not in _FORMATS.values():
        raise ArgumentError(f"there is no format {kind!r}", fix=did_you_mean(kind, _FORMATS.values()))
    if _FORMATS.get(path.suffix.lower(), kind) != kind:
        raise ArgumentError(f"--format {kind} contradicts the name {path.name!r}", fix="Leave --format out")
    model = convert_model(
        source,
        format=kind,
        precision=precision,
        minimum_deployment_target=target,
        inputs=read_inputs(image or [], input_shape or [], scale=scale, bias=bias, color=color, layout=layout),
        names=read_pairs(name or [], "--name"),
        class_labels=labels,
        predicted_feature_name=predicted_feature_name,
        probabilities=probabilities,
        author=author,
        license=license,
        short_description=description,
        version=model_version,
        custom_conversion_functions=read_hooks(hooks),
        verify=verify,
        verification_inputs=read_arrays(verification_inputs),
        tolerance_db=tolerance_db,
        seed=seed,
    )
    model.save(path)
    report = model.conversion_report
    assert report is not None  # convert sets it
    _say(report, output, as_json)


def _say(report: ConversionReport, output: str, as_json: bool) -> None:
    if as_json:
        print_json({**report.to_dict(), "output": output})
    else:
        typer.echo(str(report))
        typer.echo(f"written: {output}")
