"""ML Programs through ``Model``: weights, classifiers, pictures, flexible shapes, functions and states."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, counter, new_program, tensor_type

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, InputError, InvalidModelError
from mltoolkit.model import Model

SECONDS = np.arange(43844) / 22050
NOISE = np.random.default_rng(0).normal(size=43844)
CHORD = 0.2 * sum(np.sin(2 * np.pi * pitch * SECONDS) for pitch in (220, 277.2, 329.6))
OUTPUTS = ("Identity_2", "Identity_1", "Identity")


def twin_outputs(shared_data: Path, audio: np.ndarray, *, optimized: bool) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    twin = onnxruntime.InferenceSession(shared_data / "onnx" / "basic_pitch_nmp.onnx", options)
    found: list[np.ndarray] = twin.run(None, {twin.get_inputs()[0].name: audio})
    return found


def largest_difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """As a part of the output's range."""
    return max(float(np.abs(ours - array).max() / np.ptp(array)) for ours, array in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["noise", "chord and noise", "chord"])
def test_basic_pitch_equals_its_onnx_twin(shared_data: Path, name: str) -> None:
    """On a chord the logarithms of near-silent bins magnify rounding.

    There the twin as onnxruntime optimises it is 500 and more times further from the twin as it stands in the file
    than ours is, so that only the latter is a reference; see docs/benchmarks.md.
    """
    sound = {"noise": NOISE, "chord and noise": CHORD + 0.02 * NOISE, "chord": CHORD}[name]
    audio = sound.astype(np.float32).reshape(1, -1, 1)
    model = mlt.load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    outputs = model.predict({"input_2": audio})
    found = [outputs[output] for output in OUTPUTS]
    plain = twin_outputs(shared_data, audio, optimized=False)
    error = largest_difference(found, plain)
    # Measured: 9e-7; the issue asks for 1e-4.
    assert error <= 1e-5, f"{error:.1e} of the range"
    fast = twin_outputs(shared_data, audio, optimized=True)
    if name == "noise":
        error = largest_difference(found, fast)
        assert error <= 1e-4, f"{error:.1e} of the range"
    else:
        spread = largest_difference(fast, plain)
        assert spread > 10 * error, f"the optimised twin is {spread:.1e} off, ours {error:.1e}"


def test_inspect_speaks_of_programs_as_of_networks(shared_data: Path) -> None:
    summary = mlt.load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage").summary()
    assert summary.layer_types["conv"] == 32
    assert "const" not in summary.layer_types
    assert summary.total.bytes == 4 * summary.total.parameters
    weights = shared_data / "coreml/basic_pitch_nmp.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    # Every record has a header and is aligned; short biases stand in the program itself.
    assert 0.8 < summary.total.bytes / weights.stat().st_size < 1.1


def classifier() -> Any:
    spec, block = new_program({"x": ("float32", (1, 3))}, {})
    add_operation(block, "softmax", {"x": Ref("x"), "axis": np.int32(1)}, {"p": ("float32", (1, 3))})
    operation = add_operation(block, "classify", {"probabilities": Ref("p"), "classes": ["cat", "dog", "emu"]}, {})
    operation.outputs.add(name="label", type=tensor_type("string", ()))
    probabilities = operation.outputs.add(name="label_probs")
    probabilities.type.dictionaryType.keyType.CopyFrom(tensor_type("string", ()))
    probabilities.type.dictionaryType.valueType.CopyFrom(tensor_type("float32", ()))
    block.outputs.extend(["label", "label_probs"])
    description = spec.description
    description.output.add(name="label").type.stringType.SetInParent()
    description.output.add(name="label_probs").type.dictionaryType.stringKeyType.SetInParent()
    description.predictedFeatureName, description.predictedProbabilitiesName = "label", "label_probs"
    return spec


def test_classifier() -> None:
    model = Model(classifier())
    assert model.class_labels == ("cat", "dog", "emu")
    found = model.predict({"x": np.float32([[0, 2, 1]])})
    expected = np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum()
    assert found["label"] == "dog"
    assert list(found["label_probs"]) == ["cat", "dog", "emu"]
    assert np.allclose(list(found["label_probs"].values()), expected, atol=1e-6)
    assert model.predict_raw({"x": np.zeros((1, 3))})["label_probs"].shape == (3,)


def test_classifier_with_too_few_labels() -> None:
    spec = classifier()
    block = spec.mlProgram.functions["main"].block_specializations["CoreML7"]
    del block.operations[-1].inputs["classes"].arguments[0].value.immediateValue.list.values[2]
    with pytest.raises(InvalidModelError, match="2 class labels but its last layer gives 3"):
        Model(spec).predict({"x": np.zeros((1, 3))})


