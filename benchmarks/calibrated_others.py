"""Calibrated quantization of digits, poses, activities and an ML Program, against coremltools and data-free tables.

    python benchmarks/calibrated_others.py             # prints the tables
    python benchmarks/calibrated_others.py --write     # and puts them into docs/calibration.md
    python benchmarks/calibrated_others.py --parts digits poses activities program

Needs the shared data (../shared, or $MLTOOLKIT_SHARED); the part `program` needs Keras with torch. Calibration and test
samples are disjoint, and the same for every method. Intervals: 95 %, Wilson. Results are kept in
build/calibrated_others.json, so that a run can be continued; --fresh begins anew.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from coremltools_weights import coremltools_quantized
from kept_results import Clock, Results
from measured_pages import DATA, benchmark_parser, measured
from numpy.typing import NDArray

import mltoolkit as mlt
from mltoolkit.comparison.intervals import wilson_interval

Row = dict[str, Any]
Maker = Callable[[], mlt.Model]


def methods(source: Any, nbits: int, samples: Sequence[Any], *, theirs: bool = True) -> Iterator[tuple[str, Maker]]:
    """The ways to make a model of so many bits."""
    if theirs:
        yield "coremltools k-means", lambda: coremltools_quantized(source, nbits, "kmeans")
    yield "data-free k-means", lambda: mlt.quantize_weights(source, nbits, "kmeans")
    yield "calibrated", lambda: mlt.quantize_calibrated(source, samples, nbits=nbits)


def made_and_tested(results: Results, key: str, make: Maker, test: Callable[[mlt.Model], Row]) -> Row:
    """Make a model and test it, unless that is known."""

    def call() -> Row:
        with Clock() as clock:
            model = make()
        return {"bytes": file_bytes(model), **clock.seconds, **test(model)}

    return results.measure(key, call)


def file_bytes(model: mlt.Model) -> int:
    """What the saved model takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("model.mlpackage" if model.spec.WhichOneof("Type") == "mlProgram" else "model.mlmodel")
        model.save(path)
        return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def share(count: float, trials: int) -> str:
    """A fraction in percent with its interval; the count may be a sum of fractions."""
    low, high = wilson_interval(round(count), trials)
    return f"{100 * count / trials:.1f} % ({math.floor(1000 * low) / 10:.1f}–{math.ceil(1000 * high) / 10:.1f})"


def digits(results: Results, quick: bool) -> list[str]:
    """MNIST_ph1ps: accuracy on the digits of the test split, calibrated with digits of the training split."""
    path = DATA / "coreml" / "MNIST_ph1ps.mlmodel"
    with np.load(DATA / "datasets" / "mnist.npz") as data:
        chosen = np.random.default_rng(0).permutation(len(data["x_train"]))[: 32 if quick else 256]
        samples = list(data["x_train"][chosen])
        count = 200 if quick else 10_000
        images, labels = list(data["x_test"][:count]), data["y_test"][:count]
    model = mlt.load(path)

    def test(small: mlt.Model) -> Row:
        report = mlt.compare_models(model, small, images, progress=False)
        pairs = list(zip(report.inputs, labels, strict=True))
        return {
            "before": sum(one.reference_label == str(label) for one, label in pairs),
            "right": sum(one.other_label == str(label) for one, label in pairs),
            "agree": report.top1_agreements,
        }

    lines = ["| bits | method | bytes | accuracy | change, points | agreement |", "|--:|---|--:|--:|--:|--:|"]
    for nbits in (2,) if quick else (4, 2, 1):
        for name, make in methods(path, nbits, samples):
            row = made_and_tested(results, f"digits, {name}, {nbits} bits", make, test)
            if len(lines) == 2:
                lines.append(f"| 32 | float32 | {file_bytes(model):,} | {share(row['before'], count)} | | |")
            change = 100 * (row["right"] - row["before"]) / count
            lines.append(
                f"| {nbits} | {name} | {row['bytes']:,} | {share(row['right'], count)} "
                f"| {change:+.2f} | {share(row['agree'], count)} |"
            )
    return lines


def _peaks(model: mlt.Model, picture: Path) -> NDArray[np.intp]:
    """Where each heat map is greatest: (key points, 2)."""
    (maps,) = model.predict({model.inputs[0].name: picture}).values()
    maps = np.asarray(maps)
    return np.stack(np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[1:]), axis=1)


def poses(results: Results, quick: bool) -> list[str]:
    """pose_cpm: how many key points stay within one pixel of the heat map (96 × 96)."""
    path = DATA / "coreml" / "pose_cpm.mlmodel"
    pictures = sorted((DATA / "images" / "imagenet").glob("*.JPEG"))
    order = np.random.default_rng(0).permutation(len(pictures))
    samples = [pictures[index] for index in order[: 4 if quick else 128]]
    tests = [pictures[index] for index in order[256 : 260 if quick else 500]]
    model = mlt.load(path)

    @cache
    def expected() -> NDArray[np.intp]:
        return np.stack([_peaks(model, picture) for picture in tests])

    def test(small: mlt.Model) -> Row:
        moved = np.stack([_peaks(small, picture) for picture in tests]) - expected()
        return {"near": float((np.hypot(*np.moveaxis(moved, -1, 0)) <= 1).mean())}

    targets = {8: 94, 6: 76, 4: 40}
    lines = ["| bits | method | bytes | key points within 1 px | asked for |", "|--:|---|--:|--:|--:|"]
    for nbits in (4,) if quick else (8, 6, 4):
        for name, make in methods(path, nbits, samples):
            row = made_and_tested(results, f"poses, {name}, {nbits} bits", make, test)
            wanted = f"{targets[nbits]} %" if name == "calibrated" else ""
            # The key points of a picture move together: the interval is that of as many trials as pictures.
            near = share(row["near"] * len(tests), len(tests))
            lines.append(f"| {nbits} | {name} | {row['bytes']:,} | {near} | {wanted} |")
    return lines


