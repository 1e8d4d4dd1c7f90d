"""Metal kernels compiled as C++ by g++ and run on the processor, every texel's writes counted."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mltoolkit import swift_package
from mltoolkit.swift_package.kernel_units import kernel_names, kernel_unit

RUNNER = Path(swift_package.__file__).resolve().parent / "stand_ins" / "KernelRunner"
CACHE = Path(tempfile.gettempdir()) / "mltoolkit-metal-kernels"


class KernelError(Exception):
    """A kernel touched what it must not, or was bound wrongly."""


@dataclass
class Texture:
    """Half RGBA texels [slices, height, width, 4], and how often each was written."""

    values: np.ndarray
    is_array: bool = True
    writes: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.values = np.ascontiguousarray(self.values, np.float16)
        self.writes = np.zeros(self.values.shape[:3], np.int32)


class _Texels(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("slices", ctypes.c_int),
        ("values", ctypes.c_void_p),
        ("writes", ctypes.c_void_p),
    )


def _described(texture: Texture) -> _Texels:
    slices, height, width = texture.writes.shape
    return _Texels(width, height, slices, texture.values.ctypes.data, texture.writes.ctypes.data)


class _Binding(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_void_p), ("length", ctypes.c_size_t))


def compiler() -> str | None:
    """g++, where there is one whose libraries Python loads; those of Windows' need others that Python does not find."""
    return None if sys.platform == "win32" else shutil.which("g++")


class Kernels:
    """The kernels of one .metal text."""

    def __init__(self, metal: str) -> None:
        found = compiler()
        assert found is not None, "g++ is missing"
        self.names = kernel_names(metal)
        unit = kernel_unit(metal, "kernels.metal")
        sources = b"".join(path.read_bytes() for path in sorted(RUNNER.rglob("*")) if path.is_file())
        key = hashlib.sha256((metal + unit).encode() + sources).hexdigest()[:24]
        library = CACHE / f"{key}.so"
        if not library.exists():
            CACHE.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                (Path(folder) / "kernels.metal").write_text(metal, encoding="utf-8")
                (Path(folder) / "kernels.cpp").write_text(unit, encoding="utf-8")
                files = [f"{folder}/kernels.cpp", str(RUNNER / "kernel_table.cpp")]
                flags = ["-std=c++17", "-O0", "-shared", "-fPIC", "-Wno-attributes", f"-I{RUNNER}"]
                built = Path(folder) / "kernels.so"
                result = subprocess.run(
                    [found, *flags, *files, "-o", str(built)], capture_output=True, text=True, check=False
                )
                if result.returncode:
                    raise KernelError(result.stderr)
                built.rename(library)
        self._run = ctypes.CDLL(str(library)).run_kernel

    def run(self, name: str, textures: list[Texture], buffers: list[np.ndarray], grid: tuple[int, int, int]) -> None:
        """Run a kernel for every thread of a grid; textures and buffers are changed in place."""
        texels = (_Texels * max(1, len(textures)))(*(_described(texture) for texture in textures))
        kinds = (ctypes.c_int * max(1, len(textures)))(*(int(t.is_array) for t in textures))
        bindings = (_Binding * max(1, len(buffers)))(*(_Binding(b.ctypes.data, b.nbytes) for b in buffers))
        message = ctypes.create_string_buffer(512)
        room = ctypes.c_size_t(len(message))
        counts = ctypes.c_int32(len(textures)), ctypes.c_int32(len(buffers))
        size = (ctypes.c_int32 * 3)(*grid)
        if self._run(name.encode(), texels, kinds, counts[0], bindings, counts[1], size, message, room):
            raise KernelError(f"{name}: {message.value.decode()}")


def to_texels(images: np.ndarray) -> np.ndarray:
    """[N, C, H, W] as texels [N · ⌈C/4⌉, H, W, 4], missing channels zero."""
    count, channels, height, width = images.shape
    slices = -(-channels // 4)
    padded = np.zeros((count, slices * 4, height, width), np.float16)
    padded[:, :channels] = images
    return padded.reshape(count * slices, 4, height, width).transpose(0, 2, 3, 1)


def from_texels(texels: np.ndarray, count: int, channels: int) -> np.ndarray:
    """The inverse of :func:`to_texels`, as float32."""
    height, width = texels.shape[1:3]
    planes = texels.transpose(0, 3, 1, 2).reshape(count, -1, height, width)
    return planes[:, :channels].astype(np.float32)
