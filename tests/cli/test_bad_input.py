"""Bad input for every command: one line on stderr that says what to do, exit code 1, and nothing is written."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from program_zoo import chain

from mltoolkit.digits import digit_images_path, digit_model_path

Run = Callable[..., tuple[int, str, str]]
MODEL, PICTURES = digit_model_path(), digit_images_path() / "8"
PICTURE = PICTURES / "000.png"

# Name of a bad model → what the message says of it.
BAD_MODELS = {
    "missing.mlmodel": "there is no",
    "empty_folder": "no Manifest.json",
    "text.mlmodel": "the file is a text",
    "empty.mlmodel": "the file is empty",
    "noise.mlmodel": "is not a Core ML model",
    "cut.mlmodel": "truncated",
    "cut.mlpackage": "truncated",
    "": "not a path",
}
# Every command with a model M in each place that takes one.
WITH_MODEL = {
    "inspect": ["inspect", "M"],
    "predict": ["predict", "M", PICTURE],
    "quantize": ["quantize", "M", "-o", "new.mlmodel"],
    "calibrate": ["quantize", "M", "-o", "new.mlmodel", "--calibrate", PICTURES, "-n", "4"],
    "prune": ["prune", "M", "-o", "new.mlpackage", "--sparsity", "0.5"],
    "compare": ["compare", "M", MODEL, PICTURES],
    "compare other": ["compare", MODEL, "M", PICTURES],
    "sweep": ["sweep", "M", PICTURES, "-o", "new"],
    "visualize": ["visualize", "M", "-o", "new.html"],
    "visualize original": ["visualize", MODEL, "-o", "new.html", "--original", "M"],
    "swift": ["swift", "M", "-o", "new"],
    "convert": ["convert", "M", "-o", "new.mlpackage"],
    "export": ["convert", "M", "-o", "new.onnx"],
}
# Every command that writes, with O for where to.
WITH_OUTPUT = {
    "quantize": ["quantize", MODEL, "-o", "O.mlmodel"],
    "plot of calibration": [
        *("quantize", MODEL, "-o", "new.mlmodel", "--calibrate", PICTURES, "--max-bytes", "9000", "--plot", "O.png"),
    ],
    "prune": ["prune", "good.mlpackage", "-o", "O.mlpackage", "--sparsity", "0.5"],
    "report": ["compare", MODEL, MODEL, PICTURES, "--report", "O.html"],
    "plot of layers": ["compare", MODEL, MODEL, PICTURES, "--plot", "O.svg"],
    "visualize": ["visualize", MODEL, "-o", "O.html"],
    "convert": ["convert", MODEL, "-o", "O.mlpackage"],
    "export": ["convert", MODEL, "-o", "O.onnx"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with bad models in it; nothing may be added."""
    whole = MODEL.read_bytes()
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "text.mlmodel").write_text("a text\n")
    (tmp_path / "empty.mlmodel").write_bytes(b"")
    (tmp_path / "noise.mlmodel").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "cut.mlmodel").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "file").write_text("in the way")
    chain().save(tmp_path / "good.mlpackage")
    shutil.copytree(tmp_path / "good.mlpackage", tmp_path / "cut.mlpackage")
    inner = tmp_path / "cut.mlpackage" / "Data" / "com.apple.CoreML" / "model.mlmodel"
    inner.write_bytes(inner.read_bytes()[:-100])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLTOOLKIT_DEBUG", raising=False)
    before = sorted(tmp_path.iterdir())
    yield tmp_path
    assert sorted(tmp_path.iterdir()) == before


def check_refused(result: tuple[int, str, str], says: str) -> None:
    code, out, err = result
    assert code == 1, (out, err)
    assert err.startswith("mltoolkit: ") and err.count("\n") == 1, err
    assert says in err, err
    assert not re.search(r"\b[a-z_]+=['\d{(]", err), f"an argument of Python is named: {err}"


@pytest.mark.parametrize("command", WITH_MODEL)
@pytest.mark.parametrize("model", BAD_MODELS)
def test_bad_models(run: Run, folder: Path, command: str, model: str) -> None:
    arguments = [model if word == "M" else word for word in WITH_MODEL[command]]
    says = BAD_MODELS[model]
    if command == "convert":  # takes other sources too
        says = {"noise.mlmodel": "", "empty_folder": "no model that can be converted"}.get(model, says)
    check_refused(run(*arguments), says)


