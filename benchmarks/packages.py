"""Packages that coremltools writes: loading, memory, speed and equality. Needs torch and coremltools.

    python benchmarks/packages.py [--rounds 15] [--write]

1. Loading ResNet50, each time in a new process. "Load" is ``mltoolkit.load``; "ready" is all until the model can
   predict (the first prediction less the time of another one). Memory is the growth of the process's peak, in
   multiples of the file's weights and of the weights as float32, in which every package is computed: after the
   load, after the first prediction, and what is still held then. "Code" is the part of it that a small package takes
   as well: mltoolkit's and protobuf's own modules, which are imported when first needed. Beside it stands
   onnxruntime alone on the network that torch exports to ONNX.
2. CPU time of an inference on one thread, against that ONNX file in plain onnxruntime.
3. Every precision and compression: how far its output is from that of the weights which coremltools itself
   decompresses, and from that of the network before compression, in multiples of the output's largest value.

The networks have their real size and random weights; see ``torch_networks.py``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from children import PEAK, run_child
from contest import HEADING, Contest, measure
from measured_pages import benchmark_parser, measured
from numpy.typing import NDArray
from package_forms import COMPRESSIONS, convert, decompressed
from torch_networks import NAMES, Network, make_network

import mltoolkit

# A package that a child loads before the one that is measured, to have everything imported.
_SMALL = "small.mlpackage"
_FORMS = ("int8", "4-bit palette", "pruned", "pruned, int8")

_CHILD = (
    PEAK
    + """
import json, time
import numpy, onnx, onnx_ir, onnxruntime
import mltoolkit
def resident():
    try:
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1]) * __import__("resource").getpagesize()
    except (ImportError, OSError):
        return peak()
def load_package(path):
    start = time.perf_counter()
    model = mltoolkit.load(path)
    loaded, memory = time.perf_counter() - start, peak()
    return lambda x: model.predict({"x": x}, threads=1), loaded, memory
def load_onnx(path):
    start = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x}), time.perf_counter() - start, peak()
def job(path, x):
    cpu, start = time.process_time(), time.perf_counter()
    predict, loaded, memory = (load_onnx if path.endswith(".onnx") else load_package)(path)
    predict(x)
    first, first_cpu, top = time.perf_counter() - start, time.process_time() - cpu, peak()
    cpu, start = time.process_time(), time.perf_counter()
    predict(x)
    ready = first - (time.perf_counter() - start), first_cpu - (time.process_time() - cpu)
    return loaded, *ready, memory, top, predict
path, x, small = sys.argv[1], numpy.load(sys.argv[2]), sys.argv[3:]
base = peak(), resident()
for warmup in small:
    job(warmup, x[..., :8, :8].copy())
code = peak() - base[0]
loaded, ready, cpu, memory, top, predict = job(path, x)
print(json.dumps([loaded, ready, cpu, memory - base[0], top - base[0], resident() - base[1], code]))
"""
)


def _predicted(model: Any, network: Network, folder: Path) -> NDArray[Any]:
    """What the model makes of the network's input, read from a package on disk as users do."""
    path = folder / "compared.mlpackage"
    model.save(str(path))
    output: NDArray[Any] = mltoolkit.load(path).predict({"x": network.x.numpy()})["y"]
    return output


def _export(network: Network, path: Path) -> Path:
    # torch's exporter without onnxscript: what most ONNX files were made with.
    torch.onnx.export(
        network.model, (network.x,), path, input_names=["x"], output_names=["y"], dynamo=False, opset_version=17
    )
    return path


def _weight_bytes(package: Path) -> int:
    return sum(file.stat().st_size for file in package.rglob("weight.bin"))


def _child(arguments: Sequence[str], rounds: int) -> NDArray[np.float64]:
    """The least of the times and the median of the memory of several processes."""
    rows = np.array([json.loads(run_child(["-c", _CHILD, *arguments]).stdout) for _ in range(rounds)])
    return np.concatenate([rows[:, :3].min(0), np.median(rows[:, 3:], 0)])


