"""From a file to its first prediction in a fresh process: seconds and memory; and the start of mltoolkit.

    python benchmarks/loading.py [--rounds 7] [--write]

1. Loading. A new process imports NumPy, Pillow, onnx, onnx_ir, onnxruntime and mltoolkit, then loads the file
   and predicts a picture, on one thread. "Fresh" is all that happens after these imports, mltoolkit's own
   modules and the protobuf classes included, which are imported when first needed; "next" is a second load of
   the file in that process. Memory is the growth of the process's peak since the imports as a multiple of the
   file, for loading alone and with the prediction. Beside it stands onnxruntime alone on the ONNX file.
2. Starting. Whole processes: Python by itself, importing mltoolkit, taking its functions, the command line.
   Then the heavy packages that each of them pulls in.

The least of several interleaved rounds is reported, since noise only ever adds, and the median. The aims are
0.15 s (SqueezeNet) and 2 s (ResNet50) to the first prediction, 0.3 s for ``import mltoolkit`` and 0.6 s for
``mltoolkit --help``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from children import PEAK, run_child
from measured_pages import DATA, benchmark_parser, measured
from native_onnx import export
from numpy.typing import NDArray
from resnet50_shape import resnet50_spec

_SQUEEZENET = DATA / "coreml" / "SqueezeNet_fp32.mlmodel"
_SQUEEZENET_TWIN = DATA / "onnx" / "squeezenet_v1.1_from_apple_fp16.onnx"

_LOAD = (
    PEAK
    + """
import json, time
import numpy, onnx, onnx_ir, onnxruntime, PIL.Image
import mltoolkit
def job():
    wall, cpu = time.perf_counter(), time.process_time()
    model = mltoolkit.load(sys.argv[1])
    loaded = peak()
    feature = model.inputs[0]
    picture = numpy.zeros((feature.height, feature.width, 3), numpy.uint8)
    model.predict({feature.name: picture}, threads=1)
    return time.perf_counter() - wall, time.process_time() - cpu, loaded
base = peak()
wall, cpu, loaded = job()
predicted = peak()
next_wall, next_cpu, _ = job()
print(json.dumps([wall, cpu, next_wall, next_cpu, loaded - base, predicted - base]))
"""
)

_LOAD_NATIVE = (
    PEAK
    + """
import json, time
import numpy, onnxruntime
def job():
    wall, cpu = time.perf_counter(), time.process_time()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    session.run(None, {image.name: numpy.zeros((1, *image.shape[1:]), numpy.float32)})
    return time.perf_counter() - wall, time.process_time() - cpu
base = peak()
wall, cpu = job()
predicted = peak()
next_wall, next_cpu = job()
print(json.dumps([wall, cpu, next_wall, next_cpu, float("nan"), predicted - base]))
"""
)

_NAMES = "load, quantize_weights, compare_models, register_custom_layer, Model"
_STARTS = {
    "python": ["-c", "pass"],
    "import mltoolkit": ["-c", "import mltoolkit"],
    "from mltoolkit import …": ["-c", f"from mltoolkit import {_NAMES}"],
    "mltoolkit --help": ["-m", "mltoolkit", "--help"],
}
_NEVER = (
    "coremltools",
    "torch",
    "keras",
    "tensorflow",
    "sklearn",
    "scipy",
    "pandas",
    "skimage",
    "matplotlib",
)
# Imported with the first picture, the first run, the command line.
_LATE = ("PIL", "onnx", "onnx_ir", "onnxruntime", "typer", "rich")
_IMPORTED = """
import json, sys
{code}
print(json.dumps(sorted(name for name in {names} if name in sys.modules)), file=sys.stderr)
"""
_PREDICT_DIGITS = """
import mltoolkit, numpy
from mltoolkit.digits import digit_model_path
mltoolkit.load(digit_model_path()).predict({"image": numpy.zeros((28, 28), numpy.uint8)})
"""
_HELP = """
import mltoolkit.cli
sys.argv = ["mltoolkit", "--help"]
try:
    mltoolkit.cli.main()
