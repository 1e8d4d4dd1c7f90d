"""What few bits do to the pictures of a style transfer network: PSNR and SSIM against its own in float32.

    python benchmarks/style_transfer_bits.py            # prints the table; contact sheets in build/style_transfer_bits
    python benchmarks/style_transfer_bits.py --write    # and puts it into docs/comparison.md, a contact sheet beside it

Needs the shared data (../shared, or $MLTOOLKIT_SHARED): FNS-Candy.mlmodel and images/free. Rows that were measured
stay in the folder and are not measured again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from measured_pages import DATA, PROJECT, put
from PIL import Image

import mltoolkit as mlt

DOCUMENT = PROJECT / "docs" / "comparison.md"
FOLDER = PROJECT / "build" / "style_transfer_bits"
SHEET = PROJECT / "docs" / "pictures" / "style-bits.jpg"
PICTURES = ("skimage_chelsea.png", "skimage_coffee.png", "stdlib_nagasaki-boats.jpg")
CALIBRATION = ("skimage_astronaut.png", "skimage_rocket.jpg", "stdlib_acanthus-mollis.jpg", "stdlib_black-canyon.jpg")


def lines(modes: list[str]) -> Iterator[str]:
    """The table."""
    pictures, calibration = ([DATA / "images" / "free" / name for name in names] for names in (PICTURES, CALIBRATION))
    report = mlt.sweep(
        DATA / "coreml" / "FNS-Candy.mlmodel", pictures, FOLDER, modes=modes, calibration_data=calibration
    )
    yield "| mode | bits | bytes | of the original | PSNR, dB | SSIM |"
    yield "|---|---|---|---|---|---|"
    for row in report.rows:
        output = row.outputs[0]
        yield (
            f"| {row.mode} | {row.nbits} | {row.bytes:,} | {row.bytes / report.original_bytes:.1%} "
            f"| {output.psnr_db:.1f} | {output.ssim:.3f} |"
        )


def put_sheet() -> None:
    """The contact sheet of calibrated tables, small enough for a page."""
    with Image.open(FOLDER / "contact-calibrated_kmeans.png") as sheet:
        small = sheet.convert("RGB")
    small.thumbnail((920, 920))
    small.save(SHEET, quality=70, optimize=True)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/comparison.md")
    parser.add_argument("--modes", default="linear,kmeans,calibrated_kmeans")
    arguments = parser.parse_args()
    table = list(lines(arguments.modes.split(",")))
    print("\n".join(table))
    if arguments.write:
        put(DOCUMENT, "style_transfer_bits", table)
        put_sheet()


if __name__ == "__main__":
    main()
