"""Each shipped layer with a kernel: how its .metal is bound, and inputs that show what it does.

``CASES`` are also what the planted faults of test_planted_faults.py must fail on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from metal_kernels import Kernels, Texture, from_texels, to_texels

import mltoolkit.custom_layers
from mltoolkit.custom_layers import CustomLayer, CustomLayerSet

LAYERS = Path(mltoolkit.custom_layers.__file__).resolve().parent
PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


@dataclass(frozen=True)
class KernelCase:
    """A layer, its float16 inputs, and a way to run its kernels on them."""

    title: str
    layer: CustomLayer
    inputs: list[np.ndarray]
    run: Callable[[Kernels], np.ndarray]
    tolerance: float

    def error(self, kernels: Kernels) -> float:
        """Largest difference to the NumPy reference, relative to its largest value."""
        found = self.run(kernels)
        (expected,) = self.layer.evaluate([array.astype(np.float32) for array in self.inputs])
        return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


def launch(
    kernels: Kernels,
    name: str,
    inputs: list[np.ndarray],
    buffers: list[np.ndarray],
    shape: tuple[int, ...],
    plain_inputs: int = 1,
) -> np.ndarray:
    """Run one of the texel kernels; one more thread than texels in every direction, as rounded-up grids have.

    The first ``plain_inputs`` inputs come in the form that the kernel is for, the others always as arrays.
    """
    flat = name.endswith("_2d")
    textures = [
        Texture(to_texels(array), is_array=not flat or index >= plain_inputs) for index, array in enumerate(inputs)
    ]
    count, channels, height, width = shape
    # What was there before must not shine through.
    output = Texture(np.full(to_texels(np.zeros(shape)).shape, np.nan), is_array=not flat)
    slices = output.values.shape[0]
    kernels.run(name, [*textures, output], buffers, (width + 1, height + 1, 1 if flat else slices + 1))
    assert (output.writes == 1).all(), f"{name}: texels written {sorted(set(output.writes.ravel().tolist()))} times"
    assert all((texture.writes == 0).all() for texture in textures), f"{name} writes its input"
    return from_texels(output.values, count, channels)


def _names(stem: str, shape: tuple[int, ...]) -> list[str]:
    """Core ML hands over plain textures where four channels suffice, and arrays of them otherwise."""
    return [f"{stem}_2d_array", *([f"{stem}_2d"] if shape[0] == 1 and shape[1] <= 4 else [])]


def _layer(name: str, parameters: dict[str, float | int | str | bool], weights: list[np.ndarray]) -> CustomLayer:
    return CustomLayerSet().find(name, "")(parameters, weights)


SHAPES = ((1, 1, 1, 1), (1, 3, 5, 4), (1, 4, 2, 3), (2, 6, 4, 5), (3, 8, 1, 7))


def _elementwise(
    name: str, parameters: dict[str, float], buffers: list[np.ndarray], stem: str = ""
) -> Iterator[KernelCase]:
    rng = np.random.default_rng(len(name))
    layer = _layer(name, parameters, [])
    for shape in SHAPES:
        x = rng.normal(0, 4, shape).astype(np.float16)
        for kernel in _names(stem or name.lower(), shape):

            def run(kernels: Kernels, kernel: str = kernel, x: np.ndarray = x) -> np.ndarray:
                return launch(kernels, kernel, [x], buffers, x.shape)

            # The result is rounded to half: 2^-11 of its value.
            yield KernelCase(f"{kernel} {shape}", layer, [x], run, 1e-3)


def _grid_samplers() -> Iterator[KernelCase]:
    rng = np.random.default_rng(11)
    settings = [("zeros", True, ""), ("border", True, ""), ("reflection", False, ""), ("zeros", False, "")]
    settings += [("zeros", True, "stn_keras")]
    for index, (padding, align, convention) in enumerate(settings):
        for shape in SHAPES:
            size = ((5, 7), (1, 1), (4, 3))[index % 3]
            parameters = {"output_height": size[0], "output_width": size[1]}
            parameters |= {"padding_mode": padding, "align_corners": align, "convention": convention}
            x = rng.normal(size=shape).astype(np.float16)
            theta = (rng.normal(size=(shape[0], 6, 1, 1)) * 0.8).astype(np.float16)
            if len(theta) == 3:
                # Two maps that lead nowhere; both give zeros, however the border is filled.
                theta[1, 2], theta[2, 5] = np.nan, np.nan
            slices = -(-shape[1] // 4)
            buffer = np.array([slices, align, PADDINGS[padding], convention == "stn_keras"], np.int32)
            for kernel in _names("grid_sampler", shape):

                def run(
                    kernels: Kernels,
                    kernel: str = kernel,
                    inputs: tuple[np.ndarray, ...] = (x, theta),
                    buffer: np.ndarray = buffer,
                    out: tuple[int, ...] = (*shape[:2], *size),
                ) -> np.ndarray:
                    return launch(kernels, kernel, list(inputs), [buffer], out)

                title = f"{kernel} {shape} to {size} {padding} {align} {convention}"
                yield KernelCase(title, _layer("GridSampler", parameters, []), [x, theta], run, 2e-3)


def _pixel_shuffles() -> Iterator[KernelCase]:
    rng = np.random.default_rng(8)
    for factor, shape in ((2, (1, 4, 3, 2)), (2, (1, 12, 2, 3)), (3, (1, 45, 1, 2)), (1, (1, 6, 2, 2))):
        layer = _layer("PixelShuffle", {"upscale_factor": factor}, [])
        x = rng.normal(size=shape).astype(np.float16)
        (out,) = layer.output_shapes([shape])
        buffer = np.array([factor], np.int32)
        plain = ["pixel_shuffle_plain_2d"] if shape[1] <= 4 else []
        for kernel in [*_names("pixel_shuffle", out), *plain]:

            def run(
                kernels: Kernels,
                kernel: str = kernel,
                x: np.ndarray = x,
                buffer: np.ndarray = buffer,
                out: tuple[int, ...] = out,
            ) -> np.ndarray:
                return launch(kernels, kernel, [x], [buffer], out, plain_inputs=int("plain" in kernel))

            # Elements are moved as they are.
            yield KernelCase(f"{kernel} {shape} factor {factor}", layer, [x], run, 0.0)


def _group_norms() -> Iterator[KernelCase]:
    rng = np.random.default_rng(5)
    for shape in SHAPES:
        for affine in (False, True):
            channels = shape[1]
            groups = {1: 1, 3: 3, 4: 2, 6: 2, 8: 4}[channels]
            x = rng.normal(2, 3, shape).astype(np.float16)
            weights = list(rng.normal(size=(2, channels)).astype(np.float32)) if affine else []
            parameters = {"num_groups": groups, "epsilon": 1e-3}
            header = np.array([channels, groups, shape[0], affine], np.int32).tobytes() + np.float32(1e-3).tobytes()
            buffer = np.frombuffer(header, np.uint8).copy()
            given = np.concatenate(weights) if affine else np.zeros(1, np.float32)
            for kernel in _names("group_norm", shape):

                def run(
                    kernels: Kernels,
                    kernel: str = kernel,
                    x: np.ndarray = x,
                    buffer: np.ndarray = buffer,
                    given: np.ndarray = given,
                    groups: int = groups * shape[0],
                ) -> np.ndarray:
                    statistics = np.full((groups, 2), np.nan, np.float32)
                    first = kernel.replace("group_norm", "group_norm_statistics")
                    texture = Texture(to_texels(x), is_array=kernel.endswith("array"))
                    kernels.run(first, [texture], [buffer, statistics], (groups + 3, 1, 1))
                    return launch(kernels, kernel, [x], [buffer, statistics, given], x.shape)

                title = f"{kernel} {shape} affine {affine}"
                yield KernelCase(title, _layer("GroupNorm", parameters, weights), [x], run, 1e-3)


CASES: dict[str, list[KernelCase]] = {
    "swish/Swish.metal": list(_elementwise("Swish", {"beta": 1.5}, [np.array([1.5], np.float32)])),
    "mish/Mish.metal": list(_elementwise("Mish", {}, [])),
    "kraken/KrakenDropout.metal": list(_elementwise("dropout", {}, [], "kraken_dropout")),
    "grid_sampler/GridSampler.metal": list(_grid_samplers()),
    "pixel_shuffle/PixelShuffle.metal": list(_pixel_shuffles()),
    "group_norm/GroupNorm.metal": list(_group_norms()),
}