@pytest.mark.parametrize("command", WITH_OUTPUT)
@pytest.mark.parametrize("place", ["missing/new", "file/new", ""])
def test_unwritable_outputs(run: Run, folder: Path, command: str, place: str) -> None:
    pytest.importorskip("matplotlib")
    words = list(WITH_OUTPUT[command])
    where = next(index for index, word in enumerate(words) if isinstance(word, str) and word.startswith("O."))
    words[where] = f"{place}{str(words[where])[1:]}" if place else ""
    check_refused(run(*words), "there is no" if place else "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", MODEL, MODEL, "S"],
        ["compare", MODEL, MODEL, "S", "--layers"],
        ["sweep", MODEL, "S", "-o", "file"],
        ["sweep", MODEL, PICTURES, "-o", "file", "--calibration", "S"],
        ["quantize", MODEL, "-o", "new.mlmodel", "--calibrate", "S", "-n", "4"],
    ],
    ids=lambda words: " ".join(word for word in words if isinstance(word, str)),
)
@pytest.mark.parametrize(
    ("samples", "says"),
    [("missing", "does not exist"), ("empty_folder", "holds no picture"), ("file", "not a picture"), ("", "is empty")],
)
def test_bad_samples(run: Run, folder: Path, arguments: list[object], samples: str, says: str) -> None:
    words = [samples if word == "S" else word for word in arguments]
    if words[0] == "sweep":
        words[words.index("-o") + 1] = "sweep"
    check_refused(run(*words), says)
    shutil.rmtree("sweep", ignore_errors=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", MODEL, PICTURE, "--function", "main"], "no function 'main'"),
        (["inspect", MODEL, "--function", "main"], "no function 'main'"),
        (["predict", MODEL, f"image={PICTURE}", f"image={PICTURE}"], "'image' is given twice"),
        (["predict", MODEL, "x.npy"], "cannot be read: No such file"),
        (["predict", MODEL, PICTURE, "-o", "file/below"], "cannot be written: "),
        (["predict", MODEL, PICTURE, "-o", ""], "--output is empty"),
        (["quantize", MODEL, "-o", "new.mlmodel", "-m", ""], "no quantization mode ''"),
        (["quantize", MODEL, "-o", "new.mlmodel", "-m", "custom_lut"], "needs a Python function"),
        (["quantize", MODEL, "-o", "new.mlmodel", "--settings", "missing.json"], "missing.json"),
        (["quantize", MODEL, "-o", "new.mlmodel", "--target", "iOS99"], "Did you mean 'iOS18'"),
        (["quantize", MODEL, "-o", "new.mlmodel", "--block-size", "16"], "Give --granularity per_block"),
        (["quantize", MODEL, "-o", "new.mlmodel", "--group-size", "8"], "Give --granularity per_grouped_channel"),
        (["quantize", MODEL, "-o", "new.mlmodel", "--channel-axis", "7"], "--channel-axis has no effect"),
        (["prune", "good.mlpackage", "-o", "new.mlpackage"], "--threshold, --sparsity and --n-of-m"),
        (["prune", "good.mlpackage", "-o", "new.mlpackage", "--sparsity", "2"], "--sparsity is a share"),
        (["compare", MODEL, "good.mlpackage", PICTURES], "do not have the same interface"),
        (["convert", MODEL, "-o", "new.onnx", "--labels", "file"], "--labels is for Core ML models"),
        (["convert", MODEL, "-o", "new.onnx", "--input-shape", "image=?,28"], "leaves sizes open"),
        (["convert", MODEL, "-o", "new.mlmodel", "--scale", "1/255"], "--scale is for inputs that are pictures"),
        (["convert", MODEL, "-o", "new.mlmodel", "--scale", "nan", "--image", "image"], "--scale is nan"),
        (["convert", MODEL, "-o", "new.mlmodel", "--format", "mlpackag"], "Did you mean 'mlpackage'"),
        (["convert", MODEL, "-o", "new.mlmodel", "--seed", "-1"], "--seed is -1"),
        (["convert", MODEL, "-o", "new.mlmodel", "--tolerance-db", "nan"], "--tolerance-db is nan"),
        (["convert", MODEL, "-o", "new.onnx", "--tolerance-db", "-3"], "--tolerance-db is -3"),
        (["convert", MODEL, "-o", "new.mlmodel", "--author", "\udcff"], "author holds what is no character"),
    ],
    ids=lambda value: " ".join(map(str, value[:1] + value[-2:])) if isinstance(value, list) else None,
)
def test_bad_options(run: Run, folder: Path, arguments: list[object], says: str) -> None:
    check_refused(run(*arguments), says)


def test_predictions_need_a_class_to_print(run: Run) -> None:
    assert run("predict", MODEL, PICTURE, "--top", 0)[0] == 2


UNUSUAL = ["with space and ünïcode 模型", os.fsdecode(b"not-utf8-\xff")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are UTF-16 or UTF-8")
@pytest.mark.parametrize("name", UNUSUAL, ids=["unicode", "bytes"])
def test_unusual_names(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    model, pictures = f"{name}.mlmodel", f"{name} pictures"
    shutil.copy(MODEL, model)
    os.mkdir(pictures)  # noqa: PTH102  # as the shell gives it
    shutil.copy(PICTURE, f"{pictures}/{name}.png")
    for number, arguments in enumerate(
        (
            ["inspect", model],
            ["predict", model, f"{pictures}/{name}.png", "-o", f"{name} outputs"],
            ["quantize", model, "-o", f"{name} small.mlmodel"],
            ["compare", model, model, pictures, "--report", f"{name}.html", "--plot", f"{name}.svg"],
            ["sweep", model, pictures, "-o", f"{name} sweep", "--bits", "4", "-m", "linear"],
            ["visualize", model, "-o", f"{name} graph.html"],
            ["convert", model, "-o", f"{name}.mlpackage"],
        )
    ):
        for extra in ([], ["--json"]):
            words = [*arguments, *extra, *(["--force"] if extra and number in (2, 3, 5, 6) else [])]
            code, _, err = run(*words)
            assert code == 0, (words, err)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8:strict"])
def test_encodings_that_lack_characters(encoding: str, tmp_path: Path) -> None:
    """A pipe on Windows is cp1252, which has no arrow; a name that is not UTF-8 cannot be printed as it is."""
    import json
    import subprocess

    model = tmp_path / (os.fsdecode(b"\xc3\xbc\xff.mlmodel") if sys.platform == "linux" else "ü.mlmodel")
    shutil.copy(MODEL, model)
    call = [sys.executable, "-m", "mltoolkit", "quantize", model, "-o", model.with_name("small.mlmodel"), "--force"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    text = subprocess.run(call, capture_output=True, check=False, env=environment)
    assert text.returncode == 0, text.stderr
    asked = subprocess.run(
        [sys.executable, "-m", "mltoolkit", "inspect", model, "--json", "--no-shapes"],
        capture_output=True,
        check=False,
        env=environment,
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout.decode(encoding.partition(":")[0]))["file"] == str(model)
