"""How fast the pages of mltoolkit.visualize are made, open and move in headless Chromium.

    python benchmarks/visualization.py [--write]

Needs Playwright and Chromium; real models come from the shared data where it is there. "Opened" is the time from the
navigation to the second frame that was drawn; a frame of moving is the median of thirty steps of the wheel.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measured_pages import DATA, benchmark_parser, measured
from playwright.sync_api import Browser, sync_playwright

import mltoolkit as mlt
from mltoolkit.digits import digit_model_path
from mltoolkit.formats.protobuf import new_model
from mltoolkit.model import Model

_REAL = ("SqueezeNet_fp32.mlmodel", "basic_pitch_nmp.mlpackage", "DeepLabV3Int8LUT.mlmodel", "pose_cpm.mlmodel")
_FRAMES = 30
_LENGTHS = (1000, 5000, 15_000)
_MOVE = """async (steps) => {
  const stage = document.getElementById("stage"), times = [];
  let last = performance.now();
  for (let step = 0; step < steps; step += 1) {
    stage.dispatchEvent(new WheelEvent("wheel", { deltaY: 40, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return times.sort((a, b) => a - b)[steps >> 1];
}"""


def chain(count: int, size: int = 8) -> Model:
    """Layers one after the other, half of them with weights, every eighth with a shortcut around seven."""
    spec: Any = new_model()
    spec.specificationVersion = 4
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        kind = features.add(name=name).type.multiArrayType
        kind.dataType = 65568
        kind.shape.append(size)
    spec.neuralNetwork.arrayInputShapeMapping = 1
    values = np.random.default_rng(0)
    last = early = "x"
    for index in range(count):
        made = "y" if index == count - 1 else f"v{index}"
        layer = spec.neuralNetwork.layers.add(name=f"layer {index}", input=[last], output=[made])
        if index % 8 == 7:
            layer.input.append(early)
            layer.addBroadcastable.SetInParent()
            early = made
        elif index % 2:
            layer.activation.ReLU.SetInParent()
        else:
            layer.innerProduct.inputChannels = layer.innerProduct.outputChannels = size
            layer.innerProduct.weights.floatValue.extend(values.normal(size=size * size).tolist())
        last = made
    return Model.from_spec(spec)


def models(lengths: Iterable[int]) -> Iterator[tuple[str, Model]]:
    """Real ones, then chains of layers."""
    yield "digits.mlmodel", mlt.load(digit_model_path())
    for name in _REAL:
        if (DATA / "coreml" / name).exists():
            yield name, mlt.load(DATA / "coreml" / name)
    for count in lengths:
        yield f"a chain of {count:,} layers", chain(count)


def main() -> None:
    """Measure, print, and write if asked to."""
    options = benchmark_parser(__doc__).parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with measured(options, "visualization.md", markdown=True, packages=("playwright",)):
            print("| model | layers | made, s | page, kB | opened, s | frame, ms |\n|---|--:|--:|--:|--:|--:|")
            for name, model in models(_LENGTHS[:1] if options.quick else _LENGTHS):
                print(_row(name, model, Path(folder, "page.html"), browser))
            print(f"\nChromium {browser.version}, headless, without a graphics card")
        browser.close()


def _row(name: str, model: Model, path: Path, browser: Browser) -> str:
    start = time.perf_counter()
    shown = mlt.visualize(model, path)
    made = time.perf_counter() - start
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    start = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]", state="attached")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    opened = time.perf_counter() - start
    layers = page.locator(".node.layer").count()
    frame = page.evaluate(_MOVE, _FRAMES)
    page.close()
    size = len(shown.html.encode()) / 1000
    return f"| {name} | {layers:,} | {made:.2f} | {size:,.0f} | {opened:.2f} | {frame:.0f} |"


if __name__ == "__main__":
    main()
