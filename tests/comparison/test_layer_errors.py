"""Per-layer errors: planted faults are found, and the figures are those of the activations themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_ml_pipelines import RGB, add_array, add_picture, mixing, pictures

import mltoolkit as mlt
from mltoolkit.comparison import LayerReport, compare_layers, snr_db
from mltoolkit.comparison.name_matching import match_names
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError, ComparisonError, InputError
from mltoolkit.formats.array_shapes import same_elements

PICTURES = digit_images_path()


@pytest.fixture(scope="module")
def digits() -> mlt.Model:
    return mlt.load(digit_model_path())


@pytest.fixture(scope="module")
def faulty(digits: mlt.Model) -> mlt.Model:
    """One bit in the third convolution, all else as it was."""
    return mlt.quantize_weights(digits, 1, selector=lambda layer, weight: layer == "conv3")


@pytest.fixture(scope="module")
def fault_report(digits: mlt.Model, faulty: mlt.Model) -> LayerReport:
    return compare_layers(digits, faulty, PICTURES, max_samples=5)


def test_a_planted_fault_is_where_the_error_starts(digits: mlt.Model, fault_report: LayerReport) -> None:
    names = [layer.layer for layer in fault_report.layers]
    assert names == [layer.name for layer in digits.summary().layers]
    fault = names.index("conv3")
    assert all(layer.snr_db == math.inf for layer in fault_report.layers[:fault])
    assert fault_report.starts_at == fault_report.layers[fault], str(fault_report)
    assert str(fault_report).splitlines()[1].startswith("The error starts at conv3 (convolution): ")


def test_only_the_planted_fault_is_wrong_in_isolation(fault_report: LayerReport) -> None:
    fault = next(layer for layer in fault_report.layers if layer.layer == "conv3")
    assert fault.isolated_snr_db == fault.snr_db < fault_report.threshold_db, str(fault_report)
    assert fault_report.worst_isolated == fault
    assert "Worst in itself is conv3 (convolution): " in str(fault_report)
    behind = fault_report.layers[fault_report.layers.index(fault) + 1 :]
    assert all(layer.snr_db < fault_report.threshold_db for layer in behind), str(fault_report)
    # The same operations of the same numbers.
    assert all(layer.isolated_snr_db == math.inf for layer in fault_report.layers if layer != fault), str(fault_report)


def test_the_worst_in_isolation_is_the_fault_among_other_losses(digits: mlt.Model) -> None:
    for layer in ("conv2", "conv3", "dense1"):
        wrong = mlt.quantize_weights(digits, 1, selector=lambda name, weight, layer=layer: name == layer)
        wrong = mlt.quantize_weights(wrong, 4, selector=lambda name, weight, layer=layer: name != layer)
        report = compare_layers(digits, wrong, PICTURES)
        assert report.worst_isolated is not None and report.worst_isolated.layer == layer, str(report)
        quantized = {layer, *(weight.layer for weight in wrong.quantization_report.changed)}
        for found in report.layers:
            assert (found.isolated_snr_db < math.inf) == (found.layer in quantized), str(report)


def test_figures_are_those_of_the_activations(digits: mlt.Model, faulty: mlt.Model, fault_report: LayerReport) -> None:
    paths = [PICTURES / name for name in fault_report.samples]
    a, b = (
        [model.predict_raw({"image": path}, taps=["pool3_out"])["pool3_out"] for path in paths]
        for model in (digits, faulty)
    )
    measured = next(layer for layer in fault_report.layers if layer.output == "pool3_out")
    # Sessions with other outputs fuse other operations: equal up to float32 rounding.
    assert measured.snr_db == pytest.approx(snr_db(np.stack(a), np.stack(b)), abs=1e-4)
    single = [snr_db(x, y) for x, y in zip(a, b, strict=True)]
    assert measured.lowest_snr_db == pytest.approx(min(single), abs=1e-4)
    assert measured.lowest_input == fault_report.samples[int(np.argmin(single))]
    assert measured.shape == a[0].shape


def test_a_model_against_itself(digits: mlt.Model) -> None:
    report = compare_layers(digits, digits, PICTURES, max_samples=2)
    assert report.starts_at is None and report.worst_isolated is None
    assert "All layers give exactly the same." in str(report)


def test_no_layer_is_wrong_at_eight_bits(digits: mlt.Model) -> None:
    report = compare_layers(digits, mlt.quantize_weights(digits, 8), PICTURES, max_samples=3)
    assert report.starts_at is None, str(report)
    assert "No layer is below 20 dB; the lowest is " in str(report)


def test_progress_counts_samples(digits: mlt.Model) -> None:
    calls: list[tuple[int, int | None]] = []
    compare_layers(digits, digits, PICTURES, max_samples=5, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_a_network_against_its_ml_program(digits: mlt.Model) -> None:
    package = mlt.convert(digits, format="mlpackage", verify=False)
    report = compare_layers(digits, package, PICTURES, max_samples=2)
    # Batch normalisation may be folded into the convolution before it, whose own output is gone then.
    assert len(report.layers) + len(report.left_out) == len(digits.summary().layers)
    assert len(report.layers) >= 10, report
    # Both run in float32: 120 dB is 20 bits.
    assert report.worst.snr_db > 100, str(report)
    half = mlt.convert(digits, format="mlpackage", precision="float16", verify=False)
    inside = compare_layers(digits, half, PICTURES, max_samples=2)
    assert {layer.output for layer in inside.layers} >= {layer.output for layer in report.layers}
    # 11 bits of each value, some 66 dB, less what adds up.
    assert 40 < inside.worst.snr_db < 80, str(inside)
    damaged = mlt.quantize_weights(digits, 1, selector=lambda layer, weight: layer == "conv3")
    found = compare_layers(package, damaged, PICTURES, max_samples=2)
    assert found.starts_at is not None and found.starts_at.layer.startswith(("conv3", "norm3")), str(found)


def test_samples_are_spread_over_a_folder(digits: mlt.Model) -> None:
    report = compare_layers(digits, digits, PICTURES, max_samples=10)
    assert sorted({Path(name).parent.name for name in report.samples}) == [str(digit) for digit in range(10)]


def test_an_endless_iterator_is_read_as_far_as_needed(digits: mlt.Model) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield np.full((28, 28), taken, np.uint8)

    report = compare_layers(digits, digits, endless(), max_samples=3)
    assert report.samples == ("input 0", "input 1", "input 2")
    assert taken == 3


def test_unreadable_pictures_are_listed(digits: mlt.Model, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ComparisonError, match=r"no sample to compare on; the first, broken\.png"):
        compare_layers(digits, digits, tmp_path)
    good = sorted(PICTURES.glob("3/*.png"))[0]
    report = compare_layers(digits, digits, [tmp_path / "broken.png", good])
    assert report.samples == (str(good),)
    assert [Path(item.name).name for item in report.unreadable] == ["broken.png"]
    assert "Left out, since it could not be read: " in str(report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_samples": 0}, "max_samples is 0"),
        ({"threshold_db": math.nan}, "threshold_db is nan"),
        ({"crop": "centre"}, "'center'"),
    ],
)
def test_wrong_arguments(digits: mlt.Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        compare_layers(digits, digits, PICTURES, **options)


def test_a_wrong_input_names_the_sample(digits: mlt.Model) -> None:
    with pytest.raises(InputError, match=r"no input 'picture' \(in input 0\)"):
        compare_layers(digits, digits, [{"picture": np.zeros((28, 28), np.uint8)}])


def test_plain_forms(fault_report: LayerReport) -> None:
    plain = json.loads(fault_report.to_json())
    assert plain["starts_at"] == plain["worst_isolated"] == "conv3"
    first = plain["layers"][0]
    assert first["identical"] is True and first["snr_db"] is None
    assert first["isolated_identical"] is True and first["isolated_snr_db"] is None
    frame = fault_report.to_dataframe()
    assert list(frame["output"]) == [layer.output for layer in fault_report.layers]
    assert frame["snr_db"].iloc[0] == math.inf


def test_pipelines_are_compared_stage_by_stage() -> None:
    spec = pictures(RGB)
    damaged = type(spec).FromString(spec.SerializeToString())
    weights = damaged.pipeline.models[1].neuralNetwork.layers[0].convolution.weights.floatValue
    weights[4] += 0.1
    picture = np.random.default_rng(3).integers(0, 256, (6, 6, 3), np.uint8)
    a, b = mlt.Model.from_spec(spec), mlt.Model.from_spec(damaged)
    report = compare_layers(a, b, [picture], threshold_db=60)
    assert [layer.name for layer in report.layers] == ["stage 0/first", "stage 1/second"]
    assert report.layers[0].snr_db == math.inf
    expected = snr_db(*(model.predict_raw({"image": picture})["out"] for model in (a, b)))
    assert report.layers[1].snr_db == pytest.approx(expected, abs=1e-4)
    assert report.starts_at == report.layers[1]
    single = mixing("only", "image", "out", 1)
    add_picture(single.description.input, "image", RGB)
    add_array(single.description.output, "out", (3, 6, 6))
    with pytest.raises(ComparisonError, match="only one of the two models is a pipeline"):
        compare_layers(a, mlt.Model.from_spec(single), [picture])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (["x", "y"], ["y", "x"], {0: 1, 1: 0}),
        (["conv1/relu:0"], ["conv1_relu_0"], {0: 0}),
        (["a/b", "c"], ["a_b_cast_fp16", "c", "c_cast_fp16"], {0: 0, 1: 1}),
        # Two names that become one identifier: nobody can say which is meant.
        (["a/b", "a:b"], ["a_b"], {}),
        (["a/b"], ["a_b", "a:b"], {}),
        (["a/b", "a_b"], ["a_b"], {1: 0}),
        # Written in place several times.
        (["x", "x", "x"], ["x", "x"], {0: 0, 1: 1}),
        ([], ["x"], {}),
    ],
)
def test_matching_names(a: list[str], b: list[str], expected: dict[int, int]) -> None:
    assert match_names(a, b) == expected


def test_axes_of_one_do_not_count() -> None:
    assert same_elements((1, 10, 1, 1), (10,))
    assert not same_elements((2, 10), (10, 2))
