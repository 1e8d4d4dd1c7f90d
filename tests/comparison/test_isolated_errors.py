"""Errors of layers in isolation against NumPy: a layer of the second model on what the first model computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from core_ml_pipelines import RGB, add_array, mixing, pictures
from mil_programs import Ref, add_operation, new_program, tensor_type
from small_networks import (
    Weighted,
    add_custom,
    add_product,
    add_relu,
    add_scaling,
    new_network,
    perceptron,
)

import mltoolkit as mlt
from mltoolkit.comparison import LayerReport, compare_layers, snr_db

# Both sides compute in float32, the reference in float64: errors of 20 dB move by some 1e-6 of themselves.
CLOSE = 1e-3


def by_name(report: LayerReport) -> dict[str, tuple[float, float | None]]:
    return {layer.name: (layer.snr_db, layer.isolated_snr_db) for layer in report.layers}


def matrices(seed: int, *shapes: tuple[int, int]) -> list[np.ndarray]:
    """Matrices, and each a little wrong."""
    rng = np.random.default_rng(seed)
    right = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    return [*right, *(matrix + 0.1 * rng.standard_normal(matrix.shape).astype(np.float32) for matrix in right)]


def samples(count: int = 3, size: int = 6) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    return [{"x": rng.standard_normal(size).astype(np.float32)} for _ in range(count)]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def package(spec: Any) -> mlt.Model:
    return mlt.convert(mlt.Model.from_spec(spec), format="mlpackage", verify=False)


@pytest.mark.parametrize("kinds", ["network network", "program program", "network program", "program network"])
def test_two_wrong_layers_against_numpy(kinds: str) -> None:
    first, second, first_wrong, second_wrong = matrices(0, (8, 6), (5, 8))
    make = {"network": mlt.Model.from_spec, "program": package}
    one, other = kinds.split()
    report = compare_layers(
        make[one](perceptron(first, second)), make[other](perceptron(first_wrong, second_wrong)), samples()
    )
    x = np.stack([sample["x"] for sample in samples()], axis=1).astype(np.float64)
    hidden, hidden_wrong = first @ x, first_wrong @ x
    y = second @ relu(hidden)
    accumulated = {
        "hidden": snr_db(hidden, hidden_wrong),
        "positive": snr_db(relu(hidden), relu(hidden_wrong)),
        "y": snr_db(y, second_wrong @ relu(hidden_wrong)),
    }
    wrong = {"hidden": snr_db(hidden, hidden_wrong), "y": snr_db(y, second_wrong @ relu(hidden))}
    if kinds == "program program":
        # Both have the products as operations of their own, and the layers' names for reshapes behind them.
        wrong = dict(zip(("dense1_Gemm_out", "dense2_Gemm_out"), wrong.values(), strict=True))
    measured = {layer.output for layer in report.layers}
    assert {*accumulated, *wrong} <= measured, report
    for layer in report.layers:
        isolated = wrong.get(layer.output)
        assert layer.snr_db == pytest.approx(accumulated.get(layer.output, layer.snr_db), abs=CLOSE), accumulated
        if isolated is None:
            # The same arithmetic, up to float32 rounding where the formats order it differently.
            assert layer.isolated_snr_db is not None and layer.isolated_snr_db > 100, layer
        else:
            assert layer.isolated_snr_db == pytest.approx(isolated, abs=CLOSE), wrong
    assert report.worst_isolated is not None
    assert report.worst_isolated.output == min(wrong, key=lambda name: wrong[name])


def test_the_first_layer_reads_what_it_reads_in_use() -> None:
    first, second, first_wrong, _ = matrices(1, (8, 6), (5, 8))
    report = compare_layers(
        mlt.Model.from_spec(perceptron(first, second)), mlt.Model.from_spec(perceptron(first_wrong, second)), samples()
    )
    dense1, activation, dense2 = report.layers
    assert dense1.isolated_snr_db == dense1.snr_db < math.inf
    assert activation.snr_db < 40 and dense2.snr_db < 40, report
    assert activation.isolated_snr_db == dense2.isolated_snr_db == math.inf, report
    assert report.worst_isolated == dense1


def test_custom_layers() -> None:
    first, second, first_wrong, _ = matrices(2, (8, 6), (5, 8))
    rng = np.random.default_rng(3)
    factors = rng.uniform(0.5, 2, 8)
    wrong_factors = factors + rng.normal(0, 0.1, 8)

    def model(product: np.ndarray, weights: np.ndarray) -> mlt.Model:
        spec = new_network({"x": (6,)}, ("y", (5,)))
        add_product(spec, "dense1", "x", "hidden", product)
        add_custom(spec, "own", "hidden", "weighted", weights.tolist())
        add_product(spec, "dense2", "weighted", "y", second)
        return mlt.Model.from_spec(spec, custom_layers=[Weighted])

    found = by_name(compare_layers(model(first, factors), model(first_wrong, wrong_factors), samples()))
    hidden = first @ np.stack([sample["x"] for sample in samples()], axis=1).astype(np.float64)
    isolated = snr_db(hidden * factors[:, None], hidden * wrong_factors[:, None])
    assert found["own"][1] == pytest.approx(isolated, abs=CLOSE)
    assert found["own"][0] < isolated - 0.1, found
    assert found["dense2"][1] == math.inf, found


def branching(product: np.ndarray, last: np.ndarray, factor: float) -> mlt.Model:
    spec = new_network({"x": (6,), "p": (1,)}, ("y", (5,)))
    spec.specificationVersion = 4
    add_product(spec, "dense1", "x", "hidden", product)
    branch = spec.neuralNetwork.layers.add(name="way", input=["p"]).branch
    for layers, scale in ((branch.ifBranch, factor), (branch.elseBranch, 0.5)):
        inner = new_network({"x": (1,)}, ("y", (1,)))
        add_scaling(inner, "scale", "hidden", "chosen", scale)
        layers.layers.extend(inner.neuralNetwork.layers)
    add_product(spec, "dense2", "chosen", "y", last)
    return mlt.Model.from_spec(spec)


def test_what_a_branch_does_wrong_is_found_behind_it() -> None:
    first, second, first_wrong, second_wrong = matrices(4, (8, 6), (5, 8))
    given = [sample | {"p": np.float32([index % 2])} for index, sample in enumerate(samples(4))]
    report = compare_layers(branching(first, second, 2), branching(first_wrong, second_wrong, 2.1), given)
    assert any(reason.endswith("in a branch") for _, reason in report.left_out), report
    found = by_name(report)
    x = np.stack([sample["x"] for sample in given], axis=1).astype(np.float64)
    chosen, chosen_wrong = (np.where(np.arange(4) % 2, factor, 0.5) for factor in (2, np.float32(2.1)))
    right = second @ (first @ x * chosen)
    assert found["dense2"] == pytest.approx(
        (
            snr_db(right, second_wrong @ (first_wrong @ x * chosen_wrong)),
            snr_db(right, second_wrong @ (first @ x * chosen_wrong)),
        ),
        abs=CLOSE,
    )


def looping(factor: float, last: np.ndarray) -> mlt.Model:
    spec = new_network({"x": (6,)}, ("y", (5,)))
    spec.specificationVersion = 4
    add_scaling(spec, "start", "x", "run", factor)
    loop = spec.neuralNetwork.layers.add(name="loop").loop
    loop.maxLoopIterations = 3
    inner = new_network({"x": (1,)}, ("y", (1,)))
    add_scaling(inner, "again", "run", "next", factor)
    inner.neuralNetwork.layers.add(name="back", input=["next"], output=["run"]).copy.SetInParent()
    loop.bodyNetwork.layers.extend(inner.neuralNetwork.layers)
    add_product(spec, "dense", "run", "y", last)
    return mlt.Model.from_spec(spec)


def test_what_a_loop_does_wrong_is_found_behind_it() -> None:
    last, last_wrong = matrices(5, (5, 6))
    found = by_name(compare_layers(looping(1.5, last), looping(1.55, last_wrong), samples()))
    x = np.stack([sample["x"] for sample in samples()], axis=1).astype(np.float64)
    right = last @ (1.5**4 * x)
    assert found["dense"] == pytest.approx(
        (snr_db(right, last_wrong @ (1.55**4 * x)), snr_db(right, last_wrong @ (1.5 * 1.55**3 * x))), abs=CLOSE
    )


def wrong_stages(*stages: int) -> mlt.Model:
    spec = pictures(RGB)
    for stage in stages:
        weights = spec.pipeline.models[stage].neuralNetwork.layers[0].convolution.weights.floatValue
        weights[4] += 0.2
    return mlt.Model.from_spec(spec)


def test_a_later_stage_reads_what_the_first_models_stages_gave() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (6, 6, 3), np.uint8)
    first, second = compare_layers(wrong_stages(), wrong_stages(0), [picture]).layers
    assert first.isolated_snr_db == first.snr_db < 40
    assert second.snr_db < 40 and second.isolated_snr_db == math.inf
    both = compare_layers(wrong_stages(), wrong_stages(0, 1), [picture]).layers
    only = compare_layers(wrong_stages(), wrong_stages(1), [picture]).layers
    assert only[1].isolated_snr_db == only[1].snr_db < math.inf
    assert both[1].isolated_snr_db == pytest.approx(only[1].isolated_snr_db, abs=CLOSE)
    assert both[1].snr_db != pytest.approx(only[1].snr_db, abs=0.1)


def counting(factor: float, last: float) -> mlt.Model:
    """total = total + factor · x; y = last · total."""
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    argument = spec.mlProgram.functions["main"].inputs.add(name="total")
    argument.type.stateType.wrappedType.CopyFrom(tensor_type("float16", (2,)))
    feature = spec.description.state.add(name="total").type.stateType.arrayType
    feature.dataType = 65552
    feature.shape.append(2)
    size = ("float32", (2,))
    add_operation(block, "read_state", {"input": Ref("total")}, {"before": ("float16", (2,))})
    add_operation(block, "mul", {"x": Ref("x"), "y": np.float32(factor)}, {"scaled": size})
    add_operation(block, "add", {"x": Ref("before"), "y": Ref("scaled")}, {"sum": ("float16", (2,))})
    add_operation(block, "write_state", {"input": Ref("total"), "data": Ref("sum")}, {})
    add_operation(block, "read_state", {"input": Ref("total")}, {"after": ("float16", (2,))})
    add_operation(block, "mul", {"x": Ref("after"), "y": np.float32(last)}, {"y": size})
    return mlt.Model.from_spec(spec)


def test_models_with_states() -> None:
    report = compare_layers(counting(2, 3), counting(2.2, 3.1), samples(size=2))
    found = {layer.output: (layer.snr_db, layer.isolated_snr_db) for layer in report.layers}
    ratio = -20 * math.log10(0.1)  # 2.2 / 2 - 1
    assert found["scaled"] == pytest.approx((ratio, ratio), abs=CLOSE)
    assert found["before"] == (math.inf, math.inf)
    assert found["sum"] == pytest.approx((ratio, math.inf), abs=CLOSE)
    assert found["y"] == pytest.approx(
        (-20 * math.log10(2.2 * 3.1 / 6 - 1), -20 * math.log10(3.1 / 3 - 1)), abs=CLOSE
    ), report


def flexible(seed: int, change: float) -> mlt.Model:
    """Two mixing convolutions for pictures of any size from 4 to 12."""
    spec = mixing("first", "x", "middle", 1)
    spec.specificationVersion = 3
    spec.neuralNetwork.layers.extend(mixing("second", "middle", "y", 2).neuralNetwork.layers)
    for layer in spec.neuralNetwork.layers:
        weights = layer.convolution.weights.floatValue
        noise = np.random.default_rng(seed).normal(0, change, 9)
        weights[:] = (np.array(weights) + noise).tolist()
    add_array(spec.description.input, "x", (3, 6, 6))
    add_array(spec.description.output, "y", (3, 6, 6))
    ranges = spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges
    for least, most in ((3, 3), (4, 12), (4, 12)):
        ranges.add(lowerBound=least, upperBound=most)
    del spec.description.output[0].type.multiArrayType.shape[:]
    return mlt.Model.from_spec(spec)


def mixed(model: mlt.Model, number: int, x: np.ndarray) -> np.ndarray:
    convolution = model.get_spec().neuralNetwork.layers[number].convolution
    weights = np.array(convolution.weights.floatValue, np.float64).reshape(3, 3)
    return np.einsum("oi,ihw->ohw", weights, x) + np.array(convolution.bias.floatValue).reshape(3, 1, 1)


def test_samples_of_different_sizes() -> None:
    a, b = flexible(0, 0), flexible(1, 0.1)
    rng = np.random.default_rng(2)
    sizes = [(6, 6), (4, 12), (9, 5), (6, 6), (4, 4), (5, 5), (7, 7)]  # more than graphs are kept for
    given = [{"x": rng.standard_normal((3, *size)).astype(np.float32)} for size in sizes]
    report = compare_layers(a, b, given)
    right, free, alone = [], [], []
    for sample in given:
        middle = mixed(a, 0, sample["x"].astype(np.float64))
        right.append(mixed(a, 1, middle).reshape(-1))
        free.append(mixed(b, 1, mixed(b, 0, sample["x"].astype(np.float64))).reshape(-1))
        alone.append(mixed(b, 1, middle).reshape(-1))
    expected = snr_db(np.concatenate(right), np.concatenate(free)), snr_db(np.concatenate(right), np.concatenate(alone))
    assert by_name(report)["second"] == pytest.approx(expected, abs=CLOSE), report


def test_rows_are_called_by_their_layers() -> None:
    def model(factor: float) -> mlt.Model:
        spec = new_network({"x": (6, 2, 2)}, ("y", (3, 2, 2)))
        split = spec.neuralNetwork.layers.add(name="halves", input=["x"], output=["left", "right"])
        split.split.nOutputs = 2
        add_scaling(spec, "", "left", "scaled", factor)
        add_relu(spec, "right", "right", "positive")
        add = spec.neuralNetwork.layers.add(name="sum", input=["scaled", "positive"], output=["y"])
        add.add.SetInParent()
        return mlt.Model.from_spec(spec)

    given = [{"x": np.random.default_rng(0).standard_normal((6, 2, 2))}]
    report = compare_layers(model(2), model(2.5), given)
    assert list(by_name(report)) == ["halves (left)", "halves (right)", "scaled", "right", "sum"]
    assert report.worst_isolated is not None and report.worst_isolated.name == "scaled"
    assert report.to_dict()["worst_isolated"] == "scaled"
