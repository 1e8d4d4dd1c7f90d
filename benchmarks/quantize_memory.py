"""Memory that quantizing 1 GB takes, data-free: an ML Program whose weights are mapped, and a .mlmodel, which is not.

    python benchmarks/quantize_memory.py [--layers 256] [--size 1024] [--write]

Makes a program of 256 linear layers of 1024 x 1024 float32 (1.07 GB), and a neural network of as many inner products,
and quantizes each in a process of its own: 8 bits linear and 4 bits k-means. Printed are the seconds, and the peak of
resident memory from the start of the process on (pages of mapped files included) in MB: before the model is loaded,
after it is loaded, and when the result is saved. The aim for the program is 400 MB above the mapped file; a protobuf
message holds all weights of a .mlmodel in memory, and the new one is made beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from children import PEAK, run_child
from measured_pages import benchmark_parser, measured

from mltoolkit.formats.mil_value_writing import array_value, tensor_type, text_value
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_blob_writing import WeightFileWriter
from mltoolkit.formats.weights import write_float32

_RUNS = ((8, "linear"), (4, "kmeans"))
_FLOAT32_ARRAY = 65568
_CHILD = (
    PEAK
    + """
import json, time
import mltoolkit
source, target, nbits, mode = sys.argv[1:]
before = peak()
start = time.perf_counter()
model = mltoolkit.load(source)
loaded = peak()
small = mltoolkit.quantize_weights(model, int(nbits), mode)
quantized = peak()
small.save(target)
print(json.dumps([time.perf_counter() - start, before, loaded, quantized, peak()]))
"""
)


def _described(size: int) -> Any:
    spec = new_model()
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        feature = features.add(name=name)
        feature.type.multiArrayType.dataType = _FLOAT32_ARRAY
        feature.type.multiArrayType.shape.extend((1, size))
    return spec


def program(layers: int, size: int, path: Path) -> None:
    """A package whose program is a chain of linear layers without activation."""
    spec = _described(size)
    spec.specificationVersion = 7
    spec.mlProgram.version = 1
    function = spec.mlProgram.functions["main"]
    function.opset = "CoreML6"
    function.inputs.add(name="x", type=tensor_type("float32", (1, size)))
    block = function.block_specializations["CoreML6"]
    writer, rng, last = WeightFileWriter(), np.random.default_rng(0), "x"
    for number in range(layers):
        weight = rng.standard_normal((size, size), dtype=np.float32) / np.sqrt(size, dtype=np.float32)
        for name, array in ((f"w{number}", weight), (f"b{number}", np.zeros(size, dtype=np.float32))):
            constant = block.operations.add(type="const")
            constant.attributes["name"].CopyFrom(text_value(name))
            constant.attributes["val"].CopyFrom(array_value(array, "float32", writer))
            constant.outputs.add(name=name, type=tensor_type("float32", array.shape))
        made = "y" if number == layers - 1 else f"h{number}"
        operation = block.operations.add(type="linear")
        operation.attributes["name"].CopyFrom(text_value(made))
        for name, given in (("x", last), ("weight", f"w{number}"), ("bias", f"b{number}")):
            operation.inputs[name].arguments.add().name = given
        operation.outputs.add(name=made, type=tensor_type("float32", (1, size)))
        last = made
    block.outputs.append("y")
    write_spec(spec, path, weights=writer.finish())


def network(layers: int, size: int, path: Path) -> None:
    """A .mlmodel file that is a chain of inner products."""
    spec = _described(size)
    spec.specificationVersion = 4
    spec.neuralNetwork.arrayInputShapeMapping = 1
    rng, last = np.random.default_rng(0), "x"
    for number in range(layers):
        made = "y" if number == layers - 1 else f"h{number}"
        layer = spec.neuralNetwork.layers.add(name=f"dense{number}", input=[last], output=[made])
        layer.innerProduct.inputChannels = layer.innerProduct.outputChannels = size
        write_float32(layer.innerProduct.weights, rng.standard_normal((size, size), dtype=np.float32) / np.sqrt(size))
        last = made
    write_spec(spec, path)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--layers", type=int, default=256)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    if options.quick:
        options.layers, options.size = 8, 256
    with tempfile.TemporaryDirectory() as folder, measured(options, "benchmarks.md"):
        _print_table(options, Path(folder))


def _print_table(options: argparse.Namespace, folder: Path) -> None:
    """Make the models, and quantize each in its own process."""
    layers, size = options.layers, options.size
    print(f"{layers} layers of {size} x {size} float32: {4e-6 * layers * size**2:,.0f} MB")
    print("model       mode       bits  seconds   MB: before  loaded  quantized  saved   of which above `before`")
    for make, name in ((program, "big.mlpackage"), (network, "big.mlmodel")):
        make(layers, size, folder / name)
        for nbits, mode in _RUNS:
            target = folder / f"small{Path(name).suffix}"
            child = run_child(["-c", _CHILD, str(folder / name), str(target), str(nbits), mode])
            seconds, *peaks = json.loads(child.stdout)
            before, loaded, quantized, saved = (peak / 1e6 for peak in peaks)
            print(
                f"{Path(name).suffix:11} {mode:10} {nbits:4}  {seconds:7.1f}   {before:10,.0f}  {loaded:6,.0f}"
                f"  {quantized:9,.0f}  {saved:5,.0f}   {saved - before:,.0f}"
            )


if __name__ == "__main__":
    main()
