"""Draw pictures of README.md from what mltoolkit really gives: ``python docs/pictures/draw.py [bits] [report]``.

- bits.svg: agreement against size, from the measured tables of docs/calibration.md where they are, else from that of
  docs/quantization.md; draw it again when they change.
- report.png: what the comparison of the digit classifier with itself at 3 bits shows in a notebook.

The first needs matplotlib, the second playwright and Chromium (``chromium`` on the path, or playwright's own).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGES = FOLDER.parent
# A row of docs/quantization.md: mode, bits, bytes, agreement, interval.
DATA_FREE = re.compile(r"^\| (\w+) \| (\d+) \| ([\d,]+) \| ([\d.]+)% \| ([\d.]+)% \.\. ([\d.]+)% \|", re.MULTILINE)
# Of docs/calibration.md: a table of agreements with a column a method, and one with the bytes, a row a method.
AGREEMENTS = re.compile(
    r"^\| bits \| (?P<methods>[^\n]+) \| asked for \|\n[^\n]+\n(?P<rows>(?:\| \d+ \|[^\n]+\n)+)", re.MULTILINE
)
CELL = re.compile(r"([\d.]+) % \(([\d.]+)–([\d.]+)\)")
BYTES = re.compile(r"^\| (\d+) \| ([^|(]+?)(?: \([^|]*\))? \| ([\d,]+) \| [\d.]+ %", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """One row: percent for the agreement and the ends of its interval."""

    mode: str
    bits: int
    bytes: int
    agreement: float
    low: float
    high: float


def measured() -> list[Measured]:
    """The rows to draw."""
    page = PAGES / "calibration.md"
    found = calibrated_rows(page.read_text(encoding="utf-8")) if page.is_file() else []
    return found or data_free_rows((PAGES / "quantization.md").read_text(encoding="utf-8"))


def data_free_rows(text: str) -> list[Measured]:
    """The rows of docs/quantization.md."""
    return [
        Measured(mode, int(bits), int(size.replace(",", "")), *map(float, rest))
        for mode, bits, size, *rest in DATA_FREE.findall(text)
    ]


def calibrated_rows(text: str) -> list[Measured]:
    """What both tables of docs/calibration.md have, put together by bits and method."""
    table = AGREEMENTS.search(text)
    if not table:
        return []
    methods = table["methods"].split(" | ")
    sizes = {(int(bits), method): int(size.replace(",", "")) for bits, method, size in BYTES.findall(text)}
    rows = []
    for line in table["rows"].splitlines():
        bits, *cells = line.strip("| ").split(" | ")
        for method, cell in zip(methods, cells, strict=False):
            if (numbers := CELL.fullmatch(cell)) and (int(bits), method) in sizes:
                rows.append(Measured(method, int(bits), sizes[int(bits), method], *map(float, numbers.groups())))
    return rows


def fingerprint(rows: list[Measured]) -> str:
    """What the drawing carries, to tell whether the table has changed since."""
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def bits() -> None:
    """Agreement against bytes, a line a mode, with the 95 % intervals."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same rows give the same file.
    mpl.rcParams.update({"svg.hashsalt": "mltoolkit", "svg.fonttype": "path", "font.size": 11})
    rows = measured()
    figure, axes = plt.subplots(figsize=(8, 4.2))
    axes.set_facecolor("white")
    for index, mode in enumerate(dict.fromkeys(row.mode for row in rows if row.bits <= 8)):
        line = sorted((row for row in rows if row.mode == mode and row.bits >= 2), key=lambda row: row.bytes)
        size, agreement = [row.bytes / 1e6 for row in line], [row.agreement for row in line]
        low = [row.agreement - row.low for row in line]
        high = [row.high - row.agreement for row in line]
        axes.errorbar(size, agreement, [low, high], marker="o", markersize=5, capsize=2, label=mode, color=f"C{index}")
    best = {
        bits: max((row for row in rows if row.bits == bits), key=lambda row: row.agreement)
        for bits in range(2, 9)
        if any(row.bits == bits for row in rows)
    }
    for row in best.values():
        place = (row.bytes / 1e6, row.agreement)
        axes.annotate(f"{row.bits} bits", place, (-6, 8), textcoords="offset points", ha="right", fontsize=9)
    full = re.search(
        r"^\| float32 \| 32 \| ([\d,]+) \|", (PAGES / "quantization.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    whole = f", {int(full[1].replace(',', '')) / 1e6:.1f} MB as float32" if full else ""
    axes.set(xlabel="megabytes of the file", ylabel="same answer as float32, %", ylim=(-3, 106))
    axes.set_title(f"SqueezeNet{whole}", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    metadata = {"Date": None, "Description": f"drawn from table {fingerprint(rows)} of the documentation"}
    figure.savefig(FOLDER / "bits.svg", metadata=metadata, facecolor="white")


def report() -> None:
    """The comparison as a notebook shows it."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    import mltoolkit as mlt
    from mltoolkit.digits import digit_images_path, digit_model_path

    small = mlt.quantize_weights(digit_model_path(), 3, "kmeans")
    card = mlt.compare_models(digit_model_path(), small, digit_images_path(), max_worst=3, progress=False)._repr_html_()
    with sync_playwright() as playwright:
        # In a container Chromium's own sandbox cannot be made; the page is ours.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 760, "height": 300}, color_scheme="light")
        page.set_content(f"<body style='font: 14px sans-serif; margin: 8px'>{card}")
        page.screenshot(path=FOLDER / "report.png", full_page=True)
        browser.close()
    # 64 colours are enough for a page, and a third of the bytes.
    picture = Image.open(FOLDER / "report.png").convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(FOLDER / "report.png", optimize=True)


def main() -> None:
    """Draw what is asked for, else all."""
    drawings = {"bits": bits, "report": report}
    for name in sys.argv[1:] or drawings:
        drawings[name]()


if __name__ == "__main__":
    main()
