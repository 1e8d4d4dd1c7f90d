"""Quantizing a ResNet50-shaped model (25.5 M weights): seconds and memory against coremltools.

    python benchmarks/quantize.py [--write]
    python benchmarks/quantize.py --full    (coremltools' k-means on every layer: some minutes more)

Needs scikit-learn.

Seconds are CPU seconds of the whole call, file already read. coremltools gets the model with its batch
normalisations folded into the convolutions, because it raises TypeError where the two follow each other; ours
gets both. Its k-means raises TypeError with protobuf >= 6, so the function inside is timed: without reading,
packing and storing.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from children import PEAK, run_child
from measured_pages import benchmark_parser, measured
from resnet50_shape import resnet50_spec

import mltoolkit as mlt
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import read_weight
from mltoolkit.quantization.kmeans import kmeans_1d

_MEMORY_RUNS = ((8, "linear"), (4, "linear"), (8, "kmeans"), (16, "linear"))
_SAMPLED = ("stage1_1_conv2", "stage2_2_conv2", "stage3_2_conv2")

_MEMORY = """
import sys
import mltoolkit as mlt
from mltoolkit.formats.protobuf import new_model
from mltoolkit.quantization import quantize_weights
new_model()
base = peak()
source, target, nbits, mode = sys.argv[1:]
mlt.quantize_weights(source, int(nbits), mode).save(target)
print(base, peak())
"""
_MEMORY_COREMLTOOLS = """
import contextlib, io, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    import coremltools
    from coremltools.models.neural_network.quantization_utils import quantize_weights
    base = peak()
    source, target, nbits, mode = sys.argv[1:]
    quantize_weights(coremltools.models.MLModel(source), int(nbits), mode).save(target)
print(base, peak())
"""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _cpu(call: Callable[[], object], repeats: int = 1) -> float:
    """CPU seconds of the fastest of some calls."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return float(best)


def _linear(folded: Any, with_batchnorm: Any, folded_path: Path, quick: bool) -> None:
    with _silence():
        import coremltools
        from coremltools.models.neural_network.quantization_utils import quantize_weights

        reference = coremltools.models.MLModel(str(folded_path))

        def theirs(nbits: int) -> None:
            with _silence():
                quantize_weights(reference, nbits, "linear")

        theirs(8)
    print("\nlinear                       coremltools    mltoolkit   ratio   with batchnorm")
    for nbits, repeats in ((8, 3),) if quick else ((8, 3), (4, 1)):
        slow = _cpu(lambda nbits=nbits: theirs(nbits), repeats)
        fast, both = (
            _cpu(lambda model=model, nbits=nbits: mlt.quantize_weights(model, nbits, "linear"), 5)
            for model in (folded, with_batchnorm)
        )
        print(f"  {nbits} bits, CPU seconds      {slow:11.3f}  {fast:11.3f}  {slow / fast:5.1f}×  {both:15.3f}")


def _kmeans(with_batchnorm: Any, full: bool, quick: bool) -> None:
    with _silence():
        from coremltools.models.neural_network.quantization_utils import _get_kmeans_lookup_table_and_weight
        from sklearn.cluster import KMeans

        KMeans(2, n_init=1).fit(np.arange(4.0).reshape(-1, 1))
    weights = {
        field.layer: read_weight(field.params, field.shape, field.where)
        for field in iter_weight_fields(with_batchnorm.spec)
        if field.role == "weight"
    }
    chosen = list(weights) if full else list(_SAMPLED[:1] if quick else _SAMPLED)
    print("\nk-means, 8 bits, by layer    coremltools    mltoolkit   ratio   squared error, ours over theirs")
    slow, fast = {}, {}
    for name in chosen:
        values = weights[name]
        slow[name] = _cpu(lambda values=values: _get_kmeans_lookup_table_and_weight(8, values))
        fast[name] = _cpu(lambda values=values: kmeans_1d(values, 256), 3)
        if name in _SAMPLED:
            table, codes = _get_kmeans_lookup_table_and_weight(8, values)
            theirs = float(np.sum((table.ravel()[codes] - values.ravel().astype(float)) ** 2))
            table, codes = kmeans_1d(values, 256)
            ours = float(np.sum((table.astype(float)[codes] - values.ravel()) ** 2))
            times = f"{slow[name]:11.3f}  {fast[name]:11.3f}  {slow[name] / fast[name]:5.1f}×"
            print(f"  {name} ({values.size:,})".ljust(29) + f"{times}  {ours / theirs:9.4f}")
    whole = _cpu(lambda: mlt.quantize_weights(with_batchnorm, 8, "kmeans"), 3)
    if full:
        total, remark = sum(slow.values()), "all layers timed"
    else:
        # Their time per weight grows with the size; the largest sampled layer stands for all larger ones.
        sizes = sorted((weights[name].size, slow[name]) for name in chosen)
        total = sum(
            values.size * next((t / size for size, t in sizes if size >= values.size), sizes[-1][1] / sizes[-1][0])
            for values in weights.values()
        )
        remark = "EXTRAPOLATED from the sampled layers, seconds per weight; --full measures it"
    print(f"  whole model                {total:11.1f}  {whole:11.3f}  {total / whole:5.0f}×  ({remark})")


def _memory(path: Path, folded_path: Path) -> None:
    size = path.stat().st_size
    print("\npeak resident memory of load + quantize + save in a process of its own, in multiples of the file")
    runs = [(_MEMORY, path, "mltoolkit", nbits, mode) for nbits, mode in _MEMORY_RUNS]
    runs.append((_MEMORY_COREMLTOOLS, folded_path, "coremltools", 8, "linear"))
    for script, source, who, nbits, mode in runs:
        target = source.with_name("quantized.mlmodel")
        result = run_child(["-c", PEAK + script, str(source), str(target), str(nbits), mode])
        base, peak = map(int, result.stdout.split())
        print(
            f"  {who:12} {mode:8} {nbits:2} bits: {peak / size:4.2f}× ({peak / 1e6:.0f} MB, of which "
            f"{base / 1e6:.0f} MB before the file is read); {target.stat().st_size / 1e6:.1f} MB written"
        )


def main() -> None:
    """Build the models, time, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--full", action="store_true", help="run coremltools' k-means on every layer")
    options = parser.parse_args()
    packages = ("scikit-learn", "protobuf")
    with tempfile.TemporaryDirectory() as folder, measured(options, "benchmarks.md", packages=packages):
        path, folded_path = Path(folder) / "resnet50.mlmodel", Path(folder) / "folded.mlmodel"
        path.write_bytes(resnet50_spec().SerializeToString())
        folded_path.write_bytes(resnet50_spec(batchnorm=False).SerializeToString())
        model, folded = mlt.load(path), mlt.load(folded_path)
        print(f"ResNet50 shape: {path.stat().st_size / 1e6:.1f} MB")
        _memory(path, folded_path)
        _linear(folded, model, folded_path, options.quick)
        _kmeans(model, options.full, options.quick)


if __name__ == "__main__":
    main()
