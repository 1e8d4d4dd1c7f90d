"""Selectors: predicates, our classes, and coremltools' own objects."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from layer_zoo import add_layer, every_layer, network_spec

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization import AdvancedQuantizedLayerSelector, QuantizedLayerSelector
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import quantize_spec


@pytest.fixture(scope="module")
def coremltools_selectors() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.models.neural_network import quantization_utils
    return quantization_utils


def chosen(spec: Any, selector: Any) -> set[tuple[str, str]]:
    config = QuantizationConfig(
        8, selector=selector, include_biases=True, include_normalization=True, only_if_smaller=False
    )
    _, report = quantize_spec(spec, config)
    return {(record.layer, record.weight) for record in report.changed}


def convolutions(network: Any) -> None:
    """Convolutions of several sizes, a depthwise one, and other layers with biases."""
    for outputs, inputs, groups in ((64, 16, 1), (64, 3, 1), (8, 8, 1), (64, 1, 64), (256, 4, 1)):
        add_layer(
            network,
            "convolution",
            name=f"{outputs} {inputs} {groups}",
            sizes={
                "outputChannels": outputs,
                "kernelChannels": inputs,
                "nGroups": groups,
                "kernelSize": [3, 3],
                "hasBias": 1,
            },
            shapes={"weights": (outputs, inputs, 3, 3), "bias": (outputs,)},
        )
    add_layer(network, "innerProduct")
    add_layer(network, "batchedMatmul")


def test_a_predicate_sees_layer_and_weight_names() -> None:
    spec = network_spec(convolutions)
    assert chosen(spec, lambda layer, weight: layer == "8 8 1" and weight == "bias") == {("8 8 1", "bias")}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"skip_layer_types": ["bias"]},
        {"skip_layer_types": ["depthwiseConv", "innerProduct"], "minimum_conv_kernel_channels": 1},
        {"minimum_conv_kernel_channels": 9, "minimum_conv_weight_count": 0},
        {"minimum_conv_kernel_channels": 0, "minimum_conv_weight_count": 9300},
    ],
)
def test_the_advanced_selector_chooses_as_that_of_coremltools(coremltools_selectors: Any, options: Any) -> None:
    spec = network_spec(convolutions)
    ours = AdvancedQuantizedLayerSelector(**options)
    theirs = coremltools_selectors.AdvancedQuantizedLayerSelector(**options)
    assert chosen(spec, ours) == chosen(spec, theirs)
    biases = {weight for _, weight in chosen(spec, ours)} & {"bias"}
    assert not biases if options.get("skip_layer_types") == ["bias"] else biases
    assert 0 < len(chosen(spec, ours)) < len(chosen(spec, None))


def test_a_selector_class_written_for_coremltools(coremltools_selectors: Any) -> None:
    for base in (QuantizedLayerSelector, coremltools_selectors.QuantizedLayerSelector):

        class NotTheFirst(base):  # type: ignore[misc, valid-type]
            def do_quantize(self, layer: Any, **kwargs: Any) -> bool:
                return super().do_quantize(layer, **kwargs) and layer.name != "64 16 1"

        spec = network_spec(convolutions)
        assert {layer for layer, _ in chosen(spec, None)} - {layer for layer, _ in chosen(spec, NotTheFirst())} == {
            "64 16 1"
        }


def test_our_base_class_also_selects_what_coremltools_leaves_out(coremltools_selectors: Any) -> None:
    spec = network_spec(every_layer)
    assert chosen(spec, QuantizedLayerSelector()) == chosen(spec, None)
    left_out = {layer for layer, _ in chosen(spec, None) - chosen(spec, coremltools_selectors.QuantizedLayerSelector())}
    assert left_out == {"the PReLU", "the activation"}


def test_an_unknown_layer_type_is_told_the_close_ones() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'batchnorm'"):
        AdvancedQuantizedLayerSelector(skip_layer_types=["batchNorm"])


def test_a_selector_that_fails_is_told_where() -> None:
    with pytest.raises(ArgumentError, match=r"ZeroDivisionError.*layer '64 16 1', weights"):
        chosen(network_spec(convolutions), lambda layer, weight: 1 / 0)
    with pytest.raises(ArgumentError, match="the names of the layer and the weight"):
        chosen(network_spec(convolutions), lambda layer: True)
