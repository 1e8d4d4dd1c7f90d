"""The rewriter of neural networks: slots, forms, sizes, biases that are replaced and added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core_ml_rules import violations
from layer_zoo import SHAPES, add_layer, layer_spec, network_spec, pipeline_spec

import mltoolkit as mlt
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import TableCodes, read_weight
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import Job, quantize
from mltoolkit.quantization.plan import reason_to_stay
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.rewriting_spec import SpecRewriter
from mltoolkit.quantization.slots import Form, WeightSlot

_FORMS = (Form("table", 4), Form("linear", 8), Form("linear", 5, per_channel=True), Form("float16", 16))


def slot_of(rewriter: SpecRewriter, name: str) -> WeightSlot:
    (slot,) = [slot for slot in rewriter.slots if slot.name == name]
    return slot


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "custom"])
def test_slots_state_what_the_file_holds(kind: str) -> None:
    spec = layer_spec(kind)
    rewriter = SpecRewriter(spec)
    assert {slot.name: slot.shape for slot in rewriter.slots} == SHAPES[kind]
    for slot, field in zip(rewriter.slots, iter_weight_fields(spec), strict=True):
        np.testing.assert_array_equal(rewriter.values(slot), read_weight(field.params, field.shape, field.where))
        assert (slot.bits, slot.bytes, slot.form) == (32, 4 * slot.count, Form("float32", 32))
    assert rewriter.finish_spec().SerializeToString(deterministic=True) == spec.SerializeToString(deterministic=True)


@pytest.mark.parametrize("form", _FORMS, ids=str)
def test_the_size_that_is_foretold_is_the_size_written(form: Form) -> None:
    for kind in ("convolution", "innerProduct", "simpleRecurrent"):
        rewriter = SpecRewriter(layer_spec(kind))
        slot = rewriter.slots[0]
        mode = {"table": "kmeans", "linear": "linear", "float16": "linear"}[form.kind]
        config = QuantizationConfig(form.nbits, mode, per_channel=form.per_channel)
        assert config.form(slot) == form
        job = Job(rewriter.values(slot), form, slot)
        assert rewriter.write(slot, quantize(config.mode, job)) == rewriter.size(slot, form)
        assert SpecRewriter(rewriter.finish_spec()).slots[0].form == form


def test_layers_and_stages_are_numbered_through() -> None:
    rewriter = SpecRewriter(pipeline_spec())
    assert [slot.index for slot in rewriter.slots] == list(range(len(rewriter.slots)))
    layers = [slot.layer_index for slot in rewriter.slots]
    assert layers == sorted(layers) and set(layers) == set(range(layers[-1] + 1))
    assert len({slot.stage for slot in rewriter.slots}) > 1


def test_why_a_weight_stays_is_one_question_for_any_form() -> None:
    rewriter = SpecRewriter(layer_spec("innerProduct"))
    weights, bias = rewriter.slots
    config = QuantizationConfig(4, "kmeans", selector=lambda layer, weight: layer != "other")
    assert reason_to_stay(rewriter, weights, Form("table", 4), config) == ""
    assert reason_to_stay(rewriter, weights, Form("table", 8), config) == ""
    assert reason_to_stay(rewriter, bias, Form("table", 4), config) == "biases stay as they are"
    assert reason_to_stay(rewriter, weights, Form("float32", 32), config) == "already float32"
    assert "neural networks" in reason_to_stay(rewriter, weights, Form("linear", 4, block_size=8), config)
    nothing = QuantizationConfig(4, "kmeans", selector=lambda layer, weight: False)
    assert reason_to_stay(rewriter, weights, Form("table", 4), nothing) == "not selected"


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("has", [False, True])
@pytest.mark.parametrize("kind", ["convolution", "innerProduct", "batchedMatmul", "embedding", "embeddingND"])
def test_a_bias_is_replaced_or_added(kind: str, has: bool, half: bool) -> None:
    spec = layer_spec(kind, half=half)
    spec.specificationVersion = 4
    if not has:
        message = getattr(spec.neuralNetwork.layers[0], kind)
        message.hasBias = False
        message.ClearField("bias")
    rewriter = SpecRewriter(spec)
    weights = slot_of(rewriter, "weights")
    bias = rewriter.bias_slot(weights)
    assert bias == (slot_of(rewriter, "bias") if has else None)
    new = np.linspace(-1, 1, weights.channels, dtype=np.float32)
    assert rewriter.write_bias(weights, new) == ""
    result = rewriter.finish_spec()
    assert violations(result) == []
    assert getattr(result.neuralNetwork.layers[0], kind).hasBias
    (field,) = [field for field in iter_weight_fields(result) if field.name == "bias"]
    stored = read_weight(field.params, field.shape, field.where)
    np.testing.assert_array_equal(stored, new.astype(np.float16) if half else new)


def test_a_bias_follows_the_precision_that_the_layer_has_by_then() -> None:
    rewriter = SpecRewriter(layer_spec("innerProduct"))
    weights, bias = rewriter.slots
    rewriter.write(weights, rewriter.values(weights).astype(np.float16))
    rewriter.write(bias, rewriter.values(bias).astype(np.float16))
    assert rewriter.write_bias(weights, np.ones(10, dtype=np.float32)) == ""
    result = rewriter.finish_spec()
    assert violations(result) == []
    assert result.neuralNetwork.layers[0].innerProduct.bias.float16Value == np.ones(10, np.float16).tobytes()


@pytest.mark.parametrize("half", [False, True])
def test_a_bias_added_to_codes_has_the_precision_that_the_layer_had(half: bool) -> None:
    spec = layer_spec("convolution", half=half)
    message = spec.neuralNetwork.layers[0].convolution
    message.hasBias = False
    message.ClearField("bias")
    rewriter = SpecRewriter(spec)
    weights = slot_of(rewriter, "weights")
    rewriter.write(weights, TableCodes(np.zeros(weights.count, np.uint8), 1, np.zeros(2, np.float32)))
    assert rewriter.write_bias(weights, np.ones(weights.channels, dtype=np.float32)) == ""
    result = rewriter.finish_spec()
    assert violations(result) == []
    bias = result.neuralNetwork.layers[0].convolution.bias
    assert (len(bias.float16Value), len(bias.floatValue)) == (
        (2 * weights.channels, 0) if half else (0, weights.channels)
    )


def test_no_bias_where_core_ml_has_none() -> None:
    def fill(network: Any) -> None:
        add_layer(network, "loadConstantND", name="constant")
        layer = add_layer(network, "batchedMatmul", name="two inputs")
        layer.input.append("z")
        add_layer(network, "innerProduct", name="trained").isUpdatable = True

    rewriter = SpecRewriter(network_spec(fill))
    reasons = {}
    for slot in rewriter.slots:
        if slot.name != "bias":
            assert rewriter.bias_slot(slot) is None
            reasons[slot.layer] = rewriter.write_bias(slot, np.zeros(slot.channels, dtype=np.float32))
    assert "no bias" in reasons["constant"]
    assert "second input" in reasons["two inputs"]
    assert "trains" in reasons["trained"]


def test_the_bias_of_a_gate_belongs_to_both_matrices() -> None:
    spec = layer_spec("biDirectionalLSTM")
    spec.neuralNetwork.layers[0].biDirectionalLSTM.params.hasBiasVectors = True
    rewriter = SpecRewriter(spec)
    bias = slot_of(rewriter, "weightParams[1].forgetGateBiasVector")
    for matrix in ("WeightMatrix", "RecursionMatrix"):
        assert rewriter.bias_slot(slot_of(rewriter, f"weightParams[1].forgetGate{matrix}")) == bias
    assert rewriter.bias_slot(slot_of(rewriter, "weightParams[1].forgetGatePeepholeVector")) is None


def test_an_added_bias_is_added_when_the_model_runs() -> None:
    model = mlt.load(digit_model_path())
    rewriter = open_rewriter(model)
    last = [slot for slot in rewriter.slots if slot.layer_type == "innerProduct" and slot.role == "weight"][-1]
    bias = rewriter.bias_slot(last)
    before = rewriter.values(bias) if bias else np.zeros(last.channels, dtype=np.float32)
    shift = np.zeros(last.channels, dtype=np.float32)
    shift[7] = 1000.0
    assert rewriter.write_bias(last, before + shift) == ""
    changed = rewriter.finish()
    picture = np.zeros((model.inputs[0].height, model.inputs[0].width), dtype=np.uint8)
    assert str(changed.predict({model.inputs[0].name: picture})[model.predicted_feature_name]) == "7"


def test_a_model_without_networks_is_refused() -> None:
    spec = new_model()
    spec.glmRegressor.SetInParent()
    with pytest.raises(UnsupportedModelError, match="glmRegressor"):
        SpecRewriter(spec)
