"""``mltoolkit convert``: suffixes, options as text, JSON, and errors without a traceback."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mltoolkit as mlt
from mltoolkit.digits import digit_model_path
from mltoolkit.formats.features import ArrayFeature, ImageFeature

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(run: Run) -> Run:
    """Runs ``mltoolkit convert`` in this process: (exit code, stdout, stderr)."""
    return functools.partial(run, "convert")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Picture of any size → two probabilities."""
    weights = numpy_helper.from_array(np.array([[1.0, 2], [3, -1], [0, 1]], np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["picture"], ["mean"], "mean"),
            helper.make_node("Flatten", ["mean"], ["flat"], "flat"),
            helper.make_node("MatMul", ["flat", "w"], ["scores"], "scores"),
            helper.make_node("Softmax", ["scores"], ["probs"], "softmax"),
        ],
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, "height", "width"))],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, (1, 2))],
        [weights],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("format", ["mlmodel", "mlpackage"])
def test_every_option(run: Run, source: Path, tmp_path: Path, format: str) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n", encoding="utf-8")
    target = tmp_path / f"out.{format}"
    options = ["--image", "picture", "--scale", "1/255", "--bias=-0.5,0.1,0.2", "--color", "BGR", "--labels", labels]
    options += [
        "--input-shape",
        "picture=1,3,4..9,6",
        "--name",
        "picture=photo",
        "--author",
        "me",
        "--precision",
        "float16",
    ]
    code, out, err = run(source, "-o", target, *options, "--predicted-feature-name", "animal")
    assert (code, err) == (0, ""), err
    assert "verified" in out and f"written: {target}" in out
    model = mlt.load(target)
    (photo,) = model.inputs
    assert isinstance(photo, ImageFeature)
    assert (photo.name, photo.color_space, photo.width) == ("photo", "BGR", 6)
    assert photo.allows(6, 4) and photo.allows(6, 9) and not photo.allows(6, 10)
    assert model.class_labels == ("cat", "dog")
    assert model.predicted_feature_name == "animal"
    assert model.summary().metadata.author == "me"


def test_json(run: Run, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mlpackage"
    code, out, _ = run(source, "-o", target, "--json", "--target", "iOS16", "--input-shape", "picture=1,3,8,8")
    report = json.loads(out)
    assert code == 0
    assert (report["format"], report["verified"], report["output"]) == ("mlpackage", True, str(target))
    model = mlt.load(target)
    assert model.spec.specificationVersion == 7
    assert isinstance(model.inputs[0], ArrayFeature)
    assert model.inputs[0].shape == (1, 3, 8, 8)


def test_verification_can_be_turned_off_or_fed(run: Run, source: Path, tmp_path: Path) -> None:
    _, out, _ = run(source, "-o", tmp_path / "a.mlmodel", "--no-verify", "--json")
    assert json.loads(out)["verified"] is None
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, picture=np.ones((1, 3, 5, 7), np.float32))
    _, out, _ = run(source, "-o", tmp_path / "b.mlmodel", "--verification-inputs", arrays, "--json")
    assert {check["inputs"] for check in json.loads(out)["checks"]} == {"given"}


def test_core_ml_to_onnx_and_the_upgrade(run: Run, tmp_path: Path) -> None:
    for name in ("digits.onnx", "digits.mlpackage"):
        code, out, err = run(digit_model_path(), "-o", tmp_path / name)
        assert (code, err) == (0, ""), err
        assert "verified" in out
    assert onnx.load(tmp_path / "digits.onnx").graph.node
    assert mlt.load(tmp_path / "digits.mlpackage").kind == "mlProgram"


HOOKS = """
import mltoolkit as mlt
def double(layer):
    return layer.builder.op("Mul", layer.inputs[0], layer.builder.constant(2.0))
FUNCTIONS = {"Softmax": double}
NUMBER = 3
"""


@pytest.mark.parametrize("form", ["module", "file"])
def test_hooks(run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    (tmp_path / f"my_{form}_hooks.py").write_text(HOOKS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    hooks = {"module": "my_module_hooks:FUNCTIONS", "file": f"{tmp_path}/my_file_hooks.py:FUNCTIONS"}[form]
    # The hook changes what the model computes, which verification would find.
    code, out, _ = run(source, "-o", "out.mlmodel", "--hooks", hooks, "--json", "--no-verify")
    assert code == 0
    assert json.loads(out)["hooks_used"] == {"Softmax": ["softmax"]}
    code, _, err = run(source, "-o", "other.mlmodel", "--hooks", hooks)
    assert code == 1
    assert "the imported graph computes something else than the source" in err and "'softmax'" in err
    assert not (tmp_path / "other.mlmodel").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "out.tflite"], "is neither .mlmodel nor .mlpackage nor .onnx"),
        (["-o", "out.mlmodel", "--format", "mlpackage"], "contradicts the name"),
        (["-o", "out.mlmodel", "--scale", "1/255"], "Say which with --image NAME"),
        (["-o", "out.mlmodel", "--image", "picture", "--scale", "1/0"], "'1/0' is no number"),
        (["-o", "out.mlmodel", "--image", "picture", "--color", "RBG"], "Did you mean 'RGB'"),
        (["-o", "out.mlmodel", "--image", "photo"], "no input 'photo'"),
        (["-o", "out.mlmodel", "--input-shape", "picture"], "is no shape"),
        (["-o", "out.mlmodel", "--input-shape", "picture=1,3,x,4"], "is no shape"),
        (["-o", "out.mlmodel", "--name", "picture"], "is not OLD=NEW"),
        (["-o", "out.mlmodel", "--hooks", "FUNCTIONS"], "is not module:dictionary"),
        (["-o", "out.mlmodel", "--hooks", "no_such_module_here:F"], "there is no module"),
        (["-o", "out.mlmodel", "--hooks", "none.py:F"], "there is no file"),
        (["-o", "out.mlmodel", "--hooks", "json:dump"], "not a dictionary"),
        (["-o", "out.mlmodel", "--hooks", "json:nothing"], "has no 'nothing'"),
        (["-o", "out.mlmodel", "--verification-inputs", "none.npz"], "is no .npz file"),
        (["-o", "out.mlmodel", "--labels", "none.txt"], "none.txt"),
        (["-o", "out.mlmodel", "--target", "iOS"], "iOS"),
        (["-o", "out.mlmodel", "--precision", "half"], "half"),
    ],
)
def test_wrong_options(
    run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(source, *options, "--no-verify")
    assert code == 1
    assert message in err and "Traceback" not in err, err


def test_wrong_sources(run: Run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.onnx", "-o", tmp_path / "out.mlmodel")
    assert (code, "there is no file" in err) == (1, True)
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    code, _, err = run(text, "-o", tmp_path / "out.mlmodel")
    assert (code, "text" in err) == (1, True)


def test_an_existing_file_is_kept_without_force(run: Run, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mlmodel"
    target.write_bytes(b"precious")
    code, _, err = run(source, "-o", target, "--no-verify")
    assert (code, "exists already" in err, target.read_bytes()) == (1, True, b"precious")
    assert run(source, "-o", target, "--no-verify", "--force")[0] == 0
    assert mlt.load(target).kind == "neuralNetwork"
