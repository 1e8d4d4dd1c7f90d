"""Settings for single weights: which entry holds, what is refused, and that a model says how it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_zoo import add_layer, network_spec, pipeline_spec

import mltoolkit as mlt
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError, InvalidModelError, ModelFileError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.quantize_spec import quantize_spec, rewrite_weights
from mltoolkit.quantization.rewriting_spec import SpecRewriter
from mltoolkit.quantization.settings import OPTIONS, QuantizationSettings
from mltoolkit.quantization.settings_record import METADATA_KEY, settings_of


def spec_of_four() -> Any:
    def fill(network: Any) -> None:
        add_layer(network, "convolution", name="conv_1")
        add_layer(network, "convolution", name="conv_2")
        add_layer(network, "innerProduct", name="dense")
        add_layer(network, "gru", name="twice")

    return network_spec(fill)


def stored(settings: Any, nbits: int | None = 8, mode: str = "linear", **options: Any) -> dict[str, str]:
    """layer.weight → mode and bits."""
    config = QuantizationConfig(nbits, mode, settings=QuantizationSettings.of(settings), **options)
    _, report = quantize_spec(spec_of_four(), config)
    return {f"{r.layer}.{r.weight}": f"{r.mode} {r.bits_after}" for r in report.records if r.mode}


def test_the_special_beats_the_general() -> None:
    settings = {
        "defaults": {"nbits": 6},
        "layer_types": {"innerProduct": {"nbits": 5}, "gru": {"skip": True}},
        "layers": {"conv_2": {"nbits": 2}, "conv*": {"mode": "kmeans", "nbits": 4}},
        "weights": {"twice.updateGate?*Matrix": {"nbits": 7}, "conv_1.bias": {"include_biases": True}},
    }
    assert stored(settings, only_if_smaller=False) == {
        "conv_1.weights": "kmeans 4",
        "conv_1.bias": "kmeans 4",
        "conv_2.weights": "kmeans 2",
        "dense.weights": "linear 5",
        "twice.updateGateWeightMatrix": "linear 7",
        "twice.updateGateRecursionMatrix": "linear 7",
    }


def test_of_patterns_the_last_holds_and_a_skip_is_final() -> None:
    settings = {
        "defaults": {"skip": True},
        "layers": {"conv_?": {"nbits": 3}, "c*": {"nbits": 4}, "conv_2": {"skip": True}},
    }
    assert stored(settings) == {"conv_1.weights": "linear 4"}


def test_what_settings_do_not_say_the_arguments_say() -> None:
    assert stored({"layers": {"dense": {"nbits": 16}}}, 4, "kmeans", selector=lambda layer, _: layer == "dense") == {
        "dense.weights": "float16 16",
        "dense.bias": "float16 16",
    }


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"default": {}}, "Did you mean 'defaults'"),
        ({"defaults": {"nbit": 4}}, "Did you mean 'nbits'"),
        ({"layers": {"conv_3": {"nbits": 4}}}, "'conv_3'.*Did you mean 'conv_"),
        ({"layers": {"none*": {"nbits": 4}}}, r"'none\*'"),
        ({"weights": {"dense.weight": {"nbits": 4}}}, "Did you mean 'dense.weights'"),
        ({"layer_types": {"convolutions": {"nbits": 4}}}, "Did you mean 'convolution'"),
        ({"layers": {"dense": {"nbits": 9}}}, "9 bits.*dense"),
        ({"layers": {"dense": {"mode": "kmean"}}}, "kmeans.*"),
        ({"layers": {"dense": {"skip": 1}}}, "skip"),
        ({"layers": {"dense": 4}}, "dictionary"),
        ({"layers": 4}, "layers"),
        ({"method": 4}, "method"),
        ([], "dictionary"),
        ("{", "no JSON"),
    ],
)
def test_mistakes_are_named(settings: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        stored(settings)


def test_no_number_of_bits_at_all() -> None:
    with pytest.raises(ArgumentError, match="nbits"):
        stored({"layers": {"conv_1": {"nbits": 4}}}, None)
    assert stored({"defaults": {"skip": True}, "layers": {"conv_1": {"nbits": 4}}}, None) == {
        "conv_1.weights": "linear 4"
    }


def test_a_file_and_its_text_and_a_dictionary_are_the_same(tmp_path: Path) -> None:
    content = {"defaults": {"nbits": 4}, "layers": {"a*": {"skip": True}}, "details": {"seed": 3}}
    settings = QuantizationSettings.from_dict(content)
    text = settings.to_json(tmp_path / "settings.json")
    for source in (text, tmp_path / "settings.json", str(tmp_path / "settings.json"), content, settings):
        assert QuantizationSettings.of(source) == settings
    assert settings.to_dict() == {**content, "method": "data-free"}
    with pytest.raises(ModelFileError):
        QuantizationSettings.from_json(tmp_path / "none.json")


_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "nbits": st.integers(2, 8),
        "mode": st.sampled_from(["linear", "kmeans", "linear_lut", "linear_symmetric"]),
        "per_channel": st.booleans(),
        "skip": st.booleans(),
        "include_biases": st.booleans(),
        "only_if_smaller": st.booleans(),
    },
)
_NAMES = st.sampled_from(["conv_1", "conv_*", "dense", "t*", "*"])


@settings(deadline=None)  # k-means is slow where others use the machine
@given(_VALUES, st.dictionaries(_NAMES, _VALUES, max_size=3), st.integers(2, 8))
def test_what_a_model_records_does_the_same_again(defaults: Any, layers: Any, nbits: int) -> None:
    given_settings = QuantizationSettings(defaults=defaults, layers=layers)
    assert QuantizationSettings.from_json(given_settings.to_json()) == given_settings
    source = spec_of_four()
    recorded, made = [], []
    for chosen in (given_settings, None):
        rewriter = SpecRewriter(source)
        config = QuantizationConfig(nbits, settings=chosen or recorded[0])
        _, decisions = rewrite_weights(rewriter, config)
        short = settings_of(decisions, rewriter=rewriter)
        assert len(short.to_json()) <= len(settings_of(decisions).to_json())
        recorded.append(QuantizationSettings.from_json(short.to_json()))
        made.append(rewriter.finish_spec().SerializeToString(deterministic=True))
    assert made[0] == made[1]
    assert recorded[0] == recorded[1]


def test_equal_settings_of_all_weights_are_said_once() -> None:
    small = mlt.quantize_weights(digit_model_path(), 4, "kmeans")
    settings = mlt.quantization_settings(small)
    assert settings is not None
    assert settings.to_dict() == {"method": "data-free", "defaults": {"mode": "kmeans", "nbits": 4}}


def test_layers_of_one_name_are_told_apart_by_their_place() -> None:
    spec = network_spec(lambda network: [add_layer(network, "innerProduct", name="same") for _ in range(2)])
    rewriter = SpecRewriter(spec)
    config = QuantizationConfig(4, settings=QuantizationSettings(weights={"#0": {"nbits": 2}}))
    _, decisions = rewrite_weights(rewriter, config)
    assert set(settings_of(decisions).weights) == {"#0", "#2"}
    assert [decision.form.nbits for decision in decisions if decision.form] == [2, 4]


def test_stages_of_pipelines_are_named() -> None:
    rewriter = SpecRewriter(pipeline_spec())
    slot = next(slot for slot in rewriter.slots if slot.role == "weight" and slot.stage)
    settings = QuantizationSettings(defaults={"skip": True}, layers={f"{slot.stage}/{slot.layer}": {"nbits": 4}})
    _, decisions = rewrite_weights(rewriter, QuantizationConfig(None, settings=settings))
    changed: list[Decision] = [decision for decision in decisions if decision.form]
    assert changed and {decision.slot.stage for decision in changed} == {slot.stage}


def test_the_saved_model_says_how_it_was_made(tmp_path: Path) -> None:
    path = digit_model_path()
    small = mlt.quantize_weights(path, 4, "kmeans", settings={"layers": {"*": {"nbits": 5}}})
    small.save(tmp_path / "small.mlmodel")
    settings = mlt.quantization_settings(tmp_path / "small.mlmodel")
    assert settings is not None and settings.method == "data-free"
    again = mlt.quantize_weights(path, None, settings=settings)
    again.save(tmp_path / "again.mlmodel")
    assert (tmp_path / "again.mlmodel").read_bytes() == (tmp_path / "small.mlmodel").read_bytes()
    assert json.loads(small.spec.description.metadata.userDefined[METADATA_KEY])["mltoolkit"] == mlt.__version__
    assert mlt.quantization_settings(path) is None


def test_a_damaged_record_is_told() -> None:
    spec = new_model()
    spec.CopyFrom(mlt.load(digit_model_path()).spec)
    spec.description.metadata.userDefined[METADATA_KEY] = "[1"
    with pytest.raises(InvalidModelError, match=METADATA_KEY):
        mlt.quantization_settings(spec)


def test_every_option_of_settings_is_an_argument_of_the_call() -> None:
    import inspect

    arguments = set(inspect.signature(mlt.quantize_weights).parameters)
    assert set(OPTIONS) - {"mode"} <= arguments


@pytest.mark.parametrize("count", [1, 2, 3, 16, 200, 256])
def test_a_weight_of_few_values_is_kept_exactly(count: int) -> None:
    spec = network_spec(lambda network: add_layer(network, "innerProduct", name="dense", shapes={"weights": (10, 40)}))
    values = np.random.default_rng(count).integers(0, count, (10, 40)).astype(np.float32) * 0.37
    message = spec.neuralNetwork.layers[0].innerProduct
    message.hasBias = False
    del message.weights.floatValue[:]
    message.weights.floatValue.extend(values.reshape(-1).tolist())
    result, report = quantize_spec(spec, QuantizationConfig(None, "unique", only_if_smaller=False))
    (record,) = report.changed
    assert record.sqnr_db == np.inf
    assert record.bits_after == max(1, int(np.ceil(np.log2(np.unique(values).size))))
    (slot,) = SpecRewriter(result).slots
    np.testing.assert_array_equal(SpecRewriter(result).values(slot), values)


def test_a_weight_of_many_values_stays() -> None:
    spec = network_spec(lambda network: add_layer(network, "convolution"))
    _, report = quantize_spec(spec, QuantizationConfig(None, "unique"))
    assert "432 different values, more than tables of 8 bits" in report.reasons_text


def test_a_mode_that_is_no_text_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no quantization mode"):
        mlt.quantize_weights(digit_model_path(), 8, settings={"defaults": {"mode": ["kmeans"]}})
