"""Trains the spatial transformer of spatial_transformer.ipynb, and the same network without the transformer.

    pip install "mltoolkit[keras,train]"
    python examples/train_spatial_transformer.py    # writes both .keras files beside it

Trained on digits that mltoolkit draws and, where its file lies beside the checkout, on cluttered MNIST. Both networks
see the same pictures in the same order.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cluttered_digits import (
    SIZE,
    TEST_SEED,
    TRAINING_SEED,
    Labels,
    Pictures,
    cluttered_mnist,
    drawn_digits,
    shared_file,
)
from spatial_transformer import keras, spatial_transformer, without_transformer

from mltoolkit.custom_layers.grid_sampler import GridSampler

SEED = 5
BATCH = 128


def training_digits(count: int) -> tuple[Pictures, Labels]:
    """Drawn digits, and cluttered MNIST where it is at hand."""
    parts = [drawn_digits(count, TRAINING_SEED)]
    path = shared_file()
    if path is not None:
        parts.append(cluttered_mnist(path, "train"))
    pictures, labels = zip(*parts, strict=True)
    return np.concatenate(pictures), np.concatenate(labels)


def moved(pictures: Pictures, rng: np.random.Generator) -> Pictures:
    """Pictures turned by up to 12°, scaled by up to an eighth and shifted by up to 2 pixels, each in its own way."""
    count = len(pictures)
    angle = np.deg2rad(rng.uniform(-12, 12, count))
    scale = rng.uniform(7 / 8, 9 / 8, count)
    shift = rng.uniform(-0.1, 0.1, (2, count))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    theta = np.stack([cos, -sin, shift[0], sin, cos, shift[1]], axis=1).astype(np.float32)
    layer = GridSampler({"output_height": SIZE, "output_width": SIZE}, [])
    return layer.evaluate([pictures.transpose(0, 3, 1, 2), theta])[0].transpose(0, 2, 3, 1)


def train(model: Any, pictures: Pictures, labels: Labels, epochs: int) -> None:
    """Fit a network: AdamW, warm-up and cosine decay, cross-entropy.

    Args:
        model: the Keras model.
        pictures: float32 (n, 40, 40, 1) in 0..1.
        labels: (n,).
        epochs: passes over the pictures, moved anew each time.
    """
    steps = epochs * -(-len(pictures) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-4, steps - steps // 5, warmup_target=4e-3, warmup_steps=steps // 5)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        started = time.perf_counter()
        rng = np.random.default_rng((SEED, epoch))
        seen = model.fit(moved(pictures, rng), labels, batch_size=BATCH, verbose=0).history
        seconds = time.perf_counter() - started
        loss, accuracy = seen["loss"][-1], seen["accuracy"][-1]
        print(f"epoch {epoch + 1}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.2%}, {seconds:.0f} s", flush=True)


def accuracy(model: Any, pictures: Pictures, labels: Labels) -> float:
    """Share of pictures whose most probable class is their label."""
    return float((model.predict(pictures, batch_size=250, verbose=0).argmax(1) == labels).mean())


def save_without_optimizer(trained: Any, fresh: Any, path: Path) -> None:
    """Save a trained network as one that was never compiled, without the optimizer's state."""
    fresh.set_weights(trained.get_weights())
    fresh.save(path)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Trains the spatial transformer of the notebook.")
    folder = Path(__file__).resolve().parent
    parser.add_argument("--output", type=Path, default=folder, help="folder to write (default: %(default)s)")
    parser.add_argument("--count", type=int, default=10_000, help="digits to draw (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--only", help="train this network alone: spatial_transformer or without_transformer")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    pictures, labels = training_digits(arguments.count)
    tests = {"drawn digits": drawn_digits(1000, TEST_SEED)}
    path = shared_file()
    if path is not None:
        tests["cluttered MNIST"] = cluttered_mnist(path, "test")
    print(f"{len(pictures)} pictures to train on", flush=True)
    for build in (spatial_transformer, without_transformer):
        if arguments.only not in (None, build.__name__):
            continue
        keras.utils.set_random_seed(SEED)
        model = build()
        train(model, pictures, labels, arguments.epochs)
        target = arguments.output / f"{build.__name__}.keras"
        save_without_optimizer(model, build(), target)
        for name, (unseen, truth) in tests.items():
            print(f"{build.__name__}, {name}: {accuracy(model, unseen, truth):.2%}")
        print(f"wrote {target}: {model.count_params()} parameters, {target.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