def test_pictures_in_and_out() -> None:
    spec, block = new_program({"image": ("float32", (1, 3, 2, 4))}, {"y": ("float32", (1, 3, 2, 4))})
    add_operation(block, "sub", {"x": np.float32(255), "y": Ref("image")}, {"y": ("float32", (1, 3, 2, 4))})
    for feature in (spec.description.input[0], spec.description.output[0]):
        feature.type.imageType.width, feature.type.imageType.height = 4, 2
        feature.type.imageType.colorSpace = 20
    picture = np.random.default_rng(1).integers(0, 256, (2, 4, 3)).astype(np.uint8)
    found = Model(spec).predict({"image": picture})["y"]
    assert np.array_equal(np.asarray(found.convert("RGB")), 255 - picture)


def flexible() -> Any:
    spec, block = new_program({"x": ("float32", (2, 3))}, {"y": ("float32", (None, None))}, unknown=True)
    add_operation(block, "transpose", {"x": Ref("x"), "perm": np.array([1, 0])}, {"y": ("float32", (None, None))})
    ranges = spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges
    ranges.add(lowerBound=1, upperBound=5)
    ranges.add(lowerBound=3, upperBound=3)
    return spec


def test_flexible_shapes() -> None:
    model = Model(flexible())
    for rows in (2, 5, 2, 1):
        x = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        assert np.array_equal(model.predict({"x": x})["y"], x.T)
    with pytest.raises(InputError, match=r"1\.\.5, 3\.\.3"):
        model.predict({"x": np.zeros((6, 3))})
    assert model.graph({"x": (4, 3)}).layers[0].outputs[0].shape == (3, 4)


def test_the_description_and_the_program_must_agree() -> None:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "relu", {"x": Ref("x")}, {"y": ("float32", (2,))})
    spec.description.input[0].type.multiArrayType.shape[0] = 3
    with pytest.raises(InvalidModelError, match=r"the shape is \(3,\) but the program takes float32\[2\]"):
        Model(spec).predict({"x": np.zeros(3)})
    spec.description.input[0].type.multiArrayType.shape[0] = 2
    spec.description.output[0].name = "z"
    with pytest.raises(InvalidModelError, match="does not give the described output 'z'"):
        Model(spec).predict({"x": np.zeros(2)})


def two_functions() -> Any:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "mul", {"x": Ref("x"), "y": np.float32(2)}, {"y": ("float32", (2,))})
    program, description = spec.mlProgram, spec.description
    program.functions["thrice"].CopyFrom(program.functions["main"])
    block = program.functions["thrice"].block_specializations["CoreML7"]
    del block.operations[:]
    add_operation(block, "mul", {"x": Ref("x"), "y": np.float32(3)}, {"y": ("float32", (2,))})
    for name in ("main", "thrice"):
        function = description.functions.add(name=name)
        function.input.extend(description.input)
        function.output.extend(description.output)
    del description.input[:], description.output[:]
    description.defaultFunctionName = "main"
    return spec


def test_functions_are_chosen_by_name() -> None:
    x = np.float32([1, 2])
    model = mlt.load(two_functions())
    assert (model.function_names, model.function_name) == (("main", "thrice"), "main")
    assert model.predict({"x": x})["y"].tolist() == [2, 4]
    other = mlt.load(two_functions(), function_name="thrice")
    assert other.predict({"x": x})["y"].tolist() == [3, 6]
    assert pickle.loads(pickle.dumps(other)).predict({"x": x})["y"].tolist() == [3, 6]
    with pytest.raises(ArgumentError, match="Did you mean 'thrice'"):
        mlt.load(two_functions(), function_name="trice")


def test_states_live_from_one_prediction_to_the_next() -> None:
    model = Model(counter())
    first, second = model.make_state(), model.make_state()
    x = {"x": np.float32([1, 0.25])}
    assert model.predict(x, state=first)["y"].tolist() == [1, 0.25]
    assert model.predict([x, x], state=first)[1]["y"].tolist() == [3, 0.75]
    assert model.predict(x, state=second)["y"].tolist() == [1, 0.25], "states are independent"
    first.write_state("total", [10, 10])
    assert list(model.predict(x, state=first)) == ["y"]
    content = first.read_state("total")
    assert (content.dtype, content.tolist()) == (np.float16, [11, 10.25])


def test_wrong_uses_of_states() -> None:
    model = Model(counter())
    x = {"x": np.zeros(2)}
    with pytest.raises(InputError, match="make_state"):
        model.predict(x)
    with pytest.raises(InputError, match="another model"):
        model.predict(x, state={"total": np.zeros(2)})  # type: ignore[call-overload]
    state = model.make_state()
    with pytest.raises(InputError, match="Did you mean 'total'"):
        state.read_state("totl")
    with pytest.raises(InputError, match="shape"):
        state.write_state("total", np.zeros(3))
    with pytest.raises(ArgumentError, match="no states"):
        Model(classifier()).make_state()
    with pytest.raises(ArgumentError, match="no states"):
        Model(classifier()).predict({"x": np.zeros((1, 3))}, state=state)
