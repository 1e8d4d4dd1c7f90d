"""What few bits do to the pictures of a style transfer network: PSNR and SSIM against its own in float32.

    python benchmarks/style_transfer_bits.py            # prints the table; contact sheets in build/style_transfer_bits
    python benchmarks/style_transfer_bits.py --write    # and puts it into docs/comparison.md, a contact sheet beside it

Needs the shared data (../shared, or $MLTOOLKIT_SHARED): FNS-Candy.mlmodel and images/free.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from measured_pages import DATA, PROJECT, benchmark_parser, measured
from PIL import Image

import mltoolkit as mlt

FOLDER = PROJECT / "build" / "style_transfer_bits"
MODES = ("linear", "kmeans", "calibrated_kmeans")
BITS = (8, 4, 3, 2)
PICTURES = ("skimage_chelsea.png", "skimage_coffee.png", "stdlib_nagasaki-boats.jpg")
CALIBRATION = ("skimage_astronaut.png", "skimage_rocket.jpg", "stdlib_acanthus-mollis.jpg", "stdlib_black-canyon.jpg")


def lines(modes: Sequence[str], bits: Sequence[int]) -> Iterator[str]:
    """The table."""
    pictures, calibration = ([DATA / "images" / "free" / name for name in names] for names in (PICTURES, CALIBRATION))
    report = mlt.sweep(
        DATA / "coreml" / "FNS-Candy.mlmodel", pictures, FOLDER, modes=modes, bits=bits, calibration_data=calibration
    )
    yield "| mode | bits | bytes | of the original | PSNR, dB | SSIM |"
    yield "|---|---|---|---|---|---|"
    for row in report.rows:
        output = row.outputs[0]
        yield (
            f"| {row.mode} | {row.nbits} | {row.bytes:,} | {row.bytes / report.original_bytes:.1%} "
            f"| {output.psnr_db:.1f} | {output.ssim:.3f} |"
        )


def put_sheet(path: Path) -> None:
    """The contact sheet of calibrated tables, small enough for a page."""
    with Image.open(FOLDER / "contact-calibrated_kmeans.png") as sheet:
        small = sheet.convert("RGB")
    small.thumbnail((920, 920))
    small.save(path, quality=70, optimize=True)


def main() -> None:
    """Measure, print, and write if asked to."""
    options = benchmark_parser(__doc__).parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)  # a sweep does not measure finished rows again
    modes, bits = (MODES[-1:], (4,)) if options.quick else (MODES, BITS)
    with measured(options, "comparison.md", markdown=True, packages=("pillow", "scikit-image")):
        print("\n".join(lines(modes, bits)))
    if options.write:
        put_sheet(options.docs / "pictures" / "style-bits.jpg")


if __name__ == "__main__":
    main()