def _windows(name: str) -> list[dict[str, NDArray[np.float64]]]:
    """Ten seconds of acceleration at 50 Hz, of BasicMotions' ten a second; in m/s² and in g."""
    windows = []
    for line in (DATA / "datasets" / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#@":
            axes = [np.array(values.split(","), dtype=np.float64) for values in line.split(":")[:3]]
            times = np.arange(500) / 5
            wave = np.stack([np.interp(times, np.arange(axis.size), axis) for axis in axes], axis=1).reshape(-1)
            windows += [{"sensor-data": wave}, {"sensor-data": wave / 9.81}]
    return windows


def activities(results: Results, quick: bool) -> list[str]:
    """The activity LSTM on windows of BasicMotions: how often its two classes stay."""
    path = DATA / "coreml" / "activity_lstm_mariozusag.mlmodel"
    samples, tests = _windows("BasicMotions_TRAIN.ts"), _windows("BasicMotions_TEST.ts")
    if quick:
        samples, tests = samples[::10], tests[::10]
    model = mlt.load(path)

    def test(small: mlt.Model) -> Row:
        report = mlt.compare_models(model, small, tests, progress=False)
        return {"agree": report.top1_agreements, "kl": report.mean_kl}

    lines = ["| bits | method | bytes | agreement | KL, nats |", "|--:|---|--:|--:|--:|"]
    for nbits in (3,) if quick else (8, 6, 4, 3, 2):
        for name, make in methods(path, nbits, samples):
            row = made_and_tested(results, f"activities, {name}, {nbits} bits", make, test)
            agreement = share(row["agree"], len(tests))
            lines.append(f"| {nbits} | {name} | {row['bytes']:,} | {agreement} | {row['kl']:.2g} |")
    return lines


def _keras_program(size: int, pictures: NDArray[np.float32]) -> mlt.Model:
    """MobileNetV2 of keras.applications as an ML Program, random as benchmarks/keras_applications.py has it.

    Its batch normalisations take the statistics of the pictures: without, all pictures give the same outputs.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras_applications import randomize

    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(
        weights=None, input_shape=(size, size, 3), classes=1000, classifier_activation=None
    )
    randomize(network, np.random.default_rng(0))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(pictures, training=True)
    return mlt.convert(network, format="mlpackage", precision="float32", minimum_deployment_target="iOS16")


def program(results: Results, quick: bool) -> list[str]:
    """MobileNetV2 as an ML Program: the error of its outputs, relative to what they vary from picture to picture."""
    from PIL import Image

    size = 96
    paths = sorted((DATA / "images" / "imagenet").glob("*.JPEG"))
    order = np.random.default_rng(0).permutation(len(paths))

    def read(indices: NDArray[np.intp]) -> NDArray[np.float32]:
        arrays = [np.asarray(Image.open(paths[index]).convert("RGB").resize((size, size))) for index in indices]
        return np.stack(arrays).astype(np.float32) / 127.5 - 1

    calibrating, testing = read(order[: 16 if quick else 128]), read(order[256 : 266 if quick else 500])
    model = _keras_program(size, calibrating)
    name = model.inputs[0].name
    samples, tests = ([{name: array[None]} for array in arrays] for arrays in (calibrating, testing))

    def outputs(of: mlt.Model) -> NDArray[np.float64]:
        return np.stack([np.asarray(next(iter(of.predict(one).values())), np.float64).reshape(-1) for one in tests])

    @cache
    def expected() -> NDArray[np.float64]:
        return outputs(model)

    def test(small: mlt.Model) -> Row:
        found, varying = outputs(small), expected() - expected().mean(axis=0)
        error = np.sqrt(np.mean((found - expected()) ** 2))
        return {
            "relative": float(error / np.sqrt(np.mean(varying**2))),
            "agree": int((found.argmax(axis=1) == expected().argmax(axis=1)).sum()),
        }

    lines = ["| bits | method | bytes | relative error | agreement |", "|--:|---|--:|--:|--:|"]
    for nbits in (4,) if quick else (8, 6, 4):
        for method, make in methods(model, nbits, samples, theirs=False):
            row = made_and_tested(results, f"program, {method}, {nbits} bits", make, test)
            agreement = share(row["agree"], len(tests))
            lines.append(f"| {nbits} | {method} | {row['bytes']:,} | {row['relative']:.3g} | {agreement} |")
    return lines


PARTS = {"digits": digits, "poses": poses, "activities": activities, "program": program}


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--fresh", action="store_true", help="forget kept results")
    options = parser.parse_args()
    name = "calibrated_others_quick" if options.quick else "calibrated_others"
    results = Results(name, fresh=options.fresh, packages=("scikit-learn", "keras"))
    for part in options.parts:
        with measured(options, "calibration.md", part, markdown=True, kept=results.take_conditions):
            print("\n".join(PARTS[part](results, options.quick)))


if __name__ == "__main__":
    main()
