"""Trains the network of style_transfer.ipynb and onnx_to_core_ml.ipynb on the photographs of sample_images/.

    pip install "mltoolkit[train]" onnxscript
    python examples/train_oil_painting.py    # writes oil_painting.onnx beside it

The cat of chelsea.png, which the notebooks show, is not among the pictures that it learns from.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from oil_painting import SIZE, OilPainter, oil_filter
from PIL import Image
from torch import Tensor
from torch.nn import functional

PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "sample_images" / "photographs"
HELD_OUT = "chelsea.png"
SEED = 7
BATCH = 6
CROP = 96


def load(path: Path, side: int) -> Tensor:
    """A photograph, (3, H, W) from 0 to 1, its shorter side of that length."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    scale = side / min(rgb.size)
    small = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small, np.float32).transpose(2, 0, 1) / 255)


def batch(pictures: Sequence[Tensor], rng: np.random.Generator) -> Tensor:
    """Random cuts, mirrored, their colours exchanged, tinted and brightened at random."""
    cuts = []
    for _ in range(BATCH):
        picture = pictures[rng.integers(len(pictures))]
        top, left = (int(rng.integers(size - CROP + 1)) for size in picture.shape[1:])
        cut = picture[rng.permutation(3).tolist(), top : top + CROP, left : left + CROP]
        if rng.random() < 0.5:
            cut = cut.flip(2)
        tint = torch.from_numpy(rng.uniform(0.6, 1.2, (3, 1, 1)).astype(np.float32))
        cuts.append(torch.clamp(cut * tint + float(rng.uniform(-0.1, 0.1)), 0, 1))
    return torch.stack(cuts)


def loss_of(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance of the pixels, and of the differences between neighbours, which keeps edges sharp."""
    loss = functional.l1_loss(made, wanted)
    for axis in (2, 3):
        loss = loss + functional.l1_loss(made.diff(dim=axis), wanted.diff(dim=axis))
    return loss


def train(model: OilPainter, pictures: Sequence[Tensor], steps: int) -> float:
    """Adam with one cosine decay; returns the mean loss of the last tenth."""
    rng = np.random.default_rng(SEED)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    losses = []
    for _ in range(steps):
        given = batch(pictures, rng)
        loss = loss_of(model(given * 255) / 255, oil_filter(given))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-max(1, steps // 10) :]))


def export(model: OilPainter, path: Path) -> None:
    """Write the network as ONNX."""
    model.eval()
    program = torch.onnx.export(
        model,
        (torch.zeros(1, 3, SIZE, SIZE),),
        input_names=["photo"],
        output_names=["painting"],
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # dynamo gives one
    # Where each operation stands in the source file of this machine.
    for node in program.model.graph:
        node.metadata_props.clear()
        node.meta.clear()
    program.save(path, external_data=False)


def main() -> None:
    """Train, measure on the picture held out, and write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("oil_painting.onnx"))
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    paths = sorted(path for path in PHOTOGRAPHS.iterdir() if path.suffix in (".jpg", ".png") and path.name != HELD_OUT)
    pictures = [load(path, side) for path in paths for side in (160, 256)]
    model = OilPainter()
    started = time.process_time()
    loss = train(model, pictures, options.steps)
    seconds = time.process_time() - started
    cat = load(PHOTOGRAPHS / HELD_OUT, SIZE)[None, :, :SIZE, :SIZE]
    with torch.no_grad():
        error = float(((model(cat * 255) / 255 - oil_filter(cat)) ** 2).mean())
    export(model, options.output)
    print(f"loss {loss:.4f}, held out {-10 * np.log10(error):.1f} dB PSNR, {seconds:.0f} CPU seconds")


if __name__ == "__main__":
    main()
