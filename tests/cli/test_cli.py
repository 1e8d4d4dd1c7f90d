"""The command line: what it prints, its exit codes, and that it never shows a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path

Run = Callable[..., tuple[int, str, str]]


MODEL = digit_model_path()
SEVEN = sorted((digit_images_path() / "7").glob("*.png"))[0]


def test_help_names_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in ("inspect", "predict", "quantize", "compare", "demo"):
        assert command in out


def test_version(run: Run) -> None:
    assert run("--version")[:2] == (0, mlt.__version__ + "\n")


def test_inspect_prints_interface_layers_and_weights(run: Run) -> None:
    code, out, _ = run("inspect", MODEL)
    assert code == 0
    for expected in (
        "image 28×28 GRAY",
        "labelProbabilities",
        "convolution",
        "1×10×1×1",
        "float32",
        "Class labels: 10",
    ):
        assert expected in out, f"{expected!r} is not in\n{out}"


def test_inspect_json_has_shapes_of_every_layer(run: Run) -> None:
    code, out, _ = run("inspect", MODEL, "--json")
    summary = json.loads(out)
    assert code == 0
    assert summary["kind"] == "neuralNetworkClassifier"
    assert all(layer["output_shapes"] for layer in summary["layers"])
    assert summary["total"]["parameters"] == mlt.load(MODEL).summary().total.parameters


def test_predict_a_picture(run: Run) -> None:
    code, out, _ = run("predict", MODEL, SEVEN)
    assert code == 0
    assert "classLabel" in out and "%" in out


def test_predict_json_of_several_pictures(run: Run) -> None:
    pictures = sorted((digit_images_path() / "3").glob("*.png"))[:3]
    code, out, _ = run("predict", MODEL, *pictures, "--json", "--top", 2)
    results = json.loads(out)
    assert code == 0
    assert [result["input"] for result in results] == [str(picture) for picture in pictures]
    for result, picture in zip(results, pictures, strict=True):
        assert result["outputs"]["classLabel"] == mlt.load(MODEL).predict({"image": picture})["classLabel"]
        assert len(result["outputs"]["labelProbabilities"]) == 2


def test_predict_reads_arrays_and_named_inputs(run: Run, tmp_path: Path) -> None:
    pixels = np.asarray(mlt.load(MODEL).prepare_image("image", SEVEN).array[0, 0]).astype(np.uint8)
    np.save(tmp_path / "seven.npy", pixels)
    plain = json.loads(run("predict", MODEL, SEVEN, "--json")[1])
    named = json.loads(run("predict", MODEL, f"image={tmp_path / 'seven.npy'}", "--json")[1])
    assert plain[0]["outputs"] == named[0]["outputs"]


def test_quantize_and_compare(run: Run, tmp_path: Path) -> None:
    small = tmp_path / "small.mlmodel"
    code, out, _ = run("quantize", MODEL, "-o", small, "--nbits", 4, "--mode", "kmeans")
    assert code == 0 and small.exists()
    assert "→" in out
    code, out, _ = run("compare", MODEL, small, digit_images_path(), "--json", "--no-progress")
    report = json.loads(out)
    assert code == 0
    assert 0.5 < report["top1_agreement"] <= 1
    code, out, _ = run("compare", MODEL, small, digit_images_path(), "--min-agreement", 0.0)
    assert code == 0 and "Top 1 Agreement" in out


def test_compare_leaves_with_3_below_the_limit(run: Run, tmp_path: Path) -> None:
    small = tmp_path / "small.mlmodel"
    run("quantize", MODEL, "-o", small, "-n", 1)
    code, _, err = run("compare", MODEL, small, digit_images_path(), "--min-agreement", 0.99, "--no-progress")
    assert code == 3
    assert "below 0.99" in err


def test_quantize_only_some_layers(run: Run, tmp_path: Path) -> None:
    names = [layer.name for layer in mlt.load(MODEL).summary().layers if layer.type == "convolution"]
    code, out, _ = run("quantize", MODEL, "-o", tmp_path / "s.mlmodel", "--only", names[1], "--json")
    assert code == 0
    changed = {record["layer"] for record in json.loads(out)["records"] if record["mode"]}
    assert changed == {names[1]}


def test_existing_output_is_kept_without_force(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "small.mlmodel"
    target.write_bytes(b"precious")
    code, _, err = run("quantize", MODEL, "-o", target)
    assert code == 1 and "--force" in err
    assert target.read_bytes() == b"precious"
    assert run("quantize", MODEL, "-o", target, "--force")[0] == 0
    assert mlt.load(target).kind == "neuralNetworkClassifier"


def test_images_are_written(run: Run, tmp_path: Path, shared_data: Path) -> None:
    style = shared_data / "coreml" / "FNS-Candy.mlmodel"
    code, out, _ = run("predict", style, SEVEN, "-o", tmp_path, "--json")
    (written,) = json.loads(out)[0]["files"].values()
    assert code == 0 and Path(written).suffix == ".png" and Path(written).exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["inspect", "nowhere.mlmodel"], "nowhere.mlmodel"),
        (["inspect", __file__], "is"),
        (["predict", MODEL], "'image'"),
        (["predict", MODEL, "imag=x.png"], "Did you mean 'image'?"),
        (["predict", MODEL, "nowhere.png"], "nowhere.png"),
        (["predict", MODEL, __file__], "not a picture"),
        (["quantize", MODEL, "-o", "x.mlmodel", "--nbits", "9"], "9"),
        (["quantize", MODEL, "-o", "x.mlmodel", "--mode", "kmeens"], "Did you mean"),
        (["quantize", MODEL, "-o", "x.mlmodel", "--only", "nothing*"], "nothing*"),
        (["quantize", MODEL, "-o", "x.onnx"], ".onnx"),
        (["compare", MODEL, MODEL, "nowhere"], "nowhere"),
        (["compare", MODEL, MODEL, digit_images_path(), "--crop", "middle"], "middle"),
        (["compare", MODEL, MODEL, digit_images_path(), "--min-agreement", "95"], "between 0 and 1"),
        (["inspect", MODEL, "--custom-layers", "nowhere.py"], "nowhere.py"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(
    run: Run, arguments: list[object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 1, err
    assert err.startswith("mltoolkit: ") and err.count("\n") == 1, err
    assert says in err, err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["inspct"], ["quantize", MODEL], ["quantize", MODEL, "-o", "x", "-n", "four"]])
def test_wrong_usage_leaves_with_2(run: Run, arguments: list[object]) -> None:
    assert run(*arguments)[0] == 2


def test_empty_folder_is_named(run: Run, tmp_path: Path) -> None:
    code, _, err = run("compare", MODEL, MODEL, tmp_path)
    assert code == 1 and str(tmp_path) in err


def test_faults_of_the_program_are_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("mltoolkit.model.load", broken)
    monkeypatch.delenv("MLTOOLKIT_DEBUG", raising=False)
    code, _, err = run("inspect", MODEL)
    assert code == 70 and "internal error, RuntimeError: a fault" in err


def test_custom_layers_come_from_a_file(run: Run, tmp_path: Path, shared_data: Path) -> None:
    code_file = tmp_path / "layers.py"
    code_file.write_text(
        "import numpy as np\nimport mltoolkit as mlt\n"
        "@mlt.register_custom_layer\nclass Swish(mlt.CustomLayer):\n"
        "    class_name = 'Swish'\n"
        "    def output_shapes(self, input_shapes): return list(input_shapes)\n"
        "    def evaluate(self, inputs): return [inputs[0] / (1 + np.exp(-inputs[0]))]\n"
    )
    model = shared_data / "coreml" / "NeuralMcNeuralNet_custom_swish.mlmodel"
    # In a process of its own: registration lasts as long as the process.
    result = subprocess.run(
        [sys.executable, "-m", "mltoolkit", "predict", model, SEVEN, "--custom-layers", code_file, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)[0]["outputs"]["output"]) == 10


def test_demo_table(run: Run) -> None:
    code, out, _ = run("demo", "--json")
    table = json.loads(out)
    assert code == 0
    assert {(row["mode"], row["nbits"]) for row in table["rows"]} == {
        (mode, bits) for mode in ("linear", "kmeans") for bits in (8, 6, 4, 3, 2, 1)
    }
    assert table["pictures"] >= 200
    sizes = [row["file_bytes"] for row in table["rows"] if row["mode"] == "kmeans"]
    assert sizes == sorted(sizes, reverse=True)
    best = next(row for row in table["rows"] if row["nbits"] == 8)
    assert best["top1_agreement"] > 0.97, best
