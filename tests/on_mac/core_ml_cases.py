"""Models and inputs on which mltoolkit's runtime is compared with Core ML itself.

Of the repository alone: the digit classifier, its quantized and converted forms, and networks of a few operations; with
the shared data beside the checkout also published models, on its free pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.formats.features import ImageFeature

PROJECT = Path(__file__).resolve().parent.parent.parent
PICTURES = PROJECT / "sample_images" / "photographs"
NETWORKS = {
    "convolution": "maps = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, kernel) y = Relu (maps)",
    "pooling": "y = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)",
    "softmax": "y = Softmax <axis = 1> (x)",
    "resize": "y = Resize <mode = 'linear', coordinate_transformation_mode = 'half_pixel'> (x, , scales)",
    "norm": "y = InstanceNormalization (x, one, one)",
    "gelu": "s = Erf (x) t = Add (s, one1) y = Mul (x, t)",
}


@dataclass(frozen=True)
class Case:
    """A model with the inputs to run it on, and the signal to noise ratio in dB that its floats must keep."""

    name: str
    model: mlt.Model
    inputs: tuple[dict[str, Any], ...]
    decibels: float


# What mltoolkit.convert promises of its own runtime: docs/conversion.md.
FLOAT32, FLOAT16 = 60.0, 20.0


def cases() -> Iterator[Case]:
    """All of them; a model is made when it is asked for."""
    yield from digit_cases()
    yield from network_cases()
    yield from published_cases()


def digit_cases() -> Iterator[Case]:
    """The digit classifier as a network and as a package, whole and in few bits."""
    digits = mlt.load(digit_model_path())
    pictures = [sorted((digit_images_path() / str(label)).glob("*.png"))[0] for label in range(10)]
    inputs = picture_inputs(digits, pictures)
    package = mlt.convert(digits, format="mlpackage")
    yield Case("digits, network", digits, inputs, FLOAT32)
    yield Case("digits, package", package, inputs, FLOAT32)
    for nbits, mode in ((16, "linear"), (8, "linear"), (4, "linear"), (4, "kmeans"), (2, "kmeans"), (1, "kmeans")):
        small = mlt.quantize_weights(digits, nbits, mode)
        wanted = FLOAT16 if nbits == 16 else FLOAT32
        yield Case(f"digits, network, {mode} {nbits} bits", small, inputs, wanted)
        yield Case(f"digits, package, {mode} {nbits} bits", mlt.convert(small, format="mlpackage"), inputs, wanted)
    half = mlt.convert(digits, format="mlpackage", precision="float16")
    yield Case("digits, package, computed in float16", half, inputs, FLOAT16)


def network_cases() -> Iterator[Case]:
    """Networks of one or two operations, in both formats, on seeded numbers."""
    import onnx.numpy_helper
    import onnx.parser

    generator = np.random.default_rng(0)
    constants = {
        "kernel": generator.standard_normal((5, 3, 3, 3)).astype(np.float32),
        "one": np.ones(3, np.float32),
        "one1": np.ones(1, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    x = {"x": generator.standard_normal((1, 3, 12, 10)).astype(np.float32)}
    for name, body in NETWORKS.items():
        header = '<ir_version: 9, opset_import: ["": 18]> network (float[1, 3, 12, 10] x) => (float[N, C, H, W] y)'
        network = onnx.parser.parse_model(f"{header} {{ {body} }}".replace("'", '"'))
        for constant, values in constants.items():
            if any(constant in node.input for node in network.graph.node):
                network.graph.initializer.append(onnx.numpy_helper.from_array(values, constant))
        for format in ("mlmodel", "mlpackage"):
            yield Case(f"{name}, {format}", mlt.convert(network, format=format), (x,), FLOAT32)


def published_cases() -> Iterator[Case]:
    """Published models that take one picture; none where the shared data is not at hand."""
    shared = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "data"
    for path in sorted((shared / "coreml").glob("*.mlmodel")):
        model = mlt.load(path)
        single = len(model.inputs) == 1 and isinstance(model.inputs[0], ImageFeature)
        if single and not model.summary().custom_layers and "Network" in model.kind:
            inputs = picture_inputs(model, sorted(PICTURES.iterdir()))
            yield Case(path.stem, model, inputs, FLOAT16 if "float16" in model.summary().weights else FLOAT32)


def picture_inputs(model: mlt.Model, paths: list[Path]) -> tuple[dict[str, Any], ...]:
    """The pictures in the size and colours of the model's only input, so that nobody has to resize them."""
    feature = model.inputs[0]
    assert isinstance(feature, ImageFeature)
    mode = "L" if feature.color_space.startswith("GRAY") else "RGB"
    size = (feature.width, feature.height)
    return tuple(
        {feature.name: Image.open(path).convert(mode).resize(size, Image.Resampling.LANCZOS)} for path in paths
    )