def _print_loading(folder: Path, rounds: int) -> None:
    network = make_network("ResNet50")
    plain = 4 * sum(parameter.numel() for parameter in network.model.parameters())
    x = folder / "x.npy"
    np.save(x, network.x.numpy())
    small = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).eval()
    convert(Network(small, network.x[..., :8, :8].contiguous())).save(str(folder / _SMALL))
    source = convert(network)
    models = {"float32": source, "float16": convert(network, "FLOAT16")}
    models |= {name: COMPRESSIONS[name](source) for name in _FORMS}
    files = {}
    for name, model in models.items():
        files[name] = folder / f"{name}.mlpackage"
        model.save(str(files[name]))
    del source, models, model
    files["native ONNX"] = _export(network, folder / "native.onnx")
    print(f"ResNet50, one thread: least time and median memory of {rounds} processes; {plain / 1e6:.1f} MB as float32")
    print(f"{'':16}{'weights':>8}{'load':>7}{'ready':>7}{'CPU':>7} |{'peak memory ÷ file':^26}|{'÷ float32':^32}")
    print(
        f"{'':16}{'MB':>8}{'s':>7}{'s':>7}{'s':>7} |{'load':>8}{'+ run':>8}{'held':>8}  |"
        f"{'load':>7}{'+ run':>7}{'less code':>11}{'held':>7}"
    )
    for name, file in files.items():
        size = _weight_bytes(file) or file.stat().st_size
        loaded, ready, cpu, load, run, held, _ = _child([str(file), str(x)], rounds)
        native = file.suffix == ".onnx"
        # The code is in memory before the model once another package has run.
        code = 0.0 if native else _child([str(file), str(x), str(folder / _SMALL)], 1)[6]
        in_file = "".join(f"{value / size:8.2f}" for value in (load, run, held))
        in_floats = f"{load / plain:7.2f}{run / plain:7.2f}{(run - code) / plain:11.2f}{held / plain:7.2f}"
        print(f"{name:16}{size / 1e6:8.1f}{loaded:7.3f}{ready:7.3f}{cpu:7.3f} |{in_file}  |{in_floats}", flush=True)


def _print_speed(folder: Path, rounds: int) -> None:
    print(f"\nfloat32 packages against the native ONNX export: one thread, CPU time, median of {rounds} rounds")
    print(HEADING)
    for name in NAMES:
        network = make_network(name)
        package, x = folder / "fast.mlpackage", network.x.numpy()
        convert(network).save(str(package))
        model = mltoolkit.load(package)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        native = _export(network, folder / "fast.onnx")
        session = ort.InferenceSession(str(native), options, providers=["CPUExecutionProvider"])

        def ours(model: mltoolkit.Model = model, x: NDArray[Any] = x) -> NDArray[Any]:
            output: NDArray[Any] = model.predict({"x": x}, threads=1)["y"]
            return output

        def theirs(session: Any = session, x: NDArray[Any] = x) -> NDArray[Any]:
            output: NDArray[Any] = session.run(None, {"x": x})[0]
            return output

        print(measure(Contest(name, ours, theirs), rounds), flush=True)


def _error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _print_equality(folder: Path, names: Sequence[str]) -> None:
    print("\nlargest difference ÷ largest output: to coremltools' decompressed weights; to the source")
    print(f"{'':24}" + "".join(f"{name:>20}" for name in names))
    networks = {name: make_network(name) for name in names}
    sources = {name: convert(network) for name, network in networks.items()}
    expected: dict[str, NDArray[Any]] = {}
    cells = []
    for name, network in networks.items():
        expected[name] = _predicted(sources[name], network, folder)
        with torch.no_grad():
            cells.append(f"{_error(expected[name], network.model(network.x).numpy()):20.1e}")
    print(f"{'float32 (to torch)':24}" + "".join(cells), flush=True)
    halves = [
        _error(_predicted(convert(network, "FLOAT16"), network, folder), expected[name])
        for name, network in networks.items()
    ]
    print(f"{'float16':24}" + "".join(f"{f'- {half:9.1e}':>20}" for half in halves), flush=True)
    for form, compress in COMPRESSIONS.items():
        cells = []
        for name, network in networks.items():
            model = compress(sources[name])
            found = _predicted(model, network, folder)
            plain = _predicted(decompressed(model), network, folder)
            cells.append(f"{f'{_error(found, plain):.1e} {_error(found, expected[name]):9.1e}':>20}")
        print(f"{form:24}" + "".join(cells), flush=True)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of inferences; a quarter of it for processes")
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, measured(options, "benchmarks.md", packages=("torch",)):
        _print_loading(Path(folder), max(2, rounds // 4))
        _print_speed(Path(folder), rounds)
        _print_equality(Path(folder), NAMES[-2:] if options.quick else NAMES)


if __name__ == "__main__":
    main()
