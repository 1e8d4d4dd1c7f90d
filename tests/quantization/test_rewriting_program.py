"""ML Programs quantized without coremltools: what is written, what stays, how it runs."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref
from program_zoo import ProgramBuilder, chain, convolution, report_of, sample, values_of

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError
from mltoolkit.formats.ml_program import file_values, iter_operations
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import Job, quantize, read_back
from mltoolkit.quantization.rewriting import open_rewriter


def four_numbers(nbits: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(4) - 1.5, np.clip(weights + 2, 0, 3).astype(np.uint8)


OLD: list[dict[str, Any]] = [
    *({"nbits": 8, "quantization_mode": mode} for mode in ("linear", "linear_symmetric")),
    {"nbits": 8, "signed": False},
    {"nbits": 8, "quantization_mode": "linear_symmetric", "signed": False},
    {"nbits": 8, "per_channel": False},
    *({"nbits": bits, "quantization_mode": "kmeans"} for bits in (1, 2, 4, 6, 8)),
    {"nbits": 6, "quantization_mode": "linear_lut"},
    {"nbits": 2, "quantization_mode": "custom_lut", "lut_function": four_numbers},
    {"nbits": 16},
]
_GROUPS = {"granularity": "per_grouped_channel", "group_size": 4}
NEW: list[dict[str, Any]] = [
    *OLD,
    {"nbits": 3, "quantization_mode": "kmeans"},
    {"nbits": 4},
    {"nbits": 4, "signed": False, "quantization_mode": "linear_symmetric"},
    {"nbits": 4, "granularity": "per_block", "block_size": 4},
    {"nbits": 8, "granularity": "per_block", "block_size": 2, "signed": False},
    {"nbits": 4, "quantization_mode": "kmeans", **_GROUPS},
    {"nbits": 4, "quantization_mode": "linear_lut", **_GROUPS, "group_size": 8, "channel_axis": 0},
    {"nbits": 4, "quantization_mode": "kmeans", "cluster_dim": 2},
    {"nbits": 6, "quantization_mode": "kmeans", "per_channel_scale": True},
    {"nbits": 2, "quantization_mode": "kmeans", **_GROUPS, "cluster_dim": 2, "per_channel_scale": True},
]


def options_id(options: dict[str, Any]) -> str:
    return " ".join(str(value) for value in options.values() if not callable(value))


def kinds(model: mlt.Model) -> set[str]:
    functions = model.spec.mlProgram.functions.values()
    blocks = [block for function in functions for block in function.block_specializations.values()]
    return {operation.type for block in blocks for operation in iter_operations(block)}


def check_runs_like_its_weights(small: mlt.Model, tolerance: float) -> None:
    """The compressed model computes what it computes with the same weights stored in full."""
    full = mlt.quantize_weights(small, None, "dequantization")
    assert not any(kind.startswith("constexpr_") for kind in kinds(full))
    expected, found = full.predict(sample())["y"], small.predict(sample())["y"]
    difference = float(np.abs(expected - found).max())
    assert difference <= tolerance, f"differs by {difference:g}"


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("opset", "options"),
    [*(("CoreML6", options) for options in OLD), *(("CoreML8", options) for options in NEW)],
    ids=lambda value: options_id(value) if isinstance(value, dict) else value,
)
def test_every_form_is_written_as_decided_and_runs(opset: str, options: dict[str, Any], half: bool) -> None:
    source = chain(opset, half=half)
    config = QuantizationConfig(**{**options, "only_if_smaller": False})
    rewriter = open_rewriter(source)
    expected: dict[str, np.ndarray] = {}
    for slot in rewriter.slots:
        form = config.form(slot)
        if slot.role != "weight" or rewriter.obstacle(slot, form):
            continue
        job = Job(rewriter.values(slot), form, slot, config.lut_function)
        stored = quantize(config.mode, job)
        expected[slot.key] = read_back(stored, job)
        assert rewriter.write(slot, stored) == rewriter.size(slot, form), slot.where
    small = rewriter.finish()
    found = open_rewriter(small)
    again = {slot.key: slot for slot in found.slots}
    for key, values in expected.items():
        np.testing.assert_array_equal(found.values(again[key]), values, err_msg=key)
        assert again[key].bits == (16 if half and options["nbits"] == 16 else options["nbits"])
    assert len(expected) >= (0 if half and options["nbits"] == 16 else 3)
    # What scale and code give is no float16, which a float16 program stores in full; it meets tanh of up to 600.
    rounded = half and (config.mode.kind == "linear" or config.per_channel_scale)
    check_runs_like_its_weights(small, 0.1 if rounded else 0.0)


@pytest.mark.parametrize("options", [{"nbits": 8}, {"nbits": 4, "quantization_mode": "kmeans"}], ids=options_id)
def test_what_is_not_touched_stays_byte_for_byte(options: dict[str, Any]) -> None:
    source = chain()
    small = mlt.quantize_weights(source, **options, selector=lambda operation, weight: operation != "mm")
    assert {record.weight for record in report_of(small).skipped} >= {"bias", "y"}
    old, new = values_of(source), values_of(small)
    for record in report_of(small).skipped:
        key = f"{record.layer}.{record.weight}"
        assert old[key].tobytes() == new[key].tobytes(), key
    changed = {f"{record.layer}.{record.weight}" for record in report_of(small).changed}
    assert changed == {"conv.weight", "up.weight", "placed.y", "dense.weight"}
    assert (
        small.spec.description
        == mlt.quantize_weights(source, **options, selector=lambda o, w: o != "mm").spec.description
    )


def test_roles_and_axes() -> None:
    slots = {slot.key: slot for slot in open_rewriter(chain()).slots}
    assert {key: slot.role for key, slot in slots.items()} == {
        **dict.fromkeys(["conv.weight", "up.weight", "placed.y", "mm.y", "dense.weight"], "weight"),
        **dict.fromkeys(["conv.bias", "dense.bias"], "bias"),
    }
    axes = {key: (slot.channel_axis, slot.input_axis) for key, slot in slots.items() if slot.role == "weight"}
    assert axes == {
        "conv.weight": (0, 1),
        "up.weight": (1, 0),
        "placed.y": (0, 1),
        "mm.y": (1, 0),
        "dense.weight": (0, 1),
    }
    assert slots["mm.y"].aliases == ("mm_y",)


@pytest.mark.parametrize("mode", ["linear", "kmeans"])
def test_biases_and_one_axis_stay(mode: str) -> None:
    small = mlt.quantize_weights(chain(), 8, mode, include_biases=True, only_if_smaller=False)
    reasons = {record.weight: record.reason for record in report_of(small).skipped}
    assert reasons == {"bias": "Core ML fails on compressed weights of one axis"}


@pytest.mark.parametrize(
    ("opset", "options", "match"),
    [
        ("CoreML5", {"nbits": 8}, "iOS15.*minimum_deployment_target='iOS16'"),
        ("CoreML6", {"nbits": 4}, "4 bits, only of 8.*minimum_deployment_target='iOS18' or the mode 'linear_lut'"),
        ("CoreML6", {"nbits": 3, "quantization_mode": "kmeans"}, "3 bits, only of 1, 2, 4, 6, 8.*iOS18"),
        ("CoreML6", {"nbits": 5, "quantization_mode": "kmeans"}, "only of 1, 2, 4, 6, 8.*nbits=4 or nbits=6"),
        ("CoreML8", {"nbits": 7, "quantization_mode": "kmeans"}, "only of 1, 2, 3, 4, 6, 8.*nbits=6 or nbits=8"),
        ("CoreML8", {"nbits": 6}, "only of 4, 8.*linear_lut"),
        ("CoreML8", {"nbits": 5}, "only of 4, 8.*nbits=4"),
        ("CoreML6", {"nbits": 8, "granularity": "per_block"}, "a scale for each block.*iOS18"),
        ("CoreML7", {"nbits": 4, "quantization_mode": "kmeans", "cluster_dim": 2}, "iOS17.*vectors.*iOS18"),
        ("CoreML7", {"nbits": 4, "quantization_mode": "kmeans", "per_channel_scale": True}, "scale for each channel"),
        (
            "CoreML7",
            {"nbits": 4, "quantization_mode": "kmeans", "granularity": "per_grouped_channel"},
            "each group of channels",
        ),
    ],
)
def test_what_a_system_lacks_is_said_with_a_way_out(opset: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        mlt.quantize_weights(chain(opset), **options)
    nothing = mlt.quantize_weights(chain(opset), **options, selector=lambda operation, weight: False)
    assert not report_of(nothing).changed


def test_blocks_and_groups_that_do_not_fit_are_reasons() -> None:
    source = chain("CoreML8")
    blocks = mlt.quantize_weights(source, 4, granularity="per_block", block_size=5, only_if_smaller=False)
    assert any("cannot be cut into blocks of 5" in record.reason for record in report_of(blocks).skipped)
    groups = mlt.quantize_weights(source, 4, "kmeans", granularity="per_grouped_channel", group_size=3)
    assert any("no multiple of the group's 3" in record.reason for record in report_of(groups).skipped)
    axes = mlt.quantize_weights(source, 8, granularity="per_block", block_size=[0, 4], only_if_smaller=False)
    reasons = {f"{record.layer}.{record.weight}": record.reason for record in report_of(axes).skipped}
    assert "2 sizes and the weight 4 axes" in reasons["conv.weight"]
    assert "dense.weight" not in reasons


def test_a_minimum_target_raises_the_program_and_nothing_else_does() -> None:
    source = chain()
    small = mlt.quantize_weights(source, 4, minimum_deployment_target="iOS18")
    function = small.spec.mlProgram.functions["main"]
    assert (small.spec.specificationVersion, function.opset) == (9, "CoreML8")
    assert set(function.block_specializations) == {"CoreML8"}
    same = mlt.quantize_weights(source, 8, minimum_deployment_target="macOS12")
    assert (same.spec.specificationVersion, same.spec.mlProgram.functions["main"].opset) == (7, "CoreML6")
    assert source.spec.specificationVersion == 7
    with pytest.raises(ArgumentError, match="Did you mean 'iOS18'"):
        mlt.quantize_weights(source, 4, minimum_deployment_target="ios18")


@pytest.mark.parametrize(
    "options", [{"nbits": 6, "quantization_mode": "kmeans"}, {"nbits": 16}, {"nbits": 8}], ids=options_id
)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_raising_keeps_old_forms_value_by_value(options: dict[str, Any], half: bool) -> None:
    old = mlt.quantize_weights(chain(half=half), **options, only_if_smaller=False)
    new = mlt.quantize_weights(
        old, 8, minimum_deployment_target="iOS18", selector=lambda operation, weight: operation == "no such one"
    )
    assert new.spec.specificationVersion == 9
    before, after = values_of(old), values_of(new)
    assert all(np.array_equal(before[key], after[key]) for key in before)
    np.testing.assert_array_equal(new.predict(sample())["y"], old.predict(sample())["y"])


def test_a_program_that_means_something_else_there_is_not_raised() -> None:
    build = ProgramBuilder("CoreML6")
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp32")
    last = build.flag("indices", np.int32([-1, 0]))
    x = build.add("gather", "taken", (1, 2, 12, 12), x=x, indices=last, axis=np.int32(1))
    model = build.finish(x, (1, 2, 12, 12))
    with pytest.raises(ArgumentError, match=r"negative indices.*'taken'"):
        open_rewriter(model, minimum_deployment_target="iOS17")
    assert open_rewriter(model, minimum_deployment_target="iOS16").slots == ()


def two_functions() -> mlt.Model:
    """Functions ``main`` and ``other`` that share every weight."""
    model = chain()
    spec = model.spec
    spec.mlProgram.functions["other"].CopyFrom(spec.mlProgram.functions["main"])
    for name in ("main", "other"):
        described = spec.description.functions.add(name=name)
        described.input.extend(spec.description.input)
        described.output.extend(spec.description.output)
    del spec.description.input[:], spec.description.output[:]
    spec.description.defaultFunctionName = "main"
    return mlt.Model(spec, weights_dir=model.weights)


@pytest.mark.parametrize("options", [{"nbits": 8}, {"nbits": 4, "quantization_mode": "kmeans"}], ids=options_id)
def test_functions_share_a_weight_before_and_after(options: dict[str, Any]) -> None:
    source = two_functions()
    one = mlt.quantize_weights(chain(), **options)
    small = mlt.quantize_weights(source, **options)
    assert len(report_of(small).records) == len(report_of(one).records)
    assert len(small.weights.file("@model_path/weights/weight.bin")) == len(
        one.weights.file("@model_path/weights/weight.bin")
    )
    for function in ("main", "other"):
        found = mlt.load(small, function_name=function).predict(sample())["y"]
        np.testing.assert_array_equal(found, one.predict(sample())["y"])
    places = [(blob.fileName, blob.offset) for _, blob in file_values(small.spec.mlProgram)]
    assert len(places) == 2 * len(set(places))
    again = mlt.quantize_weights(small, 2, "kmeans")  # compressed weights are shared too
    assert len(report_of(again).records) == len(report_of(one).records)


def test_a_bias_is_replaced_in_every_function_and_added_where_there_is_none() -> None:
    source = two_functions()
    rewriter = open_rewriter(source)
    slots = {slot.key: slot for slot in rewriter.slots}
    assert rewriter.bias_slot(slots["dense.weight"]) == slots["dense.bias"]
    assert rewriter.bias_slot(slots["up.weight"]) is None
    assert rewriter.write_bias(slots["dense.weight"], np.full(16, 3.0)) == ""
    assert rewriter.bias_channels(slots["up.weight"]) == 4
    assert rewriter.write_bias(slots["up.weight"], np.arange(4.0)) == ""
    assert "no bias" in rewriter.write_bias(slots["mm.y"], np.zeros(32))
    assert "16 values" in rewriter.write_bias(slots["conv.weight"], np.zeros(3))
    changed = rewriter.finish()
    assert np.array_equal(values_of(changed)["dense.bias"], np.full(16, 3.0, dtype=np.float32))
    for function in changed.spec.mlProgram.functions.values():
        (block,) = function.block_specializations.values()
        (up,) = [operation for operation in block.operations if operation.type == "conv_transpose"]
        assert up.inputs["bias"].arguments[0].name.startswith("up_bias")
    found = mlt.load(changed, function_name="other").predict(sample())["y"]
    assert np.abs(found - source.predict(sample())["y"]).max() > 0.1


def test_the_bias_of_a_grouped_convolution_in_float16() -> None:
    build = ProgramBuilder(half=True)
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp16")
    model = build.finish(convolution(build, x, groups=2, bias=False), (1, 16, 12, 12))
    rewriter = open_rewriter(model)
    (slot,) = rewriter.slots
    shift = np.linspace(-2, 2, 16)
    assert rewriter.write_bias(slot, shift) == ""
    moved = rewriter.finish().predict(sample())["y"] - model.predict(sample())["y"]
    np.testing.assert_allclose(moved[0, :, 5, 5], shift, atol=2e-3)  # float16 of the bias
    assert "cannot hold" in open_rewriter(model).write_bias(slot, np.full(16, 1e5))


def test_the_new_weight_file_goes_with_the_model_and_is_saved(tmp_path: Path) -> None:
    small = mlt.quantize_weights(chain(), 8)
    folder = small.weights_dir
    assert folder is not None and folder.is_dir()
    small.save(tmp_path / "small.mlpackage")
    loaded = mlt.load(tmp_path / "small.mlpackage")
    np.testing.assert_array_equal(loaded.predict(sample())["y"], small.predict(sample())["y"])
    files = [file for file in (tmp_path / "small.mlpackage").rglob("*.*") if file.suffix in (".mlmodel", ".bin")]
    size = sum(file.stat().st_size for file in files)
    assert report_of(small).model_bytes_after == size
    del small
    gc.collect()
    assert not folder.exists()


def test_settings_are_read_back_and_give_the_same_bytes(tmp_path: Path) -> None:
    source = chain()
    source.save(tmp_path / "source.mlpackage")
    settings = {
        "defaults": {"mode": "kmeans", "nbits": 4},
        "layers": {"conv": {"nbits": 3}, "mm": {"skip": True}},
        "layer_types": {"linear": {"mode": "linear", "nbits": 4, "granularity": "per_block", "block_size": [0, 8]}},
        "weights": {"placed.y": {"nbits": 6, "granularity": "per_grouped_channel", "group_size": 4, "channel_axis": 1}},
        "minimum_deployment_target": "iOS18",
    }
    first = mlt.quantize_weights(tmp_path / "source.mlpackage", None, settings=settings, only_if_smaller=False)
    recorded = mlt.quantization_settings(first)
    assert recorded is not None and recorded.minimum_deployment_target == "iOS18"
    second = mlt.quantize_weights(tmp_path / "source.mlpackage", None, settings=recorded)
    for name, model in (("first", first), ("second", second)):
        model.save(tmp_path / f"{name}.mlpackage")
    for file in sorted((tmp_path / "first.mlpackage").rglob("*")):
        if file.is_file():
            other = tmp_path / "second.mlpackage" / file.relative_to(tmp_path / "first.mlpackage")
            assert file.read_bytes() == other.read_bytes(), file.name
    bits = {f"{r.layer}.{r.weight}": r.bits_after for r in report_of(first).changed}
    assert bits == {"conv.weight": 3, "up.weight": 4, "placed.y": 6, "dense.weight": 4}


def test_nothing_to_do_keeps_the_files_that_there_are() -> None:
    source = chain()
    same = mlt.quantize_weights(source, 8, selector=lambda operation, weight: False)
    assert same.weights is source.weights
    assert same.spec == source.spec


def test_selectors_of_coremltools_are_for_networks() -> None:
    with pytest.raises(ArgumentError, match="function such as"):
        mlt.quantize_weights(chain(), 8, selector=mlt.QuantizedLayerSelector())
