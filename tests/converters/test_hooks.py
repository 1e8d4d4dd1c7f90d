"""Custom conversion functions: which one is found, what they may return, what is said when they are wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from mltoolkit.converters.hooks import HookedLayer, HookSet
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import ArgumentError, ConversionHookError
from mltoolkit.graph.builder import GraphBuilder, dtype_of, shape_of


def hooked_layer(**changes: Any) -> HookedLayer:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 2, 3, 4))
    parts: dict[str, Any] = {
        "name": "sampler_1",
        "class_name": "GridSampler",
        "domain": "",
        "config": {"mode": "bilinear", "size": np.int32(7), "axes": [1, 2], "flag": True},
        "weights": [np.arange(3.0)],
        "input_shapes": [(1, 2, 3, 4)],
        "output_shapes": [(1, 2, 3, 4)],
        "source": None,
        "inputs": [x],
        "builder": builder,
    }
    return HookedLayer(**{**parts, **changes})


def by_name(layer: HookedLayer) -> CustomLayerDescription:
    return CustomLayerDescription("ByName")


def by_domain(layer: HookedLayer) -> CustomLayerDescription:
    return CustomLayerDescription("ByDomain")


def by_class(layer: HookedLayer) -> CustomLayerDescription:
    return CustomLayerDescription("ByClass")


def apply(function: Callable[[HookedLayer], Any], **changes: Any) -> Any:
    hooks = HookSet({"GridSampler": function})
    return hooks.apply(function, hooked_layer(**changes))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("sampler_1", "GridSampler", "com.example"), by_name),
        (("other", "GridSampler", "com.example"), by_domain),
        (("other", "GridSampler", "ai.onnx"), by_class),
        (("other", "GridSampler"), by_class),
        (("other", "Conv", "ai.onnx"), by_domain),
        (("other", "Conv", ""), by_domain),
        (("other", "Relu"), None),
        (("", "Relu"), None),
    ],
)
def test_the_name_goes_first_then_the_domain_then_the_class(asked: tuple[str, ...], found: object) -> None:
    hooks = HookSet(
        {
            "GridSampler": by_class,
            ("com.example", "GridSampler"): by_domain,
            "sampler_1": by_name,
            ("ai.onnx", "Conv"): by_domain,
        }
    )
    assert hooks.find(*asked) is found


def test_without_functions_nothing_is_found() -> None:
    assert HookSet().find("a", "B") is None
    assert len(HookSet(None)) == 0


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([("A", by_name)], "is a dictionary, not list"),
        ({"": by_name}, r"under a layer name, a class name or \(domain, operator\), not ''"),
        ({3: by_name}, "not 3"),
        ({("a", "b", "c"): by_name}, "not \\('a', 'b', 'c'\\)"),
        ({"A": "by_name"}, "for 'A' is 'by_name'"),
        ({"A": CustomLayerDescription}, "Give a function of one argument"),
    ],
)
def test_wrong_dictionaries_are_refused(functions: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        HookSet(functions)


def test_a_description_comes_back_with_plain_parameters_and_float32_weights() -> None:
    result = apply(
        lambda layer: CustomLayerDescription(
            "GridSampler", "samples", {**layer.parameters, "scale": np.float64(0.5)}, layer.weights
        )
    )
    assert result.parameters == {"mode": "bilinear", "size": 7, "flag": True, "scale": 0.5}
    assert type(result.parameters["size"]) is int
    assert [(weight.dtype, weight.tolist()) for weight in result.weights] == [(np.float32, [0.0, 1.0, 2.0])]


def test_values_of_the_builder_come_back_as_a_tuple() -> None:
    layer = hooked_layer()

    def swish(layer: HookedLayer) -> ir.Value:
        x = layer.inputs[0]
        return layer.builder.op("Mul", x, layer.builder.op("Sigmoid", x))

    (value,) = HookSet().apply(swish, layer)
    assert (shape_of(value), dtype_of(value)) == ((1, 2, 3, 4), np.float32)
    assert value.producer().metadata_props["layer"] == "sampler_1"
    value.name = "y"
    nodes = layer.builder.finish([value]).graph
    assert [node.op_type for node in nodes] == ["Sigmoid", "Mul"]


def test_the_input_itself_or_a_constant_may_be_the_output() -> None:
    assert len(apply(lambda layer: layer.inputs[0])) == 1
    assert len(apply(lambda layer: layer.builder.constant(np.zeros((1, 2, 3, 4), np.float32)))) == 1


def test_an_output_of_unknown_size_takes_any() -> None:
    for wanted in (None, (None, "channels", 3, 4)):
        assert apply(lambda layer: [layer.builder.op("Relu", layer.inputs[0])], output_shapes=[wanted])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda layer: None, "returned None; is a return missing"),
        (lambda layer: "GridSampler", "returned 'GridSampler', of type str"),
        (lambda layer: [], r"returned \[\], of type list"),
        (lambda layer: [layer.inputs[0], 3], "of type list"),
        (lambda layer: [layer.inputs[0]] * 2, "returned 2 values, but the layer has 1 outputs"),
        (lambda layer: ir.Value(name="stray"), "'stray', is not in the graph"),
        (lambda layer: ir.node("Relu", [layer.inputs[0]]).outputs[0], "is not in the graph"),
        (lambda layer: layer.builder.op("Flatten", layer.inputs[0]), r"has the shape \(1, 24\), but .* \(1, 2, 3, 4\)"),
        (lambda layer: CustomLayerDescription(""), "without a class_name"),
        (lambda layer: CustomLayerDescription("A", 3), "whose description is 3"),  # type: ignore[arg-type]
        (lambda layer: CustomLayerDescription("A", "", {"axes": [1]}), r"whose parameter 'axes' is \[1\]"),  # type: ignore[dict-item]
        (lambda layer: CustomLayerDescription("A", "", {"n": 1 << 63}), "at most 64 bits"),
        (lambda layer: CustomLayerDescription("A", output_shapes=[(1,), (2,)]), "2 output_shapes for 1 outputs"),
        (lambda layer: CustomLayerDescription("A", "", {}, [np.array(["x"])]), "weight 0 has the type <U1"),
    ],
)
def test_wrong_results_are_refused(function: Callable[[HookedLayer], Any], message: str) -> None:
    with pytest.raises(ConversionHookError, match=message) as raised:
        apply(function)
    assert "layer 'sampler_1' of class GridSampler" in str(raised.value)


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (lambda layer: layer.wieghts, AttributeError),
        (lambda: None, TypeError),
        (lambda layer: layer.builder.op("MatMul", layer.inputs[0], layer.inputs[0]), Exception),
    ],
)
def test_what_a_function_raises_is_kept_as_the_cause(function: Callable[..., Any], cause: type[Exception]) -> None:
    with pytest.raises(ConversionHookError, match="raised") as raised:
        apply(function)
    assert isinstance(raised.value.__cause__, cause)


def test_likely_output_shapes_are_the_first_inputs_where_nothing_is_known() -> None:
    layer = hooked_layer(output_shapes=[None, (1, 5)])
    assert layer.likely_output_shapes == [(1, 2, 3, 4), (1, 5)]


def test_functions_that_match_nothing_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    hooks = HookSet({"GridSampler": by_class, "GridSample": by_class, ("com.example", "Grid"): by_domain})
    hooks.find("sampler_1", "GridSampler")
    hooks.find("sampler_2", "GridSampler")
    assert hooks.used == {"GridSampler": ("sampler_1", "sampler_2")}
    assert set(hooks.unused) == {"GridSample", ("com.example", "Grid")}
    with caplog.at_level(logging.WARNING):
        hooks.warn_unused()
    assert "'GridSample' matches no layer of the model. Did you mean 'GridSampler'?" in caplog.text
