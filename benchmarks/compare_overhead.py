"""What compare_models costs beyond a bare loop of Pillow and onnxruntime over the same pictures.

    python benchmarks/compare_overhead.py [--pictures 500] [--rounds 3] [--write]

Three ways to compare SqueezeNet in float16 with SqueezeNet in 8 bits on the shared ImageNet samples, all on
the same cores in one run: compare_models; a bare loop, one picture after the other, with onnxruntime's
default threads; and a bare ThreadPoolExecutor.map with as many threads as cores and one thread a session.
The bare loops decode, resize and subtract the mean as the model does, run the network's ONNX twin twice and
take the argmax; they measure nothing else. Models are loaded and run once before the clock starts. The
least of several interleaved rounds is reported, since noise of the machine only ever adds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from measured_pages import DATA, benchmark_parser, measured
from PIL import Image
from run_record import processors

import mltoolkit

TWIN = DATA / "onnx" / "squeezenet_v1.1_from_apple_fp16.onnx"
BGR_MEAN = np.array([104, 117, 123], np.float32)[:, None, None]
SIDE = 227


def session(threads: int) -> ort.InferenceSession:
    """The ONNX twin; 0 threads are onnxruntime's default."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(TWIN, options, providers=["CPUExecutionProvider"])


def agrees(path: Path, sessions: Sequence[ort.InferenceSession]) -> bool:
    """Decode and resize once, run both, compare the first class."""
    picture = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) - BGR_MEAN
    first, second = (np.argmax(one.run(None, {"image": pixels[None]})[0]) for one in sessions)
    return bool(first == second)


def bare_loop(paths: Sequence[Path]) -> Callable[[], None]:
    """One picture after the other, onnxruntime's default threads."""
    sessions = session(0), session(0)
    agrees(paths[0], sessions)
    return lambda: [agrees(path, sessions) for path in paths].clear()


def bare_threads(paths: Sequence[Path], cores: int) -> Callable[[], None]:
    """Pictures in parallel, one thread a session."""
    sessions = session(1), session(1)
    agrees(paths[0], sessions)

    def run() -> None:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(lambda path: agrees(path, sessions), paths))

    return run


def toolkit(paths: Sequence[Path]) -> Callable[[], None]:
    """compare_models with its defaults."""
    models = [mltoolkit.load(DATA / "coreml" / f"SqueezeNet{kind}.mlmodel") for kind in ("FP16", "Int8LUT")]
    mltoolkit.compare_models(*models, list(paths[:1]))

    def run() -> None:
        report = mltoolkit.compare_models(*models, list(paths))
        assert report.count == len(paths)

    return run


def seconds(function: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.pictures, options.rounds = 20, 1
    with measured(options, "benchmarks.md", packages=("pillow",)):
        _print_table(options)


def _print_table(options: argparse.Namespace) -> None:
    paths = sorted((DATA / "images" / "imagenet").glob("*.JPEG"))[: options.pictures]
    cores = processors()
    ways = {
        "compare_models": toolkit(paths),
        "bare loop, default threads": bare_loop(paths),
        f"bare thread pool of {cores}": bare_threads(paths, cores),
    }
    best = dict.fromkeys(ways, (np.inf, np.inf))
    for _ in range(options.rounds):
        for name, function in ways.items():
            best[name] = tuple(map(min, best[name], seconds(function)))
    ours = best["compare_models"]
    print(f"{len(paths)} pictures, {cores} cores, least of {options.rounds} rounds")
    print(f"{'':32}{'wall s':>8}{'CPU s':>8}{'compare_models ÷ it: wall':>28}{'CPU':>7}")
    for name, (wall, cpu) in best.items():
        print(f"{name:32}{wall:8.2f}{cpu:8.2f}{ours[0] / wall:28.3f}{ours[1] / cpu:7.3f}")


if __name__ == "__main__":
    main()
