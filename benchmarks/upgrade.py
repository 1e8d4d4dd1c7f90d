"""Every Core ML model of the shared data: upgraded to a package, exported to ONNX, and taken there and back.

    python benchmarks/upgrade.py [NAME ...] [--write]
    python benchmarks/upgrade.py --resnet50 [--write]

For each model: the bytes of its weights, those of the package's weights and how far the two agree; the bytes of the
ONNX file with codes (QDQ) and how far onnxruntime agrees with the model; and how far the model that
.mlmodel → .onnx → .mlmodel gives agrees with the first. Agreement is the lowest signal to noise ratio of any output on
seeded inputs, in dB; "equal" where every bit is. The front door's own verification is off, so that this is a second
opinion. With ``--resnet50``: a network of ResNet50's shape (25.6 M random weights) whose weights are stored in several
ways, its bytes and seconds on every way.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from measured_pages import DATA, benchmark_parser, measured
from numpy.typing import NDArray
from resnet50_shape import resnet50_spec

import mltoolkit as mlt
from mltoolkit.comparison.metrics import snr_db
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

HEADING = (
    "| model | weights, bytes | package | agrees | target | s | ONNX with codes | agrees | there and back |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
RESNET_WEIGHTS = ((32, "linear"), (16, "linear"), (8, "linear"), (6, "linear"), (4, "kmeans"))
RESNET_HEADING = "| ResNet50's weights | bytes | package | s | ONNX with codes | s | package → .mlmodel |"


def seeded(model: mlt.Model) -> dict[str, Any]:
    """Pictures of noise and uniform arrays for a model's inputs."""
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {}
    for feature in model.inputs:
        if isinstance(feature, ImageFeature):
            data[feature.name] = rng.integers(0, 256, (feature.height, feature.width, 3)).astype(np.uint8)
        elif isinstance(feature, ArrayFeature):
            data[feature.name] = rng.uniform(-1, 1, feature.shape).astype(np.float32)
    return data


def agreement(expected: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> float:
    """The lowest signal to noise ratio of any output, dB."""
    ratios = [
        snr_db(array.astype(np.float64).reshape(-1), found[name].astype(np.float64).reshape(-1))
        for name, array in expected.items()
    ]
    return float(min(ratios))


def shown(decibels: float) -> str:
    """A ratio as the table has it."""
    return "equal" if decibels == np.inf else f"{decibels:.0f} dB"


def renamed(data: dict[str, Any], model: mlt.Model) -> dict[str, Any]:
    """The same values in the order of another model's inputs, whose names may be others."""
    return dict(zip([feature.name for feature in model.inputs], data.values(), strict=True))


def compare(old: mlt.Model, new: mlt.Model, data: dict[str, Any]) -> float:
    """How far two models agree whose inputs and outputs may have other names."""
    first = old.predict_raw(data)
    second = new.predict_raw(renamed(data, new))
    by_name = {name: second[name] for name in first if name in second}
    if len(by_name) < len(first):
        by_name = dict(zip(first, second.values(), strict=True))
    return agreement(first, by_name)


def measure(path: Path, folder: Path) -> dict[str, Any]:
    """The row of one model."""
    old = mlt.load(path)
    row: dict[str, Any] = {"model": path.stem, "weights": sum(part.summary().total.bytes for part in _parts(old))}
    start = time.perf_counter()
    try:
        package = mlt.convert(old, format="mlpackage", verify=False)
        row["seconds"] = time.perf_counter() - start
        package.save(folder / "new.mlpackage")
        new = mlt.load(folder / "new.mlpackage")
        files = (folder / "new.mlpackage" / "Data" / "com.apple.CoreML" / "weights").glob("*")
        row["package"] = sum(file.stat().st_size for file in files)
        row["target"] = f"iOS {new.spec.specificationVersion + 9}"
        # Sizes that the source leaves open are those of the package.
        data = dict(zip([feature.name for feature in old.inputs], seeded(new).values(), strict=True))
        row["upgrade"] = compare(old, new, data)
    except MLToolkitError as error:
        row["upgrade_error"] = str(error)
        return row
    try:
        mlt.export_onnx(old, folder / "m.onnx", quantize_dequantize=True, verify=False)
        row["onnx"] = (folder / "m.onnx").stat().st_size
        row["export"] = _onnx_agreement(old, folder / "m.onnx", data)
        back = mlt.convert(folder / "m.onnx", format="mlmodel", verify=False)
        row["back"] = compare(old, back, data)
    except MLToolkitError as error:
        row["onnx_error"] = str(error)
    return row


def _parts(model: mlt.Model) -> list[mlt.Model]:
    return list(model.stages.values()) or [model]


def _onnx_agreement(model: mlt.Model, path: Path, data: dict[str, Any]) -> float:
    session = ort.InferenceSession(str(path))
    feeds = {
        feature.name: model.prepare_image(feature, data[feature.name]).array
        if isinstance(feature, ImageFeature)
        else data[feature.name]
        for feature in model.inputs
    }
    found = dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True))
    return agreement(model.predict_raw(data), found)


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    if "upgrade_error" in row:
        return f"| {row['model']} | {row['weights']:,} | {row['upgrade_error'].splitlines()[0]} | | | | | | |"
    growth = f" ({row['package'] / row['weights'] - 1:+.1%})" if row["weights"] else ""
    cells = [
        row["model"],
        f"{row['weights']:,}",
        f"{row['package']:,}{growth}",
        shown(row["upgrade"]),
        row["target"],
        f"{row['seconds']:.1f}",
    ]
    if "onnx_error" in row:
        cells += [row["onnx_error"].splitlines()[0], "", ""]
    else:
        cells += [f"{row['onnx']:,}", shown(row["export"]), shown(row["back"])]
    return "| " + " | ".join(cells) + " |"