except SystemExit:
    pass
"""


def _children_seconds() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _interleaved(
    commands: Mapping[str, list[str]], measure: Callable[[list[str]], Sequence[float]], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """What was measured of each command in each round, after a round that does not count."""
    results: dict[str, list[Sequence[float]]] = {name: [] for name in commands}
    for counts in range(rounds + 1):
        for name, arguments in commands.items():
            row = measure(arguments)
            if counts:
                results[name].append(row)
    return {name: np.array(rows, dtype=np.float64) for name, rows in results.items()}


def _load(arguments: list[str]) -> Sequence[float]:
    measured: list[float] = json.loads(run_child(arguments).stdout)
    return measured


def _least_and_median(rows: NDArray[np.float64]) -> str:
    columns = zip(rows.min(0), np.median(rows, 0), strict=True)
    return "".join(f"{f'{least:.3f} ({median:.3f})':>16}" for least, median in columns)


def _start(arguments: list[str]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), _children_seconds()
    run_child(arguments)
    return time.perf_counter() - wall, _children_seconds() - cpu


def _print_loading(folder: Path, rounds: int) -> None:
    spec = resnet50_spec()
    resnet50, resnet50_twin = folder / "resnet50.mlmodel", folder / "resnet50.onnx"
    resnet50.write_bytes(spec.SerializeToString())
    resnet50_twin.write_bytes(export(spec))
    del spec
    files = {"ResNet50 shape": resnet50, "  native ONNX": resnet50_twin}
    if _SQUEEZENET.exists() and _SQUEEZENET_TWIN.exists():
        files = {"SqueezeNet": _SQUEEZENET, " native ONNX": _SQUEEZENET_TWIN, **files}
    else:
        print(f"SqueezeNet is skipped: there is no {_SQUEEZENET} (set MLTOOLKIT_SHARED)")
    commands = {
        name: ["-c", _LOAD if file.suffix == ".mlmodel" else _LOAD_NATIVE, str(file)] for name, file in files.items()
    }
    print(f"load to first prediction: least (median) of {rounds} processes; peak memory ÷ file")
    columns = ("fresh wall s", "CPU s", "next wall s", "CPU s")
    print(f"{'':16}{'MB':>6}" + "".join(f"{column:>16}" for column in columns) + f"{'load':>7}{'+ run':>7}")
    for name, rows in _interleaved(commands, _load, rounds).items():
        size = files[name].stat().st_size
        memory = "".join(f"{'' if np.isnan(peak) else f'{peak:.2f}':>7}" for peak in np.median(rows[:, 4:], 0) / size)
        print(f"{name:16}{size / 1e6:6.1f}{_least_and_median(rows[:, :4])}{memory}")


def _print_starting(rounds: int) -> None:
    print(f"\nstart: least (median) of {rounds} processes")
    print(f"{'':28}{'wall s':>16}{'CPU s':>16}")
    for name, rows in _interleaved(_STARTS, _start, rounds).items():
        print(f"{name:28}{_least_and_median(rows)}")


def _print_imported() -> None:
    print("\nheavy packages that are pulled in")
    for name, code, names in (
        ("import mltoolkit", "import mltoolkit", (*_NEVER, *_LATE, "numpy")),
        ("from mltoolkit import …", f"from mltoolkit import {_NAMES}", (*_NEVER, *_LATE)),
        ("mltoolkit --help", _HELP, (*_NEVER, "onnx", "onnx_ir", "onnxruntime")),
        ("load and predict", _PREDICT_DIGITS, _NEVER),
    ):
        found = json.loads(run_child(["-c", _IMPORTED.format(code=code, names=names)]).stderr.splitlines()[-1])
        print(f"{name:28}{', '.join(found) or 'none'} (of {', '.join(names)})")


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as folder, measured(options, "benchmarks.md", packages=("onnx", "onnx-ir")):
        _print_loading(Path(folder), rounds)
        _print_starting(rounds)
        _print_imported()


if __name__ == "__main__":
    main()
