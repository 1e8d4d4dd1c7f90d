"""Draws the labelled digits of sample_images/digits, which digits.mlmodel never saw.

python examples/draw_sample_digits.py      # rewrites sample_images/digits/<label>/<number>.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from mltoolkit.digits.generator import digit_dataset
from mltoolkit.digits.seeds import SAMPLE_SEED

COUNT = 500


def main() -> None:
    """Write one PNG per digit."""
    parser = argparse.ArgumentParser(description="Draws the labelled digits of sample_images/digits.")
    default = Path(__file__).resolve().parent.parent / "sample_images" / "digits"
    parser.add_argument("--output", type=Path, default=default, help="folder to write (default: %(default)s)")
    arguments = parser.parse_args()

    images, labels = digit_dataset(COUNT, SAMPLE_SEED)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = arguments.output / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index // 10:03d}.png", optimize=True)
    print(f"wrote {COUNT} digits below {arguments.output}")


if __name__ == "__main__":
    main()
