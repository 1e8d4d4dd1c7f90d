"""Conversions that go wrong are found, and the first layer that differs is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from conversion_models import custom_onnx, onnx_classifier

import mltoolkit as mlt
from mltoolkit.conversion import writing
from mltoolkit.converters.hooks import UnsupportedLayers
from mltoolkit.converters.onnx_import import importer
from mltoolkit.errors import ConversionHookError, CustomLayerError, UnsupportedLayersError, VerificationError

FORMATS = ("mlmodel", "mlpackage")


def after(name: str, change: Callable[[ir.Model, ir.Node], None]) -> Callable[[Any], Any]:
    """An importer or writer that changes the graph at the node that makes a value."""

    def damage(graph_model: ir.Model) -> None:
        for node in graph_model.graph:
            if any(value.name == name for value in node.outputs):
                change(graph_model, node)

    return damage


def swap_operator(model: ir.Model, node: ir.Node) -> None:
    node.op_type = {"Relu": "Abs"}[node.op_type]


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_import_names_the_layer(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    damage = after("relu", swap_operator)
    simplified = importer.simplified

    def wrong(hub: ir.Model) -> ir.Model:
        hub = simplified(hub)
        damage(hub)
        return hub

    monkeypatch.setattr(importer, "simplified", wrong)
    with pytest.raises(VerificationError, match="the imported graph computes something else") as raised:
        mlt.convert(onnx_classifier(), format=format)
    assert re.search(r"layer 'relu' \(Relu\), the first that differs", str(raised.value)), str(raised.value)
    report = raised.value.report
    assert report.verified is False
    assert "differs" in str(report)
    # The same wrong model is given on request.
    model = mlt.convert(onnx_classifier(), format=format, verify=False)
    assert model.conversion_report is not None and model.conversion_report.verified is None


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_file_names_the_layer(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = writing.write_core_ml
    damage = after("relu", swap_operator)

    def wrong(hub: Any, target: Any) -> Any:
        model = hub.model.clone()
        damage(model)
        return write(type(hub)(model, hub.origin, hub.layers, hub.custom_layers), target)

    monkeypatch.setattr(writing, "write_core_ml", wrong)
    with pytest.raises(VerificationError, match="the written model computes something else") as raised:
        mlt.convert(onnx_classifier(), format=format)
    assert re.search(r"layer 'relu' \(Relu\), the first that differs", str(raised.value)), str(raised.value)
    assert {check.stages for check in raised.value.report.checks if check.passed is False} == {"source = file"}


def test_a_lower_tolerance_accepts_a_small_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    write = writing.write_core_ml

    def rough(hub: Any, target: Any) -> Any:
        model = hub.model.clone()
        for value in model.graph.initializers.values():
            array = value.const_value.numpy()
            if array.ndim == 4:
                value.const_value = ir.Tensor(array + np.float32(0.01) * np.sign(array), name=value.name)
        return write(type(hub)(model, hub.origin, hub.layers, hub.custom_layers), target)

    monkeypatch.setattr(writing, "write_core_ml", rough)
    with pytest.raises(VerificationError):
        mlt.convert(onnx_classifier())
    report = mlt.convert(onnx_classifier(), tolerance_db=20).conversion_report
    assert report is not None and report.lowest_db is not None
    assert 20 < report.lowest_db < 60, report
    assert {check.tolerance_db for check in report.checks} == {20}


def test_layers_that_nothing_knows_are_all_named_and_the_pasted_hooks_convert_them() -> None:
    with pytest.raises(UnsupportedLayersError) as raised:
        mlt.convert(custom_onnx())
    message = str(raised.value)
    assert {(layer.domain, layer.class_name) for layer in raised.value.layers} == {
        ("com.example", "Warp"),
        ("com.example", "Bend"),
    }
    code = re.search(r"^import mltoolkit as mlt$.*?^}$", message, re.MULTILINE | re.DOTALL)
    assert code is not None, message
    scope: dict[str, Any] = {}
    exec(code.group(), scope)
    model = mlt.convert(custom_onnx(), custom_conversion_functions=scope["custom_conversion_functions"])
    report = model.conversion_report
    assert report is not None
    assert report.custom_layers == {"Warp": 1, "Bend": 1}
    assert {layer.class_name: layer.parameters for layer in model.summary().custom_layers}["Warp"]["strength"] == 0.5
    assert report.verified is None
    assert "no Python class for the custom layer" in str(report)


class Warp(mlt.CustomLayer):
    """y = strength · x"""

    class_name = "Warp"

    def output_shapes(self, input_shapes: Any) -> Any:
        return list(input_shapes)

    def evaluate(self, inputs: Any) -> Any:
        return [np.float32(self.parameters["strength"]) * inputs[0]]


class Bend(Warp):
    """y = x"""

    class_name = "Bend"

    def evaluate(self, inputs: Any) -> Any:
        return [inputs[0].copy()]


def describe(layer: Any) -> mlt.CustomLayerDescription:
    return mlt.CustomLayerDescription(
        layer.class_name, "what it does", layer.parameters, layer.weights, layer.likely_output_shapes
    )


def test_custom_layers_with_a_python_class_are_verified() -> None:
    hooks = {("com.example", "Warp"): describe, "bend_1": describe}
    model = mlt.convert(custom_onnx(), custom_conversion_functions=hooks, custom_layers=[Warp, Bend])
    report = model.conversion_report
    assert report is not None and report.verified is True
    assert report.hooks_used == {"com.example::Warp": ("warp_1",), "bend_1": ("bend_1",)}
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(model.predict({"x": x})["y"], np.maximum(0.5 * x, 0), rtol=1e-6)


def test_a_class_that_refuses_the_description_is_an_error_of_its_layer() -> None:
    class Strict(Warp):
        def __init__(self, parameters: Any, weights: Any) -> None:
            raise KeyError("radius")

    with pytest.raises(CustomLayerError, match="'Warp' does not take what the file would hold: KeyError: 'radius'"):
        mlt.convert(
            custom_onnx(),
            custom_conversion_functions={"Warp": describe, "Bend": describe},
            custom_layers=[Strict, Bend],
        )


def test_custom_layers_in_a_program_are_refused_with_the_alternative() -> None:
    with pytest.raises(UnsupportedLayersError, match="custom layers exist in neural networks only") as raised:
        mlt.convert(custom_onnx(), format="mlpackage", custom_conversion_functions={"Warp": describe, "Bend": describe})
    assert "custom conversion function that builds" in str(raised.value)


def test_a_hook_that_raises_or_returns_nothing_is_named() -> None:
    def broken(layer: Any) -> Any:
        raise RuntimeError("no grid")

    with pytest.raises(ConversionHookError, match="'broken' raised RuntimeError: no grid") as raised:
        mlt.convert(custom_onnx(), custom_conversion_functions={"Warp": broken, "Bend": describe})
    assert isinstance(raised.value.__cause__, RuntimeError)
    with pytest.raises(ConversionHookError, match="returned None"):
        mlt.convert(custom_onnx(), custom_conversion_functions={"Warp": lambda layer: None, "Bend": describe})


def test_a_hook_that_matches_nothing_is_reported_with_the_closest_names(caplog: pytest.LogCaptureFixture) -> None:
    model = mlt.convert(onnx_classifier(), custom_conversion_functions={"Softmx": describe})
    report = model.conversion_report
    assert report is not None
    assert "Did you mean 'Softmax'" in report.hooks_unused["Softmx"]
    assert "matches no layer of the model" in caplog.text


def test_a_refusal_of_the_writer_speaks_of_the_sources_layers_and_of_fixed_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keras = pytest.importorskip("keras")
    x = keras.Input((None, 4), name="x")
    network = keras.Model(x, keras.layers.Dense(3, activation="gelu", name="dense_1")(x), name="small")

    def refuse(hub: Any, target: Any) -> Any:
        unsupported = UnsupportedLayers()
        unsupported.add("dense_1", "MatMul", "its sizes are flexible", "fixed input shapes")
        unsupported.raise_if_any()

    monkeypatch.setattr(writing, "write_core_ml", refuse)
    with pytest.raises(UnsupportedLayersError) as raised:
        mlt.convert(network)
    message = str(raised.value)
    assert "1 layer of small cannot be converted" in message
    assert "'dense_1': MatMul, which it consists of, cannot be written: its sizes are flexible" in message
    assert "Fixed sizes may do: input_shapes={'x': (1, 64, 4)}." in message
    assert "def convert_dense(layer):" in message
