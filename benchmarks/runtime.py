"""A prediction by mltoolkit against onnxruntime on the same network exported natively to ONNX.

    python benchmarks/runtime.py [--rounds 31] [--write]

CPU seconds of one thread. Ours is ``Model.predict_raw`` on a prepared picture, preprocessing in the network
included; theirs is ``InferenceSession.run`` with the same session options on the normalised picture, on the
ONNX twin of Apple's SqueezeNet (shared data; skipped where absent) and on MobileNetV2 and ResNet50 as a
PyTorch exporter writes them. The two must give equal probabilities first.

Each round runs ours, theirs, theirs, ours and gives one ratio, so that a slow spell of the machine hits
both; the table holds the median of the rounds' ratios and its quartiles.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnxruntime as ort
from contest import HEADING, Contest, measure
from measured_pages import DATA, benchmark_parser, measured
from mobilenetv2_shape import mobilenetv2_spec
from native_onnx import export
from numpy.typing import NDArray
from resnet50_shape import resnet50_spec

import mltoolkit
from mltoolkit.formats.features import ImageFeature

_SQUEEZENET = (
    DATA / "coreml" / "SqueezeNetFP16.mlmodel",
    DATA / "onnx" / "squeezenet_v1.1_from_apple_fp16.onnx",
)


def _normalised(model: mltoolkit.Model, feature: ImageFeature, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The prepared picture (1, 3, H, W) after the preprocessing that the file asks for."""
    scaler = model.spec.neuralNetworkClassifier.preprocessing[0].scaler
    biases = [scaler.redBias, scaler.greenBias, scaler.blueBias]
    if feature.color_space == "BGR":
        biases.reverse()
    return pixels * np.float32(scaler.channelScale) + np.array(biases, np.float32)[:, None, None]


def _contest(name: str, model: mltoolkit.Model, native: bytes | str) -> Contest:
    (feature,), output = model.inputs, model.predicted_probabilities_name
    assert isinstance(feature, ImageFeature) and output is not None
    picture = np.random.default_rng(0).integers(0, 256, (feature.height, feature.width, 3)).astype(np.uint8)
    prepared = model.prepare_image(feature, picture)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(native, options, providers=["CPUExecutionProvider"])
    normalised = _normalised(model, feature, prepared.array)
    return Contest(
        name,
        lambda: model.predict_raw({feature.name: prepared}, threads=1)[output],
        lambda: session.run(None, {"image": normalised})[0].reshape(-1),
    )


def _contests() -> Iterator[Contest]:
    coreml, twin = _SQUEEZENET
    if coreml.exists() and twin.exists():
        yield _contest("SqueezeNet", mltoolkit.load(coreml), str(twin))
    else:
        print(f"SqueezeNet is skipped: there is no {coreml} with its twin (set MLTOOLKIT_SHARED)")
    for name, make_spec in (("MobileNetV2 shape", mobilenetv2_spec), ("ResNet50 shape", resnet50_spec)):
        spec = make_spec()
        yield _contest(name, mltoolkit.Model.from_spec(spec), export(spec))


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    with measured(options, "benchmarks.md"):
        print(f"one thread, median of {rounds} rounds")
        print(HEADING)
        for contest in _contests():
            print(measure(contest, rounds))


if __name__ == "__main__":
    main()
