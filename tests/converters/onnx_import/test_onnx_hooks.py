"""Custom conversion functions for nodes of an ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import FLOAT, model_of, normal, operators, run

from mltoolkit.converters.hooks import HookedLayer, HookSet
from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import ConversionHookError, UnsupportedLayersError
from mltoolkit.graph.builder import CUSTOM_DOMAIN, shape_of

DOMAINS = [("com.example", 1)]


def custom_model(**known: Any) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node(
            "Warp", ["r", "w"], ["v"], domain="com.example", name="warp", amount=2.5, mode="soft", axes=[1, 2]
        ),
        helper.make_node("Sigmoid", ["v"], ["y"]),
    ]
    model = model_of(nodes, {"x": (FLOAT, (2, 3))}, ["y"], {"w": normal(3)}, domains=DOMAINS)
    if known:
        model.graph.value_info.append(helper.make_tensor_value_info("v", FLOAT, known["shape"]))
    return model


@pytest.mark.parametrize("key", ["warp", "Warp", ("com.example", "Warp")])
def test_a_hook_builds_the_node_of_operators(key: Any) -> None:
    seen: list[HookedLayer] = []

    def convert(layer: HookedLayer) -> Any:
        seen.append(layer)
        amount = layer.builder.constant(np.float32(layer.config["amount"]).reshape(()))
        return layer.builder.op("Mul", layer.inputs[0], amount)

    source = import_onnx(custom_model(), hooks=HookSet({key: convert}))
    assert operators(source) == ["Relu", "Mul", "Sigmoid"]
    (layer,) = seen
    assert (layer.name, layer.class_name, layer.domain) == ("warp", "Warp", "com.example")
    assert layer.parameters == {"amount": 2.5, "mode": "soft"}
    assert layer.config["axes"] == [1, 2]
    assert layer.input_shapes == [(2, 3), (3,)]
    assert [weight.tolist() for weight in layer.weights] == [normal(3).tolist()]
    x = normal(2, 3)
    assert np.allclose(run(source, {"x": x})[0], 1 / (1 + np.exp(-2.5 * np.maximum(x, 0))), atol=1e-6)


def test_a_hook_describes_a_custom_layer() -> None:
    def convert(layer: HookedLayer) -> CustomLayerDescription:
        return CustomLayerDescription("Warper", parameters=layer.parameters, weights=layer.weights)

    source = import_onnx(custom_model(shape=(2, 3)), hooks=HookSet({("com.example", "Warp"): convert}))
    (node,) = [node for node in source.model.graph if node.domain == CUSTOM_DOMAIN]
    assert node.op_type == "Warper"
    assert [value.name for value in node.inputs if value is not None] == ["r"]
    description = source.custom_layers[node.name or ""]
    assert description.parameters == {"amount": 2.5, "mode": "soft"}
    assert len(description.weights) == 1
    with pytest.raises(UnsupportedLayersError, match="which shape its output 'v' has"):
        import_onnx(custom_model(), hooks=HookSet({("com.example", "Warp"): convert}))


def test_a_hook_replaces_an_operator_that_is_known() -> None:
    def identity(layer: HookedLayer) -> Any:
        return layer.inputs[0]

    node = helper.make_node("Relu", ["x"], ["y"])
    source = import_onnx(model_of([node], {"x": (FLOAT, (2,))}, ["y"]), hooks=HookSet({"Relu": identity}))
    assert "Relu" not in operators(source)


def test_hooks_that_raise_or_return_something_else() -> None:
    def raising(layer: HookedLayer) -> Any:
        raise KeyError("amout")

    with pytest.raises(ConversionHookError, match="raised KeyError") as caught:
        import_onnx(custom_model(), hooks=HookSet({"Warp": raising}))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ConversionHookError, match="returned None"):
        import_onnx(custom_model(), hooks=HookSet({"Warp": lambda layer: None}))


def test_all_unsupported_nodes_are_reported_at_once() -> None:
    nodes = [
        helper.make_node("Warp", ["x"], ["a"], domain="com.example", name="one"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Bend", ["b"], ["c"], domain="com.example", name="two"),
        helper.make_node("Relo", ["c"], ["d"], name="three"),
        helper.make_node("Warp", ["d"], ["y"], domain="com.example", name="four"),
    ]
    with pytest.raises(UnsupportedLayersError) as caught:
        import_onnx(model_of(nodes, {"x": (FLOAT, (2, 3))}, ["y"], domains=DOMAINS))
    assert [(layer.name, layer.class_name) for layer in caught.value.layers] == [
        ("one", "Warp"),
        ("two", "Bend"),
        ("three", "Relo"),
        ("four", "Warp"),
    ]
    text = str(caught.value)
    assert "('com.example', 'Bend'): convert_bend" in text
    assert "Did you mean 'Relu'" in text


def test_a_tensor_attribute_reaches_the_hook_as_an_array() -> None:
    tensor = numpy_helper.from_array(np.array([1.5, 2.5], np.float32))
    node = helper.make_node("Warp", ["x"], ["y"], domain="com.example", table=tensor)
    seen = []

    def convert(layer: HookedLayer) -> Any:
        seen.append(layer.config["table"].tolist())
        return layer.builder.op("Neg", layer.inputs[0])

    import_onnx(model_of([node], {"x": (FLOAT, (2,))}, ["y"], domains=DOMAINS), hooks=HookSet({"Warp": convert}))
    assert seen == [[1.5, 2.5]]


def test_a_description_may_say_the_shapes_that_the_file_does_not() -> None:
    def convert(layer: HookedLayer) -> CustomLayerDescription:
        return CustomLayerDescription("Warper", output_shapes=[(2, 3)])

    source = import_onnx(custom_model(), hooks=HookSet({"Warp": convert}))
    assert shape_of(source.model.graph.outputs[0]) == (2, 3)
    with pytest.raises(ConversionHookError, match="2 output_shapes for 1 outputs"):
        import_onnx(
            custom_model(),
            hooks=HookSet({"Warp": lambda layer: CustomLayerDescription("Warper", output_shapes=[(2, 3), (1,)])}),
        )