def resnet50(stored_as: Sequence[tuple[int, str]]) -> None:
    """Print the table of a large network in each kind of compression."""
    spec = resnet50_spec()
    print(f"{RESNET_HEADING}\n|---|---|---|---|---|---|---|")
    for bits, mode in stored_as:
        old = mlt.Model(spec) if bits == 32 else mlt.quantize_weights(spec, bits, mode)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            package = mlt.convert(old, format="mlpackage", verify=False)
            upgraded = time.perf_counter()
            mlt.export_onnx(old, Path(folder) / "m.onnx", quantize_dequantize=True, verify=False)
            exported = time.perf_counter()
            network = mlt.convert(package, format="mlmodel", verify=False)
            seconds = (upgraded - start, exported - upgraded, time.perf_counter() - exported)
            size = (Path(folder) / "m.onnx").stat().st_size
        name = {32: "float32", 16: "float16"}.get(bits, f"{bits} bits, {mode}")
        stored = [model.summary().total.bytes for model in (old, package, network)]
        cells = [f"{stored[0]:,}", f"{stored[1]:,}", f"{seconds[0]:.1f}", f"{size:,}", f"{seconds[1]:.1f}"]
        print(f"| {name} | {' | '.join(cells)} | {stored[2]:,}, {seconds[2]:.1f} s |", flush=True)


def main() -> None:
    """Measure, print, and write if asked to; models in the order of their names."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("names", nargs="*", help="models, by default all")
    parser.add_argument("--resnet50", action="store_true", help="a large network instead")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    import coremltools  # noqa: F401  # its import, some seconds, shall not count

    if options.resnet50:
        with measured(options, "upgrade.md", "ResNet50", markdown=True, packages=("onnx", "protobuf")):
            resnet50(RESNET_WEIGHTS[-1:] if options.quick else RESNET_WEIGHTS)
        return
    names = options.names or (["MNIST_ph1ps"] if options.quick else [])
    with measured(options, "upgrade.md", "published models", markdown=True, packages=("onnx", "protobuf")):
        print(HEADING)
        for path in sorted(path for path in (DATA / "coreml").iterdir() if not names or path.stem in names):
            with tempfile.TemporaryDirectory() as folder:
                print(line(measure(path, Path(folder))))


if __name__ == "__main__":
    main()
