"""What docs/conversion.md shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conversion_models import custom_onnx
from onnx import TensorProto, helper

import mltoolkit as mlt


@pytest.fixture(scope="module")
def blocks(project: Path) -> list[str]:
    text = (project / "docs" / "conversion.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def function(blocks: list[str], name: str) -> Any:
    (block,) = (block for block in blocks if f"def {name}(" in block)
    scope: dict[str, Any] = {"mlt": mlt, "np": np}
    # mltoolkit brings a GridSampler, which wants parameters that the model here does not have.
    exec(block.split("\n\nmlmodel =")[0].replace('"GridSampler"', '"DocumentedSampler"'), scope)
    return scope[name]


def test_the_custom_layer(blocks: list[str]) -> None:
    hook = function(blocks, "convert_grid_sampler")
    source = custom_onnx()
    source.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, (1, 2, 3, 4)))
    model = mlt.convert(source, custom_conversion_functions={"Warp": hook, "Bend": hook})
    first = model.summary().custom_layers[0]
    assert (first.class_name, first.parameters) == ("DocumentedSampler", {"strength": 0.5})


@pytest.mark.parametrize("format", ["mlmodel", "mlpackage"])
def test_existing_operators(blocks: list[str], format: str) -> None:
    hook = function(blocks, "convert_swish")
    model = mlt.convert(custom_onnx(), format=format, custom_conversion_functions={"Warp": hook, "Bend": hook})
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 4)).astype(np.float32)
    inner = np.maximum(x / (1 + np.exp(-x)), 0)
    # float32 sigmoid
    np.testing.assert_allclose(model.predict({"x": x})["y"], inner / (1 + np.exp(-inner)), atol=1e-6)


def test_the_tolerances_are_those_of_the_code(project: Path) -> None:
    from mltoolkit.conversion.array_check import DEFAULT_TOLERANCE

    text = (project / "docs" / "conversion.md").read_text(encoding="utf-8")
    for precision, decibels in DEFAULT_TOLERANCE.items():
        assert re.search(rf"{decibels:g} dB at {precision}", text), (precision, decibels)


def test_every_argument_of_convert_is_documented(project: Path) -> None:
    import inspect

    text = (project / "docs" / "conversion.md").read_text(encoding="utf-8")
    missing = [
        name for name in inspect.signature(mlt.convert).parameters if name != "source" and f"{name}=" not in text
    ]
    assert not missing, missing
