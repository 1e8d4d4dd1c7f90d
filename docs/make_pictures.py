"""Makes the pictures of the documentation anew from the embedded digit model: ``python docs/make_pictures.py``.

Needs Playwright and Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path

FOLDER = Path(__file__).resolve().parent / "pictures"
# Colours of a picture: enough for flat pages, and a quarter of the bytes.
COLOURS = 128


def main() -> None:
    """Quantize the digit model to three bits and photograph what the library shows of it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    original = mlt.load(digit_model_path())
    small = mlt.quantize_weights(original, 3, "kmeans")
    report = mlt.compare_models(original, small, digit_images_path(), progress=False)
    cards = "<br>".join(item._repr_html_() for item in (small, small.quantization_report, report))
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as scratch:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page_file, cards_file = Path(scratch, "page.html"), Path(scratch, "cards.html")
        mlt.visualize(small, page_file, compared_with=original)
        cards_file.write_text(f"<!doctype html><meta charset='utf-8'><body>{cards}", encoding="utf-8")
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1200, "height": 720}, color_scheme=scheme)
            page.goto(page_file.as_uri())
            layer = page.locator(".node.f-convolution").nth(1)
            layer.click()
            page.evaluate("() => { document.getElementById('panel').scrollTop = 360 }")
            keep(page.screenshot(), f"visualization-{scheme}.png")
        page = browser.new_page(viewport={"width": 980, "height": 600})
        page.goto(cards_file.as_uri())
        keep(page.screenshot(full_page=True), "notebook.png")
        browser.close()


def keep(picture: bytes, name: str) -> None:
    """Write a screenshot as a PNG with few colours."""
    image: Any = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
