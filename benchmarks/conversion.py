"""Converting ResNet50: seconds, memory, transposes, and the speed of what comes out. Needs torch and keras.

    python benchmarks/conversion.py [--rounds 15] [--write]

1. ``mltoolkit.convert`` of ResNet50 from Keras and from the ONNX file that torch writes, to both formats, each in a
   new process that has imported the frameworks before (coremltools with torch takes seconds alone). Seconds are wall
   time and CPU time of the conversion, without and with verification; memory is the growth of the process's peak, in
   multiples of the weights as float32, without and with verification. MobileNetV2 from Keras shows the transposes.
2. CPU time of an inference on one thread: the converted model through ``Model.predict_raw`` against the source ONNX
   file in plain onnxruntime.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from children import PEAK, run_child
from contest import HEADING, Contest, measure
from measured_pages import benchmark_parser, measured
from numpy.typing import NDArray

import mltoolkit

_FORMATS = ("mlpackage", "mlmodel")
_CHILD = (
    PEAK
    + """
import json, os, time
os.environ.setdefault("KERAS_BACKEND", "torch")
import numpy, torch, keras, coremltools, onnxscript, onnxruntime
import mltoolkit
source, name, format, verify, target = sys.argv[1:]
if source == "Keras":
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None)
    weights = sum(array.nbytes for array in model.get_weights())
else:
    model, weights = source, os.path.getsize(source)
# A small model first, so that everything is imported.
small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
mltoolkit.convert(small, format=format, verify=verify == "verified")
before, cpu, start = peak(), time.process_time(), time.perf_counter()
converted = mltoolkit.convert(model, format=format, verify=verify == "verified")
wall, cpu, grown = time.perf_counter() - start, time.process_time() - cpu, peak() - before
if target:
    converted.save(target)
transposes = converted.conversion_report.transposes
print(json.dumps([wall, cpu, grown / weights, transposes]))
"""
)


def _measured(source: str, name: str, format: str, verify: bool, target: str = "") -> list[float]:
    words = ["-c", _CHILD, source, name, format, "verified" if verify else "", target]
    result: list[float] = json.loads(run_child(words).stdout.splitlines()[-1])
    return result


def _resnet50_onnx(folder: Path) -> Path:
    import torch
    from torch_networks import make_network

    network = make_network("ResNet50")
    path = folder / "resnet50.onnx"
    torch.onnx.export(
        network.model, (network.x,), path, input_names=["x"], output_names=["y"], dynamo=False, opset_version=17
    )
    return path


def _print_conversions(folder: Path, onnx_file: Path, formats: Sequence[str]) -> dict[str, Path]:
    print(f"{'':22}{'':11}{'without verification':>28}{'with verification':>28}")
    print(f"{'source':22}{'format':11}" + f"{'wall s':>8}{'CPU s':>8}{'memory':>12}" * 2 + f"{'transposes':>12}")
    written: dict[str, Path] = {}
    for source, name in (("Keras", "ResNet50"), (str(onnx_file), "ResNet50"), ("Keras", "MobileNetV2")):
        for form in formats:
            label = f"{name}, {'Keras' if source == 'Keras' else 'ONNX'}"
            target = folder / f"{label.replace(', ', '_')}.{form}"
            plain = _measured(source, name, form, verify=False)
            verified = _measured(source, name, form, verify=True, target=str(target))
            cells = "".join(f"{row[0]:8.1f}{row[1]:8.1f}{f'{row[2]:.1f} ×':>12}" for row in (plain, verified))
            print(f"{label:22}{form:11}{cells}{verified[3]:12}", flush=True)
            written[f"{label}, {form}"] = target
    return written


def _print_speed(models: dict[str, Path], onnx_file: Path, rounds: int) -> None:
    print("\n" + HEADING)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    for label, path in models.items():
        if "ONNX" not in label:
            continue
        model = mltoolkit.load(path)

        def ours(model: mltoolkit.Model = model) -> NDArray[Any]:
            return next(iter(model.predict_raw({"x": x}, threads=1).values())).reshape(-1)

        print(measure(Contest(label.split(", ")[-1], ours, lambda: session.run(None, {"x": x})[0].reshape(-1)), rounds))


def main() -> None:
    """Print both tables, and write them if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    packages = ("torch", "keras", "onnxscript")
    with tempfile.TemporaryDirectory() as name, measured(options, "benchmarks.md", packages=packages):
        folder = Path(name)
        onnx_file = _resnet50_onnx(folder)
        written = _print_conversions(folder, onnx_file, formats=_FORMATS[:1] if options.quick else _FORMATS)
        _print_speed(written, onnx_file, 3 if options.quick else options.rounds)


if __name__ == "__main__":
    main()
