"""TensorFlow models: handed to coremltools; not run here."""

from __future__ import annotations

from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.sources import Source
from mltoolkit.converters.coremltools_front_ends.tensorflow_models import convert_tensorflow
from mltoolkit.errors import ArgumentError
from mltoolkit.model import Model


def open_tensorflow(source: Source, options: Options) -> Imported:
    """Convert a TensorFlow model.

    Raises:
        ArgumentError: custom conversion functions or new names, which coremltools' converter does not know.
        MissingExtraError: TensorFlow is not installed.
        UnsupportedModelError: coremltools refuses the model.
    """
    if len(options.hooks) or options.names:
        raise ArgumentError(
            "a TensorFlow model is converted by coremltools, which knows neither custom conversion functions nor names",
            fix="Export the model to ONNX (tf2onnx) and convert that",
        )
    made = convert_tensorflow(source.value, options.target, options.shapes_by_name(list(options.target.inputs)) or {})
    model = Model(made.spec, custom_layers=options.custom_layers, weights_dir=made.weights_dir)
    return Imported(
        kind="TensorFlow",
        title=source.title,
        way="TensorFlow → coremltools",
        layers=sum(count for kind, count in model.summary().layer_types.items() if kind != "const"),
        model=model,
        without_reference="TensorFlow models are not run here",
    )
