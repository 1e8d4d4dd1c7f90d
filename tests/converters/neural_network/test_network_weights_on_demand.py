"""Large weights of a network are in its message; the graph reads them when they are asked for, and keeps none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import LinearCodes, write_codes, write_float32
from mltoolkit.model import Model

ROWS, COLUMNS = 200, 300


def network(rows: int, columns: int) -> tuple[Any, Any]:
    """y = weights · x of five axes, and the message of the weights."""
    spec = new_model()
    spec.specificationVersion = 4
    for features, name, size in ((spec.description.input, "x", columns), (spec.description.output, "y", rows)):
        array = features.add(name=name).type.multiArrayType
        array.shape.extend([size, 1, 1])
        array.dataType = 65568
    layer = spec.neuralNetwork.layers.add(name="product", input=["x"], output=["y"])
    layer.innerProduct.inputChannels, layer.innerProduct.outputChannels = columns, rows
    return spec, layer.innerProduct.weights


def large_constant(spec: Any) -> Any:
    values = [value for node in Model(spec).graph().model.graph for value in node.inputs if value is not None]
    (tensor,) = (
        value.const_value for value in values if value.const_value is not None and value.const_value.size > 1000
    )
    return tensor


def test_floats_are_read_when_they_are_asked_for() -> None:
    spec, params = network(ROWS, COLUMNS)
    weights = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    write_float32(params, weights)
    tensor = large_constant(spec)
    assert isinstance(tensor, ir.LazyTensor)
    first, second = tensor.numpy(), tensor.numpy()
    assert np.array_equal(first, weights) and not np.shares_memory(first, second)


def test_codes_are_checked_while_the_network_is_converted() -> None:
    spec, params = network(ROWS, COLUMNS)
    codes = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)
    scale = np.linspace(0.01, 0.02, ROWS, dtype=np.float32)
    write_codes(params, LinearCodes(codes, 8, scale, np.zeros(ROWS, np.float32)))
    assert np.array_equal(large_constant(spec).numpy(), scale[:, None] * codes)
    write_codes(params, LinearCodes(codes, 8, scale[1:], np.zeros(ROWS - 1, np.float32)))
    with pytest.raises(InvalidModelError, match=f"{ROWS - 1} quantization scales"):
        large_constant(spec)


MEASURE = """
import json, sys
import numpy, onnx, onnx_ir, onnxruntime
import mltoolkit
def status(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))
def run(path):
    model = mltoolkit.load(path)
    model.predict({"x": numpy.ones(model.inputs[0].shape, numpy.float32)}, threads=1)
    return model
run(sys.argv[1])
peak, now = status("VmHWM"), status("VmRSS")
model = run(sys.argv[2])
print(json.dumps([status("VmHWM") - peak, status("VmRSS") - now]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_weights_are_in_memory_twice_and_at_most_thrice(tmp_path: Path) -> None:
    paths = []
    for name, size in (("small", 16), ("large", 3500)):  # 1 kB and 49 MB
        spec, params = network(size, size)
        write_float32(params, np.random.default_rng(0).standard_normal((size, size), dtype=np.float32))
        paths.append(tmp_path / f"{name}.mlmodel")
        paths[-1].write_bytes(spec.SerializeToString())
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, kept = (grown / (4 * 3500 * 3500) for grown in json.loads(result.stdout))
    # The message, and what onnxruntime packs for the processor; until that is done, a file that it maps: 2.00 and 3.00.
    assert peak < 3.2 and kept < 2.2, f"{peak:.2f} times the weights at the peak, {kept:.2f} afterwards"
