"""The kernel checks catch what people get wrong: each planted fault makes at least one case fail."""

from __future__ import annotations

import pytest
from kernel_cases import CASES, LAYERS
from metal_kernels import KernelError, Kernels, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ is not installed")

SAMPLER, SWISH = "grid_sampler/GridSampler.metal", "swish/Swish.metal"
SHUFFLE, NORM = "pixel_shuffle/PixelShuffle.metal", "group_norm/GroupNorm.metal"

WIDTH = "if (position.x >= output.get_width()"

# file, what is right, what is planted
FAULTS = {
    "W for W − 1": (SAMPLER, "(0.5f * float(size - 1))", "(0.5f * float(size))"),
    "theta with x and y swapped": (SAMPLER, "first.x * u + first.y * v", "first.x * v + first.y * u"),
    "theta's shift left out": (SAMPLER, "first.y * v + first.z;", "first.y * v;"),
    "truncation for floor": (SAMPLER, "const float below = floor(pixel);", "const float below = float(int(pixel));"),
    "missing clamp": (SAMPLER, "pixel = clamp(pixel, 0.0f, float(size - 1));", ";"),
    "no check of the border": (SAMPLER, "if (column < 0 || row < 0", "if (row < 0"),
    "last element not beside the one before": (SAMPLER, "result.high = result.low + 1;", "result.high = result.low;"),
    "shares swapped": (SAMPLER, "result.high_share = pixel - below;", "result.high_share = 1.0f - (pixel - below);"),
    "every picture takes the first map": (SAMPLER, "2 * (int(position.z) / parameters.slices)", "0"),
    "a map for every slice": (SAMPLER, "(int(position.z) / parameters.slices)", "int(position.z)"),
    "only the first four channels are read": (
        SAMPLER,
        "sampled(input, int(position.z), first",
        "sampled(input, 0, first",
    ),
    "NaN not caught": (SAMPLER, "if (isnan(x) || isnan(y)) return half4(0.0f);", ""),
    "corners always aligned": (SAMPLER, "if (!align_corners) return", "if (false) return"),
    "one element at −1": (SAMPLER, ": 0.0f;\n}", ": -1.0f;\n}"),
    "no bounds check": (
        SWISH,
        "if (position.x >= output.get_width() || position.y >= output.get_height()) return;",
        "",
    ),
    "bounds check one off": (SWISH, "position.x >= output.get_width() ||", "position.x + 1 >= output.get_width() ||"),
    "slices not checked": (SWISH, "position.y >= output.get_height() ||\n        position.z", "false && position.z"),
    "β forgotten": (SWISH, "-beta * x", "-x"),
    "rows and columns of a block swapped": (
        SHUFFLE,
        "(position.y % factor) * factor + position.x % factor",
        "(position.x % factor) * factor + position.y % factor",
    ),
    "channels by block first": (
        SHUFFLE,
        "(slice * 4 + lane) * factor * factor + block",
        "block * 4 + slice * 4 + lane",
    ),
    "lane of the slice": (SHUFFLE, "[channel % 4]", "[0]"),
    "channel of the wrong slice": (NORM, "slice + channel / 4)[channel % 4]) - mean", "slice)[channel % 4]) - mean"),
    "statistics of the first picture": (NORM, "(index / parameters.groups) * slices", "0"),
    "scale for shift": (NORM, "scale_and_shift[parameters.channels + channel]", "scale_and_shift[channel]"),
    "ε forgotten": (NORM, "squares / count + parameters.epsilon", "squares / count"),
    "no bound on the groups": (
        NORM,
        "if (int(index) >= parameters.groups * parameters.pictures) return;",
        "if (index > 1) return;",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str) -> None:
    path, right, wrong = FAULTS[fault]
    text = (LAYERS / path).read_text(encoding="utf-8")
    assert right in text, f"{path} no longer holds {right!r}"
    try:
        kernels = Kernels(text.replace(right, wrong))
        caught = any(not case.error(kernels) <= case.tolerance for case in CASES[path])
    except (KernelError, AssertionError):
        caught = True
    assert caught, f"no case notices: {fault}"
