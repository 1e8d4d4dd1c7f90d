"""Every architecture of keras.applications, converted to both Core ML formats and run.

    python benchmarks/keras_applications.py [ARCHITECTURE ...] [--write]

Random weights (what training would change is drawn with a seed), a picture of 96 × 96 pixels, float32, no softmax at
the end so that every output carries numbers. Compared are Keras' own output, the hub's graph in onnxruntime, and the
written files read back and run here. Each architecture runs in a process of its own; results are kept in
build/keras_applications.json, so that a run can be continued; --fresh begins anew.

Keras runs on torch; NASNet, which Keras cannot build on torch, needs JAX (pip install "jax[cpu]").
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kept_results import Results
from measured_pages import PROJECT, benchmark_parser, measured

FORMATS = ("mlpackage", "mlmodel")
# dB that every architecture must reach in float32.
TARGET = 60.0
# Pixels of height and width.
SIZE = 96
# Transposes that a model may keep; one is needed where the picture enters.
MOST_TRANSPOSES = 4


def main() -> int:
    """Measure, print, and write if asked to; 1 where an architecture misses the target."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("architectures", nargs="*", help="names as in keras.applications; all when left out")
    parser.add_argument("--fresh", action="store_true", help="forget kept results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child)))
        return 0
    file = "keras_applications_quick" if options.quick else "keras_applications"
    kept = Results(file, fresh=options.fresh, packages=("keras", "torch", "jax"))
    names = options.architectures or (["MobileNetV2"] if options.quick else architecture_names())
    with measured(options, "keras-applications.md", markdown=True, kept=kept.take_conditions):
        results = {name: kept.measure(name, lambda name=name: run_child(name)) for name in names}
        print("\n".join(table(results)))
    return int(not all(map(passes, results.values())))


def architecture_names() -> list[str]:
    """All of keras.applications."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    return [name for name in dir(keras.applications) if name[0].isupper()]


def run_child(name: str) -> dict[str, Any]:
    """Measure one architecture in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    environment = os.environ | {"KERAS_BACKEND": "jax" if name.startswith("NASNet") else "torch"}
    environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, "--child", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def measure(name: str) -> dict[str, Any]:
    """Convert an architecture, and compare what the results compute."""
    import keras
    import numpy as np

    from mltoolkit.converters.keras import import_keras

    rng = np.random.default_rng(0)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(SIZE, SIZE, 3), classes=1000, classifier_activation=None
    )
    randomize(model, rng)
    picture = smooth_picture(keras, rng, SIZE)
    reference = keras.ops.convert_to_numpy(model(picture, training=False))
    start = time.process_time()
    source = import_keras(model)
    imported = time.process_time() - start
    feeds = {source.model.graph.inputs[0].name: picture}
    result: dict[str, Any] = {
        "backend": keras.backend.backend(),
        "layers": len(source.layers),
        "parameters": model.count_params(),
        "nodes": len(source.model.graph),
        "import_seconds": imported,
        "hub": decibels(reference, run_hub(source, feeds)),
        "formats": {},
    }
    import coremltools  # noqa: F401  # its import is not part of a conversion

    for format_name in FORMATS:
        result["formats"][format_name] = convert(source, format_name, feeds, reference)
    result["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def randomize(model: Any, rng: Any) -> None:
    """Draw what starts as zeros and ones: biases, scales, shifts and statistics.

    Residual branches are made small: else signals grow from block to block, until a deep network answers to rounding
    errors (EfficientNetV2S then turns 120 dB into 14).
    """
    for variable in model.weights:
        last = variable.path.rsplit("/", 1)[-1]
        if "variance" in last or last == "gamma":
            variable.assign(rng.uniform(0.8, 1.2, variable.shape))
        elif variable.ndim == 1:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    for layer in model._flatten_layers():
        scale = getattr(layer, "gamma", getattr(layer, "kernel", None))
        if scale is not None and feeds_sum(layer):
            scale.assign(scale * 0.2)


def feeds_sum(layer: Any) -> bool:
    """Whether a layer is the last of a residual branch; in trained networks those add little to what they are given."""
    for node in layer._outbound_nodes:
        kind = type(node.operation).__name__
        if kind == "Add" or (kind in ("Dropout", "Activation", "LayerScale") and feeds_sum(node.operation)):
            return True
    return False


def smooth_picture(keras: Any, rng: Any, size: int) -> Any:
    """Soft patches of colour, (1, size, size, 3): noise looks all the same to a network."""
    import numpy as np

    patches = rng.uniform(0, 255, (1, 6, 6, 3)).astype(np.float32)
    resized = keras.ops.image.resize(patches, (size, size), interpolation="bicubic")
    return np.ascontiguousarray(keras.ops.convert_to_numpy(resized))


def convert(source: Any, format_name: str, feeds: dict[str, Any], reference: Any) -> dict[str, Any]:
    """Write one format to disk, read it back and run it."""
    import mltoolkit as mlt
    from mltoolkit.converters.mil.target import CoreMLTarget
    from mltoolkit.converters.mil.write import write_core_ml
    from mltoolkit.model import Model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{format_name}"
        start = time.process_time()
        written = write_core_ml(source, CoreMLTarget(format=format_name, precision="float32"))
        Model(written.spec, weights_dir=written.weights_dir).save(path)
        seconds = time.process_time() - start
        operations = dict(written.operations)
        del written
        output = next(iter(mlt.load(path).predict(feeds).values()))
    return {
        "seconds": seconds,
        "operations": sum(operations.values()),
        "transposes": operations.get("transpose", 0),
        "sqnr": decibels(reference, output),
    }


def run_hub(source: Any, feeds: dict[str, Any]) -> Any:
    """The output of the hub's graph."""
    from mltoolkit.runtime.session import OrtSession

    graph = source.model.graph
    session = OrtSession(list(graph), graph.inputs, graph.outputs, threads=1, name="hub")
    return next(iter(session.run(feeds).values()))


def decibels(reference: Any, other: Any) -> float:
    """Signal to noise; 999 for equal arrays, which JSON can hold."""
    import numpy as np

    signal = reference.astype(np.float64)
    noise = float(np.sum((signal - np.asarray(other, np.float64).reshape(signal.shape)) ** 2))
    return 999.0 if noise == 0 else float(10 * np.log10(np.sum(signal**2) / noise))


def passes(result: dict[str, Any]) -> bool:
    """Whether hub and both formats reach the target, with few transposes."""
    if any(result["formats"][name]["transposes"] > MOST_TRANSPOSES for name in FORMATS):
        return False
    return min(result["hub"], *(result["formats"][name]["sqnr"] for name in FORMATS)) >= TARGET


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """How many pass, and a row an architecture."""
    good = sum(passes(result) for result in results.values())
    lines = [
        f"**{good} of {len(results)} architectures reach {TARGET:.0f} dB in both formats.**",
        "",
        "| architecture | layers | weights, M | import, s | hub, dB "
        "| .mlpackage, dB | s | transposes | .mlmodel, dB | s | transposes | peak |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in sorted(results):
        result = results[name]
        cells = [
            name,
            str(result["layers"]),
            f"{result['parameters'] / 1e6:.1f}",
            f"{result['import_seconds']:.1f}",
            f"{result['hub']:.0f}",
        ]
        for one in result["formats"].values():
            cells += [f"{one['sqnr']:.0f}", f"{one['seconds']:.0f}", str(one["transposes"])]
        cells.append(f"{result['peak_megabytes'] * 1024**2 / (4 * result['parameters']):.1f}×")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
