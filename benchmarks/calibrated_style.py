"""A style network of few bits: PSNR and SSIM of its pictures, calibrated against data-free, and a contact sheet.

    python benchmarks/calibrated_style.py              # prints the table
    python benchmarks/calibrated_style.py --write      # and puts it into docs/calibration.md, the sheet beside it

Needs the shared data (../shared, or $MLTOOLKIT_SHARED): FNS-Candy.mlmodel (720 × 720), calibrated with pictures of
images/imagenet and tested on images/free, which may be shown. PSNR and SSIM are between the pictures of the float32
and the quantized network; their 95 % intervals are bootstrapped over pictures. Results are kept in
build/calibrated_style.json.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from calibrated_others import methods
from measured_pages import DATA, PROJECT, Clock, Results, put
from PIL import Image

import mltoolkit as mlt
from mltoolkit.comparison.metrics import psnr_db
from mltoolkit.comparison.similarity import ssim
from mltoolkit.sweeps.contact_sheet import SheetColumn, contact_sheet
from mltoolkit.sweeps.tiles import TILE_SIZE

FILE = DATA / "coreml" / "FNS-Candy.mlmodel"
DOCUMENT = PROJECT / "docs" / "calibration.md"
SHEET = PROJECT / "docs" / "pictures" / "calibrated-style.png"
BITS = (8, 4, 3, 2)
SHOWN = ("skimage_chelsea.png", "stdlib_locomotion-house-cat.jpg")
SHOWN_BITS = (3, 2)
MOST_BYTES = 300_000
SIZE = 720


def pictures(quick: bool) -> tuple[list[Image.Image], dict[str, Image.Image]]:
    """Pictures to calibrate with, and those to test with by name; the middle square of each."""
    names = sorted((DATA / "images" / "imagenet").glob("*.JPEG"))
    order = np.random.default_rng(0).permutation(len(names))[: 2 if quick else 16]
    free = sorted((DATA / "images" / "free").iterdir())
    free = [path for path in free if path.suffix in (".png", ".jpg") and (not quick or path.name in SHOWN)]
    return [_square(names[index]) for index in order], {path.name: _square(path) for path in free}


def _square(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def styled(model: mlt.Model, picture: Image.Image) -> Image.Image:
    """What the network makes of a picture."""
    (made,) = model.predict({model.inputs[0].name: picture}).values()
    return Image.fromarray(np.asarray(made.convert("RGB")))


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of a mean, by a seeded bootstrap."""
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def measure(results: Results, tiles: Path, quick: bool) -> tuple[list[str], list[SheetColumn]]:
    """The table, and the columns of the sheet."""
    samples, tests = pictures(quick)
    model = mlt.load(FILE)
    expected = {name: styled(model, picture) for name, picture in tests.items()}
    size = f"{model.spec.ByteSize() / 1e6:.2f} MB"
    columns = [_column(tiles, ("picture", ""), tests), _column(tiles, ("float32", size), expected)]
    lines = ["| bits | method | bytes | PSNR, dB | SSIM | seconds | CPU seconds |", "|--:|---|--:|--:|--:|--:|--:|"]
    for nbits in SHOWN_BITS[1:] if quick else BITS:
        for method, make in methods(FILE, nbits, samples, theirs=False):
            with Clock() as clock:
                small = make()
            made = {name: styled(small, picture) for name, picture in tests.items()}
            pairs = [(np.asarray(expected[name]), np.asarray(made[name])) for name in tests]
            psnr = [psnr_db(first, second, peak=255) for first, second in pairs]
            similar = [ssim(first.transpose(2, 0, 1), second.transpose(2, 0, 1)) for first, second in pairs]
            row = {"bytes": small.spec.ByteSize(), **clock.seconds, "psnr": psnr, "ssim": similar}
            results.measure(f"{method}, {nbits} bits", row.copy)
            lines.append(
                f"| {nbits} | {method} | {row['bytes']:,} | {_mean(psnr, 1)} | {_mean(similar, 3)} "
                f"| {clock.wall:.1f} | {clock.cpu:.1f} |"
            )
            if nbits in SHOWN_BITS:
                head = f"{nbits} bits, {method.removesuffix(' k-means')}", f"{row['bytes'] / 1e3:.0f} kB"
                columns.append(
                    _column(tiles, head, made, dict(zip(tests, zip(psnr, similar, strict=True), strict=True)))
                )
    return lines, columns


def _mean(values: list[float], digits: int) -> str:
    low, high = interval(values)
    return f"{np.mean(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _column(
    tiles: Path,
    head: tuple[str, str],
    made: dict[str, Image.Image],
    measured: dict[str, tuple[float, float]] | None = None,
) -> SheetColumn:
    """Some of the pictures, with PSNR and SSIM where they are known."""
    files: list[Path | None] = []
    for name in SHOWN:
        file = tiles / f"{head[0]} {name}.png"
        made[name].resize((TILE_SIZE, TILE_SIZE), Image.Resampling.LANCZOS).save(file)
        files.append(file)
    captions = [
        (f"PSNR {measured[name][0]:.1f} dB", f"SSIM {measured[name][1]:.3f}") if measured else ("", "")
        for name in SHOWN
    ]
    return SheetColumn(head, files, captions)


def save_sheet(sheet: Image.Image) -> int:
    """Write the sheet with as many colours as its most bytes allow."""
    for colours in (256, 192, 128, 96, 64, 48, 32):
        stream = io.BytesIO()
        sheet.quantize(colours, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
        if stream.tell() < MOST_BYTES:
            SHEET.write_bytes(stream.getvalue())
            return stream.tell()
    raise SystemExit(f"the sheet takes {stream.tell():,} bytes")


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few pictures and bits, to try it out")
    parser.add_argument("--write", action="store_true", help="put the table and the sheet into docs/")
    options = parser.parse_args()
    # Pictures are not kept, so neither are results.
    results = Results("calibrated_style_quick" if options.quick else "calibrated_style", fresh=True)
    with tempfile.TemporaryDirectory() as folder:
        lines, columns = measure(results, Path(folder), options.quick)
        print("\n".join(lines), flush=True)
        sheet = contact_sheet("FNS-Candy in few bits: data-free tables and calibrated ones of the same size", columns)
    if options.write:
        put(DOCUMENT, "calibrated style", lines)
        print(f"{SHEET}: {save_sheet(sheet):,} bytes")


if __name__ == "__main__":
    main()
