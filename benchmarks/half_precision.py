"""How far float16 conversions lie from their sources: the table that docs/conversion.md shows.

    python benchmarks/half_precision.py [MODEL ...] [--write]

A MODEL is a name in keras.applications (random weights, seed 0, 96×96 pictures, no top) or a file below the shared data
folder; all of the table when left out. Printed is the lowest signal to noise ratio of any output of the written file,
for .mlmodel and .mlpackage.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

from measured_pages import DATA, benchmark_parser, measured

import mltoolkit as mlt

MODELS = (
    *("MobileNetV2", "EfficientNetB0", "DenseNet121", "ResNet50", "Xception", "ConvNeXtTiny", "VGG16"),
    *("onnx/mnist-8.onnx", "onnx/basic_pitch_nmp.onnx", "onnx/face_version-slim-320.onnx"),
    *("onnx/ch_PP-OCRv4_det_infer.onnx", "coreml/FNS-Candy.mlmodel", "coreml/kraken_overfit.mlmodel"),
    "keras/gender_mini_XCEPTION.21-0.95.hdf5",
)
# Nothing is refused for its distance here: that is what is measured.
ANY_DISTANCE_DB = 0.1


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("models", nargs="*")
    options = parser.parse_args()
    with measured(options, "conversion.md", markdown=True, packages=("torch", "keras")):
        print("| model | .mlmodel, dB | .mlpackage, dB |\n|---|--:|--:|")
        for name in options.models or (MODELS[:1] if options.quick else MODELS):
            figures = [f"{lowest(source(name), form):.1f}" for form in ("mlmodel", "mlpackage")]
            print(f"| {Path(name).name} | {' | '.join(figures)} |")


def source(name: str) -> Any:
    """The Keras model or the file."""
    if "/" in name:
        return DATA / name
    import keras

    keras.utils.set_random_seed(0)
    architecture = getattr(keras.applications, name)
    return architecture(weights=None, input_shape=(96, 96, 3), include_top=False, pooling="avg")


def lowest(model: Any, form: str) -> float:
    """The lowest ratio of any output of the written file, dB."""
    report = mlt.convert(model, format=form, precision="float16", tolerance_db=ANY_DISTANCE_DB).conversion_report
    assert report is not None
    return min(
        check.decibels for check in report.checks if check.stages == "source = file" and check.decibels is not None
    )


if __name__ == "__main__":
    main()
