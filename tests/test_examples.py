"""The notebooks in examples/ run, and print what they promise."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient


def run_notebook(path: Path, project: Path) -> str:
    """Everything that the notebook's cells print or show as text."""
    notebook = nbformat.read(path, as_version=4)
    # The notebook's kernel must find the same mltoolkit as this process, installed or not.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def test_quantize_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "quantize.ipynb", project)
    assert "neuralNetworkClassifier" in text
    agreement = re.search(r"Top 1 Agreement: (\d+\.\d) %|Top 1 Agreement: (\d+\.\d)%", text)
    assert agreement, text
    assert float(agreement[1] or agreement[2]) >= 97
    lines = re.findall(r"^(linear|kmeans)\s+(\d) bits\s+([\d,]+) bytes\s+([\d.]+)%$", text, re.MULTILINE)
    assert [(mode, int(bits)) for mode, bits, *_ in lines] == [
        (mode, bits) for mode in ("linear", "kmeans") for bits in (8, 4, 2, 1)
    ]
    sizes = [int(size.replace(",", "")) for _, _, size, _ in lines[:4]]
    assert sizes == sorted(sizes, reverse=True)


needs_plots = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")
needs_ssim = pytest.mark.skipif(find_spec("skimage") is None, reason="needs scikit-image")


@needs_plots
def test_find_the_layer_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "find_the_layer.ipynb", project)
    assert "conv2 is the first below 20.0 dB" in text
    worst = re.search(r"^conv2 is worst in itself: (-?\d+\.\d) dB$", text, re.MULTILINE)
    assert worst and float(worst[1]) < 10, text
    sizes = re.findall(r"^conv2 with (\d) bits?: ([\d,]+) bytes, top-1 agreement (\d+\.\d)%$", text, re.MULTILINE)
    assert [bits for bits, *_ in sizes] == ["1", "6"], text
    assert float(sizes[0][2]) < 60 and float(sizes[1][2]) >= 99
    small, better = (int(size.replace(",", "")) for _, size, _ in sizes)
    assert small < better < 1.2 * small
    assert "layers.png report.html report.json" in text
    assert re.search(r"^\d became \d \d+ times$", text, re.MULTILINE)


def test_upgrade_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "upgrade.ipynb", project)
    assert "digits.mlmodel (Core ML) → .mlpackage float32" in text
    assert "top-1 agreement 100.0% of 500 pictures" in text
    assert "All layers give exactly the same." in text
    half = re.search(r"^([\d,]+) → ([\d,]+) bytes, top-1 agreement (\d+\.\d)%$", text, re.MULTILINE)
    assert half, text
    before, after = (int(half[place].replace(",", "")) for place in (1, 2))
    assert after < 0.6 * before and float(half[3]) >= 99
    assert re.search(r"^7$", text, re.MULTILINE)
    assert "neuralNetworkClassifier, top-1 agreement 100.0%" in text


OIL_PAINTING_BYTES = 500_000


def test_onnx_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "onnx_to_core_ml.ipynb", project)
    assert "oil_painting.onnx (ONNX) → .mlmodel float32" in text
    assert text.count("agrees  ≥ 60 dB") >= 2, text
    assert "photo → painting" in text
    half = re.search(r"^([\d,]+) → ([\d,]+) bytes, PSNR (\d+\.\d) dB$", text, re.MULTILINE)
    assert half, text
    before, after = (int(half[place].replace(",", "")) for place in (1, 2))
    assert after < 0.6 * before
    # Half precision has 11 bits, some 66 dB; a pixel that rounds the other way is one step of 256, 48 dB.
    assert float(half[3]) > 45
    found = re.search(r"^(\d+) layer outputs in common, the lowest at (\d+) dB$", text, re.MULTILINE)
    assert found and int(found[1]) >= 20 and int(found[2]) > 40, text
    assert re.search(r"^and back again: SNR (inf|\d{3}\.\d*) dB$", text, re.MULTILINE), text


@needs_plots
@needs_ssim
def test_style_transfer_notebook(project: Path) -> None:
    assert (project / "examples" / "oil_painting.onnx").stat().st_size < OIL_PAINTING_BYTES
    text = run_notebook(project / "examples" / "style_transfer.ipynb", project)
    rows = re.findall(r"^(\w+) +(\d) +([\d,]+) +([\d.]+) % +(-?[\d.]+) +([\d.]+) +([\d.]+)$", text, re.MULTILINE)
    modes = ("linear", "kmeans", "calibrated_kmeans")
    assert [(mode, int(bits)) for mode, bits, *_ in rows] == [
        (mode, bits) for mode in modes for bits in (8, 4, 3, 2)
    ], text
    psnr = {}
    for mode in modes:
        sizes, psnr[mode], likeness = (
            [float(row[column].replace(",", "")) for row in rows if row[0] == mode] for column in (2, 5, 6)
        )
        assert sizes == sorted(sizes, reverse=True)
        assert psnr[mode] == sorted(psnr[mode], reverse=True) and psnr[mode][0] > 45, rows
        assert likeness == sorted(likeness, reverse=True) and likeness[0] > 0.99, rows
    # Measured: 12.4 dB and 28.6 dB at 2 bits.
    assert psnr["calibrated_kmeans"][3] > psnr["kmeans"][3] + 10, rows
    assert "the best below an eighth of the bytes: calibrated_kmeans 3 bits, SSIM 0.9" in text
    assert "contact-calibrated_kmeans.png contact-kmeans.png contact-linear.png plot.png rows sweep.csv" in text


