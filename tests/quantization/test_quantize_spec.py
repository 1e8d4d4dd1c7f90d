"""Quantization of whole messages: what is stored, what is left and why, and that Core ML's rules hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core_ml_rules import violations
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_zoo import (
    SHAPES,
    add_layer,
    every_layer,
    find_field,
    layer_spec,
    nested_network,
    network_spec,
    pipeline_spec,
)

from mltoolkit.errors import InvalidModelError, QuantizationError, UnsupportedModelError
from mltoolkit.formats.networks import iter_models
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_fields import Storage, iter_weight_fields
from mltoolkit.formats.weights import Encoding, bits_per_weight, encoding_of, read_weight
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import quantize_spec
from mltoolkit.quantization.report import QuantizationReport, WeightRecord

NO_CODES = {"convolution3d", "layerNormalization", "custom"}
MODES = ("linear", "linear_symmetric", "kmeans", "linear_lut")


def run(spec: Any, nbits: int | None, mode: str = "linear", **options: Any) -> tuple[Any, QuantizationReport]:
    """Quantize; the source must not change and Core ML must accept the result."""
    before = spec.SerializeToString(deterministic=True)
    result, report = quantize_spec(spec, QuantizationConfig(nbits, mode, **options))
    assert spec.SerializeToString(deterministic=True) == before, "the source changed"
    assert violations(result) == []
    assert report.model_bytes_before == len(before)
    assert report.model_bytes_after == len(result.SerializeToString())
    return result, report


def values_of(spec: Any) -> dict[tuple[str, str], np.ndarray]:
    return {
        (field.layer, field.name): read_weight(field.params, field.shape, field.where, field.channel_axis)
        for field in iter_weight_fields(spec)
    }


def record_of(report: QuantizationReport, weight: str, layer: str = "") -> WeightRecord:
    (record,) = [r for r in report.records if r.weight == weight and (not layer or r.layer == layer)]
    return record


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", SHAPES)
def test_every_weight_of_every_layer_type(kind: str, mode: str) -> None:
    spec = layer_spec(kind)
    result, report = run(spec, 6, mode, include_biases=True, include_normalization=True, only_if_smaller=False)
    assert [record.weight for record in report.records] == [field.name for field in iter_weight_fields(spec)]
    for field, record in zip(iter_weight_fields(result), report.records, strict=True):
        if kind in NO_CODES:
            assert (record.bits_after, record.mode) == (32, "")
            assert record.reason
        else:
            expected = Encoding.LINEAR if mode.startswith("linear") and mode != "linear_lut" else Encoding.LOOKUP_TABLE
            assert (encoding_of(field.params), bits_per_weight(field.params)) == (expected, 6)
            # 6 bits over the range of normal values (6 to 7 deviations) make some 29 dB; few values more.
            assert record.sqnr_db is not None and record.sqnr_db > 20, record
    if kind not in NO_CODES:
        before, after = values_of(spec), values_of(result)
        for (key, old), new, record in zip(before.items(), after.values(), report.records, strict=True):
            noise = np.sum((old.astype(float) - new) ** 2)
            sqnr = 10 * np.log10(np.sum(old.astype(float) ** 2) / noise) if noise else np.inf
            assert record.sqnr_db == pytest.approx(sqnr, abs=1e-3), key


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "custom"])
def test_float16_takes_whole_layers(kind: str) -> None:
    result, report = run(layer_spec(kind), 16, include_biases=True, include_normalization=True)
    for field, record in zip(iter_weight_fields(result), report.records, strict=True):
        if field.storage is Storage.FLOAT32:
            assert record.reason == "Core ML takes only float32 here"
            assert encoding_of(field.params) is Encoding.FLOAT32
        else:
            assert encoding_of(field.params) is Encoding.FLOAT16
            # float16 has 11 significant bits: 6.02 * 11 + 10.8 - ... makes 70 to 75 dB.
            assert record.sqnr_db is not None and record.sqnr_db > 65
    if kind != "layerNormalization":
        values = values_of(layer_spec(kind))
        for key, half in values_of(result).items():
            np.testing.assert_array_equal(half, values[key].astype(np.float16))


def test_biases_and_normalization_stay_float_unless_asked_for() -> None:
    spec = network_spec(every_layer)
    _, report = run(spec, 4, "kmeans")
    for record in report.records:
        if record.weight.lower().find("bias") >= 0 and record.layer_type != "custom":
            assert record.bits_after == 32 and not record.mode
        if record.layer_type in ("batchnorm", "layerNormalization"):
            assert record.bits_after == 32 and not record.mode
    assert record_of(report, "bias", "the innerProduct").reason == "biases stay as they are"
    assert record_of(report, "gamma", "the batchnorm").reason == "normalization stays as it is"
    assert record_of(report, "weights", "the innerProduct").bits_after == 4


def test_in_float16_biases_follow_the_weights_of_their_layer() -> None:
    result, report = run(layer_spec("innerProduct"), 16)
    assert record_of(report, "bias").mode == "float16"
    assert record_of(report, "bias").reason == "as the layer's other floats"
    assert {encoding_of(field.params) for field in iter_weight_fields(result)} == {Encoding.FLOAT16}


@pytest.mark.parametrize(
    ("value", "words"), [(70000.0, "beyond float16"), (-1e30, "beyond float16"), (3e-6, "too small")]
)
def test_layers_that_float16_cannot_hold_stay_float32(value: float, words: str) -> None:
    spec = network_spec(lambda network: [add_layer(network, "innerProduct", name=name) for name in "ab"])
    weights = spec.neuralNetwork.layers[0].innerProduct.weights
    for index in range(len(weights.floatValue)):
        weights.floatValue[index] = value
    _, report = run(spec, 16)
    assert [record.bits_after for record in report.records] == [32, 32, 16, 16]
    assert all(words in record.reason and "weights" in record.reason for record in report.records[:2])


@pytest.mark.parametrize("scale", [1e-4, 1e-30, 1e30])
@pytest.mark.parametrize("mode", MODES)
def test_the_scale_of_the_weights_does_not_matter(scale: float, mode: str) -> None:
    _, report = run(layer_spec("convolution", scale=scale, seed=5), 8, mode, only_if_smaller=False)
    record = record_of(report, "weights")
    # What the same weights of scale 1 give; 0.1 dB for the rounding of scales.
    _, unit = run(layer_spec("convolution", scale=1.0, seed=5), 8, mode, only_if_smaller=False)
    assert record.sqnr_db == pytest.approx(record_of(unit, "weights").sqnr_db, abs=0.1)
    assert record.sqnr_db is not None and record.sqnr_db > 38


def test_per_tensor_or_per_channel_scales() -> None:
    spec = layer_spec("convolution")
    per_channel, _ = run(spec, 4, "linear")
    per_tensor, _ = run(spec, 4, "linear", per_channel=False)
    scales = [
        len(s.neuralNetwork.layers[0].convolution.weights.quantization.linearQuantization.scale)
        for s in (per_channel, per_tensor)
    ]
    assert scales == [8, 1]


@pytest.mark.parametrize(("groups", "scales"), [(1, 6), (2, 1)])
def test_deconvolution_scales_lie_along_the_second_axis(groups: int, scales: int) -> None:
    sizes = {
        "outputChannels": 6,
        "kernelChannels": 4,
        "kernelSize": [3, 3],
        "isDeconvolution": 1,
        "nGroups": groups,
    }
    spec = layer_spec("convolution", sizes=sizes, shapes={"weights": (4, 6 // groups, 3, 3)})
    weights = find_field(spec.neuralNetwork.layers[0].convolution, "weights")
    values = np.array(weights.floatValue, np.float32).reshape(4, 6 // groups, 3, 3)
    values *= np.logspace(0, 5, 6 // groups, dtype=np.float32)[None, :, None, None]
    weights.floatValue[:] = values.ravel()
    result, report = run(spec, 8, "linear", only_if_smaller=False)
    stored = result.neuralNetwork.layers[0].convolution.weights
    assert len(stored.quantization.linearQuantization.scale) == scales
    if groups == 1:
        # Each channel has its own range, so the smallest keeps its precision beside one 1e5 times as large.
        decoded = next(iter(values_of(result).values()))
        error = np.abs(decoded - values).max(axis=(0, 2, 3)) / np.abs(values).max(axis=(0, 2, 3))
        assert error.max() < 1 / 255, error
    assert report.changed


def test_pipelines_and_nested_networks_are_quantized_and_versions_raised() -> None:
    for kind in ("pipeline", "pipelineClassifier", "pipelineRegressor"):
        spec = pipeline_spec(kind)
        result, report = run(spec, 8)
        assert [(r.stage, r.layer, r.weight, r.bits_after) for r in report.records] == [
            ("features", "conv", "weights", 8),
            ("features", "conv", "bias", 32),
            ("rest/classifier", "fc", "weights", 8),
            ("rest/classifier", "fc", "bias", 32),
        ]
        versions = {"/".join(path): model.specificationVersion for path, model in iter_models(result)}
        assert versions == {"": 3, "features": 3, "rest": 3, "rest/scaler": 1, "rest/classifier": 3}
    _, report = run(network_spec(nested_network), 8)
    assert [(r.layer, r.bits_after) for r in report.records if r.weight == "weights"] == [
        ("if", 8),
        ("condition", 8),
        ("body", 8),
    ]


def test_only_stages_that_change_become_newer() -> None:
    result, _ = run(pipeline_spec(), 16, selector=lambda layer, weight: layer == "conv")
    versions = {"/".join(path): model.specificationVersion for path, model in iter_models(result)}
    assert versions == {"": 2, "features": 2, "rest": 1, "rest/scaler": 1, "rest/classifier": 1}


def test_versions_are_never_lowered() -> None:
    spec = layer_spec("innerProduct")
    spec.specificationVersion = 5
    result, _ = run(spec, 8)
    assert result.specificationVersion == 5
    back, _ = run(result, None, "dequantization")
    assert back.specificationVersion == 5


@pytest.mark.parametrize("mode", MODES)
def test_dequantization_gives_the_values_that_the_codes_stand_for(mode: str) -> None:
    spec = network_spec(every_layer)
    quantized, _ = run(spec, 5, mode, include_biases=True, include_normalization=True, only_if_smaller=False)
    back, report = run(quantized, None, "dequantization")
    for field in iter_weight_fields(back):
        assert encoding_of(field.params) is Encoding.FLOAT32
    expected = values_of(quantized)
    for key, values in values_of(back).items():
        np.testing.assert_array_equal(values, expected[key], err_msg=str(key))
    assert all(record.sqnr_db == np.inf for record in report.changed)
    again, nothing = run(back, 8, "dequantization")
    assert not nothing.changed
    assert again == back


def test_float16_becomes_float32_again() -> None:
    spec = layer_spec("gru", half=True)
    spec.specificationVersion = 2
    back, _ = run(spec, 32, "dequantization", selector=lambda layer, weight: weight == "updateGateWeightMatrix")
    # The whole layer follows: Core ML refuses float32 beside float16.
    assert {encoding_of(field.params) for field in iter_weight_fields(back)} == {Encoding.FLOAT32}


@pytest.mark.parametrize("start", ["float16", "linear", "kmeans"])
def test_weights_already_in_fewer_bits_are_quantized_further(start: str) -> None:
    spec = layer_spec("convolution", sizes=None, seed=3)
    middle, _ = run(
        spec,
        16 if start == "float16" else 8,
        "linear" if start == "float16" else start,
        only_if_smaller=False,
    )
    for mode in MODES:
        result, report = run(middle, 4, mode)
        record = record_of(report, "weights")
        assert record.bits_before == (16 if start == "float16" else 8)
        assert record.bits_after == 4
        direct, _ = run(spec, 4, mode)
        key = ("the convolution", "weights")
        original = values_of(spec)[key]
        error, best = (np.sum((values_of(s)[key] - original) ** 2) for s in (result, direct))
        # The 8-bit error (some 40 dB) hardly adds to the 4-bit one (some 17 dB).
        assert error < 1.05 * best


def test_what_is_already_stored_that_way_is_left() -> None:
    spec = layer_spec("innerProduct", seed=2)
    for nbits, mode, others in (
        (4, "linear", ()),
        (4, "linear_symmetric", ("linear",)),
        (4, "kmeans", ("linear_lut",)),
        (16, "linear", ("kmeans",)),
    ):
        once, _ = run(spec, nbits, mode, only_if_smaller=False)
        for again in (mode, *others):
            twice, report = run(once, nbits, again, only_if_smaller=False)
            assert twice == once
            assert record_of(report, "weights").reason.startswith("already ")
    linear, _ = run(spec, 4, "linear")
    changed, report = run(linear, 4, "linear_symmetric", only_if_smaller=False)
    assert record_of(report, "weights").mode == "linear_symmetric"
    per_tensor, report = run(linear, 4, "linear", per_channel=False)
    assert record_of(report, "weights").mode == "linear"
    assert changed != linear != per_tensor


def test_weights_that_would_not_shrink_are_left() -> None:
    spec = layer_spec("innerProduct", sizes={"inputChannels": 4, "outputChannels": 60}, shapes={"weights": (60, 4)})
    _, report = run(spec, 8, "kmeans")
    assert record_of(report, "weights").reason == "would not get smaller"  # 240 + 1024 bytes for 960
    _, report = run(spec, 8, "kmeans", only_if_smaller=False)
    assert record_of(report, "weights").mode == "kmeans"
    _, report = run(spec, 8, "linear")
    assert record_of(report, "weights").bytes_after == 240 + 60 * 8
    wider, _ = run(layer_spec("innerProduct"), 4)
    _, report = run(wider, 8)
    assert record_of(report, "weights").reason == "would not get smaller"
    _, report = run(wider, 16)
    assert record_of(report, "weights").reason == "would not get smaller"


def test_as_many_bytes_as_now_are_not_fewer() -> None:
    codes, _ = run(layer_spec("loadConstantND", sizes={"shape": [32, 32]}, shapes={"data": (32, 32)}), 8, "kmeans")
    _, report = run(codes, 16)  # 1024 codes and a table of 256 floats, against 1024 halves
    assert (report.records[0].bytes_before, report.records[0].reason) == (2048, "would not get smaller")


@pytest.mark.parametrize("chosen", ["alpha", "beta"])
def test_both_parameters_of_a_softplus_change_or_neither(chosen: str) -> None:
    def selector(layer: str, weight: str) -> bool:
        return weight.endswith(chosen)

    spec = layer_spec("activation")
    result, report = run(spec, 8, selector=selector)
    assert result.neuralNetwork == spec.neuralNetwork
    assert sorted(report.reasons) == [
        "alpha and beta are stored alike, and one of them stays",
        "not selected",
    ]
    halves, _ = run(spec, 16, selector=selector)
    assert {encoding_of(field.params) for field in iter_weight_fields(halves)} == {Encoding.FLOAT16}


def test_a_float_that_must_stay_keeps_its_whole_layer() -> None:
    spec = layer_spec("innerProduct")
    spec.neuralNetwork.layers[0].innerProduct.bias.isUpdatable = True
    _, report = run(spec, 16)
    assert not report.changed
    assert "bias stays: Core ML trains it on the device" in record_of(report, "weights").reason


def test_a_prelu_of_unknown_length_is_left_where_the_codes_would_not_tell_it() -> None:
    def spec_of(size: int) -> Any:
        return layer_spec("activation", shapes={"PReLU.alpha": (size,)})

    _, report = run(spec_of(63), 3, only_if_smaller=False)
    assert record_of(report, "PReLU.alpha").reason == "its length could not be told from codes of 3 bits"
    for size, nbits in ((64, 3), (63, 8), (63, 16)):
        result, report = run(spec_of(size), nbits, only_if_smaller=False)
        assert record_of(report, "PReLU.alpha").mode
        (field,) = iter_weight_fields(result)
        assert field.shape == (size,)


def test_layers_trained_on_the_device_stay_float32() -> None:
    spec = network_spec(lambda network: [add_layer(network, "innerProduct", name=name) for name in "ab"])
    spec.isUpdatable = True
    layer = spec.neuralNetwork.layers[1]
    layer.isUpdatable = True
    layer.innerProduct.weights.isUpdatable = layer.innerProduct.bias.isUpdatable = True
    result, report = run(spec, 8, include_biases=True, only_if_smaller=False)
    assert [record.bits_after for record in report.records] == [8, 8, 32, 32]
    assert result.neuralNetwork.layers[1] == layer
    _, report = run(spec, 16)
    assert not report.changed  # coremltools refuses float16 in any layer of an updatable model


def test_int8_weights_and_custom_layers_are_left() -> None:
    spec = layer_spec("innerProduct")
    weights = spec.neuralNetwork.layers[0].innerProduct.weights
    weights.ClearField("floatValue")
    weights.int8RawValue = bytes(400)
    weights.quantization.numberOfBits = 8
    weights.quantization.linearQuantization.scale.append(0.1)
    result, report = quantize_spec(spec, QuantizationConfig(4, "linear"))
    assert record_of(report, "weights").reason == "int8 weights of a dynamically quantized layer"
    assert record_of(report, "weights").bytes_before == 404
    assert result.neuralNetwork == spec.neuralNetwork
    for nbits, mode in ((8, "linear"), (16, "linear"), (None, "dequantization")):
        _, report = run(layer_spec("custom"), nbits, mode)
        assert record_of(report, "weights[0]").reason == "a custom layer reads these bytes itself"


def test_a_selector_chooses() -> None:
    spec = network_spec(every_layer)
    asked = []

    def selector(layer: str, weight: str) -> bool:
        asked.append((layer, weight))
        return layer == "the gru" and "Recursion" in weight

    _, report = run(spec, 8, selector=selector, only_if_smaller=False)
    assert {record.weight for record in report.changed} == {
        f"{gate}GateRecursionMatrix" for gate in ("update", "reset", "output")
    }
    assert ("the convolution", "weights") in asked
    assert record_of(report, "weights", "the convolution").reason == "not selected"


def test_a_user_function_makes_the_table() -> None:
    def signs(nbits: int, weights: np.ndarray) -> tuple[list[float], np.ndarray]:
        assert weights.shape == (8, 6, 3, 3)
        assert weights.dtype == np.float32
        return [-0.1, 0.1], (weights > 0).astype(int)

    spec = layer_spec("convolution")
    result, report = run(spec, 1, "custom_lut", lut_function=signs)
    decoded = values_of(result)[("the convolution", "weights")]
    original = values_of(spec)[("the convolution", "weights")]
    np.testing.assert_array_equal(decoded, np.where(original > 0, np.float32(0.1), np.float32(-0.1)))
    assert record_of(report, "weights").mode == "custom_lut"


@pytest.mark.parametrize(
    "answer",
    [
        ([0.0], [0] * 432),  # a table too short for 2 bits
        ([0.0, 1, 2, 3], [0] * 431),  # a code too few
        ([0.0, 1, 2, 3], [4] * 432),  # beyond the table
        ([0.0, 1, 2, np.nan], [0] * 432),
        ([0.0, 1, 2, 3], [0.5] * 432),
        None,
    ],
)
def test_bad_tables_name_the_layer_and_weight(answer: Any) -> None:
    with pytest.raises(QuantizationError, match=r"layer 'the convolution', weights"):
        run(layer_spec("convolution"), 2, "custom_lut", lut_function=lambda nbits, weights: answer)


def test_a_failing_table_function_is_told() -> None:
    def fail(nbits: int, weights: np.ndarray) -> tuple[Any, Any]:
        raise KeyError("oh")

    with pytest.raises(QuantizationError, match="the convolution"):
        run(layer_spec("convolution"), 2, "custom_lut", lut_function=fail)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("nbits", "mode"), [(8, "linear"), (4, "kmeans"), (16, "linear"), (3, "linear_lut")])
def test_nan_weights_name_the_layer_and_weight(bad: float, nbits: int, mode: str) -> None:
    spec = pipeline_spec()
    network = spec.pipelineClassifier.pipeline.models[1].pipeline.models[1].neuralNetworkClassifier
    network.layers[0].innerProduct.weights.floatValue[7] = bad
    with pytest.raises(QuantizationError) as raised:
        run(spec, nbits, mode)
    assert "stage 'rest', stage 'classifier', layer 'fc', weights" in str(raised.value)
    assert "1 of 400 values" in str(raised.value)


def test_weights_of_the_wrong_size_name_the_layer_and_weight() -> None:
    spec = layer_spec("innerProduct")
    spec.neuralNetwork.layers[0].innerProduct.inputChannels = 39
    with pytest.raises(InvalidModelError, match="layer 'the innerProduct', weights"):
        run(spec, 8)


def test_models_without_networks() -> None:
    spec = new_model()
    spec.specificationVersion = 1
    spec.glmRegressor.offset.append(1.0)
    with pytest.raises(UnsupportedModelError, match="glmRegressor"):
        run(spec, 8)
    with pytest.raises(UnsupportedModelError, match="no neural network"):
        run(new_model(), 8)


def test_a_network_without_weights_comes_back_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    spec = network_spec(lambda network: network.layers.add(name="soft").softmax.SetInParent())
    result, report = run(spec, 8)
    assert result == spec
    assert result is not spec
    assert not report.records
    assert "no weight was changed" in caplog.text


def test_progress_is_told_layer_by_layer() -> None:
    calls: list[tuple[int, int, str]] = []
    quantize_spec(pipeline_spec(), QuantizationConfig(8), progress=lambda *call: calls.append(call))
    assert calls == [(1, 2, "conv"), (2, 2, "fc")]


def test_more_bits_never_lose_more() -> None:
    # min/max rounding is not nested, so single values may get worse; over 400 the power of the error shrinks.
    for mode in MODES:
        lowest = 2 if mode == "linear_symmetric" else 1
        noise = [
            record_of(run(layer_spec("innerProduct"), nbits, mode, only_if_smaller=False)[1], "weights").sqnr_db
            for nbits in range(lowest, 9)
        ]
        assert noise == sorted(noise), (mode, noise)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_core_ml_accepts_whatever_was_asked_for(data: st.DataObject) -> None:
    half = data.draw(st.booleans())
    possible = sorted(set(SHAPES) - {"layerNormalization"} if half else SHAPES)
    kinds = data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3))
    spec = network_spec(
        lambda network: [
            add_layer(network, kind, name=str(index), half=half, seed=index) for index, kind in enumerate(kinds)
        ]
    )
    spec.specificationVersion = 2
    for _ in range(data.draw(st.integers(1, 3))):
        mode = data.draw(st.sampled_from([*MODES, "dequantization"]))
        nbits = data.draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8, 16]))
        chosen = data.draw(st.sets(st.integers(0, 40)))
        names = {(field.layer, field.name) for i, field in enumerate(iter_weight_fields(spec)) if i not in chosen}
        spec, report = run(
            spec,
            nbits,
            mode,
            selector=lambda layer, weight, names=names: (layer, weight) in names,
            include_biases=data.draw(st.booleans()),
            include_normalization=data.draw(st.booleans()),
            only_if_smaller=data.draw(st.booleans()),
            per_channel=data.draw(st.booleans()),
        )
        stored = {(field.layer, field.name): field for field in iter_weight_fields(spec)}
        for record in report.records:
            assert bool(record.mode) or record.reason
            field = stored[record.layer, record.weight]
            assert record.bits_after == bits_per_weight(field.params)
            assert field.shape == record.shape
