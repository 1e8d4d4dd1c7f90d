"""The .metal kernels of the shipped layers compute what the NumPy references compute, and write each texel once.

They are compiled as C++ (metal_on_cpu/): address spaces, texture types and loading on a device stay unproved.
"""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import CASES, LAYERS, KernelCase
from metal_kernels import KernelError, Kernels, Texture, compiler, from_texels, to_texels

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ is not installed")


def kernels_of(path: str) -> Kernels:
    return Kernels((LAYERS / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "case"),
    [pytest.param(path, case, id=case.title) for path in CASES for case in CASES[path]],
)
def test_kernel_equals_the_reference(path: str, case: KernelCase) -> None:
    error = case.error(kernels_of(path))
    assert error <= case.tolerance, f"{case.title}: {error:.2e}"


def test_every_kernel_of_every_layer_is_run() -> None:
    found = {str(path.relative_to(LAYERS)) for path in LAYERS.rglob("*.metal")}
    assert found == set(CASES)
    for path, cases in CASES.items():
        titles = " ".join(case.title for case in cases)
        for name in kernels_of(path).names:
            assert f"{name.replace('_statistics', '')} " in titles, f"{name} is never run"


def test_texels_hold_four_channels() -> None:
    images = np.arange(2 * 5 * 3 * 2, dtype=np.float32).reshape(2, 5, 3, 2)
    texels = to_texels(images)
    assert texels.shape == (4, 3, 2, 4)
    assert texels[3, 0, 0].tolist() == [images[1, 4, 0, 0], 0, 0, 0]
    assert np.array_equal(from_texels(texels, 2, 5), images)


def test_reading_outside_a_texture_is_an_error() -> None:
    text = """#include <metal_stdlib>
    using namespace metal;
    kernel void outside(texture2d<half, access::read> input [[texture(0)]],
                        texture2d<half, access::write> output [[texture(1)]],
                        ushort2 position [[thread_position_in_grid]]) {
        output.write(input.read(position), position);
    }"""
    textures = [Texture(np.zeros((1, 2, 2, 4)), is_array=False) for _ in range(2)]
    kernels = Kernels(text)
    kernels.run("outside", textures, [], (2, 2, 1))
    with pytest.raises(KernelError, match=r"texel \(2, 0, 0\) lies outside"):
        kernels.run("outside", textures, [], (3, 2, 1))


def test_parameters_of_the_wrong_size_are_an_error() -> None:
    kernels = kernels_of("swish/Swish.metal")
    textures = [Texture(np.zeros((1, 1, 1, 4)), is_array=False) for _ in range(2)]
    with pytest.raises(KernelError, match="8 bytes, the kernel's struct 4"):
        kernels.run("swish_2d", textures, [np.zeros(2, np.float32)], (1, 1, 1))