@pytest.mark.skipif(find_spec("torch") is None or find_spec("onnxscript") is None, reason="needs torch and onnxscript")
def test_oil_painting_script(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    monkeypatch.syspath_prepend(str(project / "examples"))
    painting, script = import_module("oil_painting"), import_module("train_oil_painting")
    flat = torch.full((1, 3, 12, 12), 0.25)
    # Sums of squares in float32.
    assert torch.allclose(painting.oil_filter(flat), flat, atol=1e-5)
    edge = torch.zeros(1, 3, 12, 12)
    edge[..., 6:] = 0.5
    assert torch.allclose(painting.oil_filter(edge), edge, atol=1e-5), "edges stay as they are"
    pictures = [script.load(script.PHOTOGRAPHS / "coffee.png", 120)]
    given = script.batch(pictures, np.random.default_rng(0))
    assert given.shape == (script.BATCH, 3, script.CROP, script.CROP)
    assert 0 <= float(given.min()) < float(given.max()) <= 1
    torch.manual_seed(0)
    model = painting.OilPainter()
    before = float(script.loss_of(model(given * 255) / 255, painting.oil_filter(given)).detach())
    script.train(model, pictures, 12)
    after = float(script.loss_of(model(given * 255) / 255, painting.oil_filter(given)).detach())
    assert after < before, (before, after)
    script.export(model, tmp_path / "painter.onnx")
    converted = import_module("mltoolkit").convert(
        tmp_path / "painter.onnx", verification_inputs=[{"photo": np.zeros((1, 3, 256, 256), np.float32)}]
    )
    assert [feature.name for feature in (*converted.inputs, *converted.outputs)] == ["photo", "painting"]
    for name in ("oil_painting", "train_oil_painting"):
        sys.modules.pop(name, None)


needs_keras = pytest.mark.skipif(
    find_spec("keras") is None or find_spec("torch") is None, reason="needs Keras and torch"
)


@needs_keras
def test_spatial_transformer_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "spatial_transformer.ipynb", project)
    figures = re.search(r"with the transformer (\S+)%, without (\S+)% of 1000 ", text)
    assert figures, text
    assert float(figures[1]) >= 97
    assert float(figures[2]) < float(figures[1])
    assert "custom_conversion_functions = {\n    'GridSampler': convert_grid_sampler,\n}" in text
    assert len(re.findall(r"largest difference from Keras \d\.\de-0[5-9]|difference from Keras 0", text)) == 2, text
    assert "Sources/CustomLayers/GridSampler.metal" in text
    assert "'resample': 1" in text


@pytest.fixture
def examples(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder of examples, importable, where no shared data is at hand."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    if import_module("keras").backend.backend() != "torch":
        pytest.skip("the examples train with torch")
    monkeypatch.syspath_prepend(str(project / "examples"))
    monkeypatch.setenv("MLTOOLKIT_SHARED", str(tmp_path))
    yield project / "examples"
    for name in ("cluttered_digits", "spatial_transformer", "train_spatial_transformer"):
        sys.modules.pop(name, None)


@needs_keras
def test_shipped_transformer_reads_drawn_digits(examples: Path) -> None:
    """The notebook's figures where cluttered MNIST is not at hand."""
    keras = import_module("spatial_transformer").keras
    source, pictures, labels = import_module("cluttered_digits").unseen_digits()
    assert source == "drawn digits"
    right = {}
    for name in ("spatial_transformer", "without_transformer"):
        path = examples / f"{name}.keras"
        assert path.stat().st_size <= 1_000_000
        answers = keras.models.load_model(path).predict(pictures, batch_size=250, verbose=0)
        right[name] = float((answers.argmax(axis=1) == labels).mean())
    assert right["spatial_transformer"] >= 0.97, right
    assert right["without_transformer"] < right["spatial_transformer"] - 0.01, right


@needs_keras
def test_training_script(examples: Path, tmp_path: Path) -> None:
    script = import_module("train_spatial_transformer")
    networks = import_module("spatial_transformer")
    pictures, labels = script.training_digits(40)
    assert pictures.shape == (40, 40, 40, 1)
    assert (pictures.min(), pictures.max()) == (0, 1)
    moved = script.moved(pictures, np.random.default_rng(0))
    assert moved.shape == pictures.shape
    assert 0.01 < np.abs(moved - pictures).mean() < 0.2
    model = networks.spatial_transformer()
    before = [weight.copy() for weight in model.get_weights()]
    script.train(model, pictures, labels, epochs=1)
    script.save_without_optimizer(model, networks.spatial_transformer(), tmp_path / "model.keras")
    after = networks.keras.models.load_model(tmp_path / "model.keras").get_weights()
    assert all(np.array_equal(saved, trained) for saved, trained in zip(after, model.get_weights(), strict=True))
    assert sum(not np.array_equal(saved, old) for saved, old in zip(after, before, strict=True)) > len(before) // 2
