"""Trains the digit classifier that is embedded in mltoolkit, and writes it as a Core ML file.

    pip install "mltoolkit[train]"
    python examples/train_digits.py                        # writes mltoolkit/digits/digits.mlmodel
    python examples/train_digits.py --mnist mnist.npz      # also measures a data set of real handwriting

Every picture is drawn by mltoolkit.digits.generator; no other data is seen. On one machine and with as many
threads the file comes out the same, byte for byte; elsewhere sums may round differently.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from digit_network import DigitNetwork
from digit_spec import digit_spec

import mltoolkit.digits
from mltoolkit.digits.generator import digit_dataset
from mltoolkit.digits.seeds import TRAINING_SEED, VALIDATION_SEED

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def train(images: Images, labels: Labels, epochs: int, batch: int = 128) -> DigitNetwork:
    """Fit a new network: AdamW, one-cycle learning rate, cross-entropy.

    Args:
        images: uint8 of shape (n, 28, 28).
        labels: uint8 of shape (n,).
        epochs: passes over the data.
        batch: pictures per step.
    """
    torch.manual_seed(TRAINING_SEED)
    torch.use_deterministic_algorithms(True)
    network = DigitNetwork()
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        network.train()
        total = torch.zeros(())
        started = time.perf_counter()
        for chosen in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            loss = torch.nn.functional.cross_entropy(network(pixels(x[chosen])), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        seconds = time.perf_counter() - started
        mean = total / (len(x) // batch)
        print(f"epoch {epoch + 1}/{epochs}: loss {mean:.4f}, {seconds:.0f} s", flush=True)
    return network.eval()


def pixels(images: torch.Tensor) -> torch.Tensor:
    """uint8 (n, 28, 28) → float32 (n, 1, 28, 28) in 0..1, as the Core ML file's preprocessing does."""
    return images[:, None].float() * (1 / 255)


@torch.inference_mode()
def accuracy(network: DigitNetwork, images: Images, labels: Labels) -> float:
    """Share of pictures whose most probable class is their label."""
    guesses = [network(pixels(torch.from_numpy(part))).argmax(1) for part in np.array_split(images, 20)]
    return float((torch.cat(guesses).numpy() == labels).mean())


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Trains the embedded digit classifier.")
    default = Path(mltoolkit.digits.__file__).parent / "digits.mlmodel"
    parser.add_argument("--output", type=Path, default=default, help="file to write (default: %(default)s)")
    parser.add_argument("--count", type=int, default=80_000, help="training pictures (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--mnist", type=Path, help="mnist.npz (x_test, y_test): measured, never trained on")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    print(f"drawing {arguments.count} digits", flush=True)
    network = train(*digit_dataset(arguments.count, TRAINING_SEED), arguments.epochs)
    print(f"held-out digits (10,000): {accuracy(network, *digit_dataset(10_000, VALIDATION_SEED)):.2%}")
    if arguments.mnist:
        with np.load(arguments.mnist) as data:
            print(f"MNIST test digits: {accuracy(network, data['x_test'], data['y_test']):.2%}")

    content = digit_spec(network).SerializeToString(deterministic=True)
    arguments.output.write_bytes(content)
    parameters = sum(p.numel() for p in network.parameters())
    print(f"wrote {arguments.output}: {parameters} trained parameters, {len(content)} bytes")


if __name__ == "__main__":
    main()
