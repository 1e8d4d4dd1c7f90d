"""The Swift of every shipped layer, compiled and run on Linux against the Python references.

``evaluate`` in float32, double and half over ranks, strides and batches; ``encode`` through a command buffer that
counts every texel's writes. What only a Mac can show is in docs/custom-layers.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from layer_models import network_of_layers, shipped_layers
from swift_toolchain import HOW, swift, toolchain

import mltoolkit as mlt
from mltoolkit.swift_package import write_swift_package

pytestmark = [
    pytest.mark.skipif(toolchain() is None, reason=HOW),
    pytest.mark.skipif(sys.platform != "linux", reason="the package's stand-ins for Core ML and Metal are for Linux"),
]

UNHEARD = ("Unheard", {"alpha": 0.5, "count": 3, "mode": "x", "flag": True, "class": "k"}, (), 1)

# file, what is right, what is planted
FAULTS = {
    "strides ignored": ("LayerTensor.swift", "position + index * step", "position + index"),
    "half bits not rounded": ("LayerTensor.swift", "kept + up - 112 << 10", "kept - 112 << 10"),
    "W for W − 1": ("GridSampler.swift", "pixel *= Scalar(size - 1) / 2", "pixel *= Scalar(size) / 2"),
    "theta swapped": ("GridSampler.swift", "t[0] * u + t[1] * v + t[2]", "t[0] * v + t[1] * u + t[2]"),
    "the first map for all": ("GridSampler.swift", "(6 * picture)..<(6 * picture + 6)", "0..<6"),
    "truncation for floor": ("GridSampler.swift", "pixel.rounded(.down)", "pixel.rounded(.towardZero)"),
    "channels of the first picture": ("GridSampler.swift", "(picture * channels + channel) * rows", "channel * rows"),
    "parameter struct too small": ("GridSampler.swift", "        var likeEarlyKeras: Int32\n", ""),
    "committed": ("LayerKernel.swift", "encoder.endEncoding()", "encoder.endEncoding(); commandBuffer.commit()"),
    "encoder left open": ("LayerKernel.swift", "        encoder.endEncoding()\n", ""),
    "grid rounded down": ("LayerKernel.swift", "(output.width + width - 1) / width", "output.width / width"),
    "slices not dispatched": ("LayerKernel.swift", "depth: output.arrayLength)", "depth: 1)"),
    "ε forgotten": ("GroupNorm.swift", "+ Scalar(epsilon)", ""),
    "group of the wrong channels": ("GroupNorm.swift", "group % groups * each + channel", "channel"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swift") / "shipped_layers"
    model = mlt.Model.from_spec(network_of_layers([*shipped_layers(), UNHEARD]))
    written = write_swift_package(model, folder)
    assert written.stubs == ("Unheard",)
    return folder


def test_the_package_builds_and_its_tests_pass(package: Path) -> None:
    result = swift(package, "test")
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    passed = re.findall(r"Test Case '(\S+)' passed", output)
    assert sorted(passed) == [
        "CustomLayerTests.testDoublesStayDoubles",
        "CustomLayerTests.testEvaluateEqualsTheReference",
        "CustomLayerTests.testHalvesAreRoundedToNearest",
        "CustomLayerTests.testOutputShapes",
        "EncodeTests.testEncodeEqualsTheReference",
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(package: Path, fault: str) -> None:
    name, right, wrong = FAULTS[fault]
    source = package / "Sources" / "CustomLayers" / name
    text = source.read_text(encoding="utf-8")
    assert right in text, f"{name} no longer holds {right!r}"
    changed = text.replace(right, wrong)
    if "likeEarlyKeras" in right:
        changed = changed.replace(", likeEarlyKeras: likeEarlyKeras ? 1 : 0)", ")")
    try:
        source.write_text(changed, encoding="utf-8")
        result = swift(package, "test")
    finally:
        source.write_text(text, encoding="utf-8")
    output = result.stdout + result.stderr
    assert "error: -[" in output or re.search(r"Executed \d+ tests?, with [1-9]", output), output[-3000:]
