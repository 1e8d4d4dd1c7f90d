"""GRUs of torch, which coremltools writes as loops: recognised, equal to torch, and loops where anything differs."""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("coremltools")

import coremltools as ct
import coremltools.optimize.coreml as cto
import torch

import mltoolkit as mlt
from mltoolkit.converters.ml_program import control_flow
from mltoolkit.errors import MLToolkitError
from mltoolkit.model import Model

STEPS, INPUTS, FEATURES = 6, 5, 4


class Layers(torch.nn.Module):
    """A GRU with its last state."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.layer = torch.nn.GRU(INPUTS, FEATURES, **options)

    def forward(self, x: torch.Tensor, h: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, last = self.layer(x) if h is None else self.layer(x, h)
        # Differences of one in the last bit would otherwise be all that there is to see of the first steps.
        return outputs * 1.0, last * 1.0


@functools.cache
def converted(target: str, precision: str, given: bool, **options: Any) -> tuple[Any, dict[str, np.ndarray], Any]:
    torch.manual_seed(3)
    model = Layers(**options).eval()
    layers = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    data = {"x": torch.randn(STEPS, 2, INPUTS)} | ({"h": torch.randn(layers, 2, FEATURES)} if given else {})
    with torch.no_grad():
        expected = [output.numpy() for output in model(*data.values())]
        traced = torch.jit.trace(model, tuple(data.values()))
    made = ct.convert(
        traced,
        inputs=[ct.TensorType(name=name, shape=tuple(value.shape)) for name, value in data.items()],
        outputs=[ct.TensorType(name="y", dtype=np.float32), ct.TensorType(name="last", dtype=np.float32)],
        convert_to="mlprogram",
        compute_precision=ct.precision[precision],
        minimum_deployment_target=ct.target[target],
    )
    return made, {name: value.numpy() for name, value in data.items()}, expected


def kinds(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in mlt.load(model).graph().model.graph)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"bidirectional": True}, {"num_layers": 2}],
    ids=["plain", "no bias", "two directions", "two layers"],
)
@pytest.mark.parametrize("target", ["iOS15", "iOS16", "iOS17", "iOS18"])
def test_a_gru_of_torch_is_a_gru(target: str, options: dict[str, Any], given: bool) -> None:
    model, data, expected = converted(target, "FLOAT32", given, **options)
    found = kinds(model)
    layers = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    assert found["Loop"] == 0 and found["GRU"] == layers, found
    outputs = mlt.load(model).predict(data)
    for name, array in zip(("y", "last"), expected, strict=True):
        # Float32 through six steps of two layers.
        np.testing.assert_allclose(outputs[name], array, atol=2e-6)


@pytest.mark.parametrize("form", ["FLOAT16", "int8", "rewritten"])
def test_in_half_precision_and_compressed(form: str) -> None:
    model, data, expected = converted("iOS18", "FLOAT16" if form == "FLOAT16" else "FLOAT32", False)
    if form != "FLOAT16":
        config = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=1)
        model = cto.linear_quantize_weights(model, cto.OptimizationConfig(config))
    if form == "rewritten":
        model = cto.decompress_weights(model)
    assert kinds(model)["GRU"] == 1 and kinds(model)["Loop"] == 0
    outputs = mlt.load(model).predict(data)
    # Weights of relative error 2⁻¹² or 2⁻⁹.
    np.testing.assert_allclose(outputs["y"], expected[0], atol=2e-3 if form == "FLOAT16" else 2e-2)


def loop_blocks(spec: Any) -> list[Any]:
    function = spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    (loop,) = (operation for operation in block.operations if operation.type == "while_loop")
    return [block, *loop.blocks]


def changes(operation: Any) -> Iterator[Callable[[Any], None]]:
    """Small changes to an operation, each of which makes something else of it."""
    others = {"sigmoid": "tanh", "tanh": "sigmoid", "add": "sub", "mul": "add", "sub": "add", "less": "less_equal"}
    if operation.type in others:
        yield lambda item: setattr(item, "type", others[item.type])
    if {"x", "y"} <= set(operation.inputs):

        def exchange(item: Any) -> None:
            first, second = (copy.deepcopy(item.inputs[name]) for name in "xy")
            item.inputs["x"].CopyFrom(second)
            item.inputs["y"].CopyFrom(first)

        yield exchange
    if operation.type == "const":
        tensor = operation.attributes["val"].immediateValue.tensor
        kind = tensor.WhichOneof("value")
        if kind in ("ints", "floats", "bools"):

            def increase(item: Any) -> None:
                values = getattr(item.attributes["val"].immediateValue.tensor, kind).values
                values[0] = not values[0] if kind == "bools" else values[0] + 1

            yield increase
        elif kind == "strings":
            yield lambda item: item.attributes["val"].immediateValue.tensor.strings.values.__setitem__(0, "max")


def outcome(spec: Any, folder: Any, data: dict[str, np.ndarray]) -> list[np.ndarray] | str:
    try:
        found = Model(spec, weights_dir=folder).predict(data, threads=1)
    except MLToolkitError as error:
        return type(error).__name__
    return [found["y"], found["last"]]


def test_a_loop_that_differs_in_anything_gives_what_it_gives_as_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data, _ = converted("iOS18", "FLOAT32", False)
    spec, folder = model.get_spec(), Path(model.weights_dir)
    original = outcome(spec, folder, data)
    recognised = loops = 0
    # A counter that falls makes a loop that does not end.
    counter = loop_blocks(spec)[2].outputs[0]
    for place, block in enumerate(loop_blocks(spec)):
        for index, operation in enumerate(block.operations):
            for change in () if operation.outputs[0].name == counter else changes(operation):
                changed = copy.deepcopy(spec)
                change(loop_blocks(changed)[place].operations[index])
                found = outcome(changed, folder, data)
                if not isinstance(found, str):
                    types = [node.op_type for node in Model(changed, weights_dir=folder).graph().model.graph]
                    recognised, loops = recognised + ("GRU" in types), loops + ("Loop" in types)
                with monkeypatch.context() as patched:
                    patched.setattr(control_flow, "convert_gru_loop", lambda *_: False)
                    expected = outcome(changed, folder, data)
                where = f"{operation.type} {operation.outputs[0].name}"
                if isinstance(expected, str) or isinstance(found, str):
                    assert found == expected, where
                    continue
                for one, other in zip(found, expected, strict=True):
                    np.testing.assert_allclose(one, other, atol=1e-6, err_msg=where)
    assert isinstance(original, list)
    # Changes outside the loop, and of what the loop does not look at, leave the GRU.
    assert loops > 20 and recognised > 3, (loops, recognised)
