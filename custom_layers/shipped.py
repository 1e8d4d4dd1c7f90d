"""The custom layers that mltoolkit brings, by class name; one folder each with all faces of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mltoolkit.custom_layers.protocol import CustomLayer


@dataclass(frozen=True)
class ShippedLayer:
    """Where the faces of a layer are.

    Attributes:
        module: its folder in custom_layers.
        python_class: the NumPy reference.
        swift_class: the Swift class; ``@objc`` gives it the name that models ask for.
        swift_files: its source and those it needs, relative to custom_layers.
        metal_files: its kernels; none where it runs on the CPU only.
    """

    module: str
    python_class: str
    swift_class: str
    swift_files: tuple[str, ...]
    metal_files: tuple[str, ...] = ()

    def load(self) -> type[CustomLayer]:
        """The Python class; its folder is imported now."""
        layer: type[CustomLayer] = getattr(import_module(f"mltoolkit.custom_layers.{self.module}"), self.python_class)
        return layer


def _one(folder: str, name: str) -> ShippedLayer:
    """A layer whose faces all have its name."""
    return ShippedLayer(folder, name, name, (f"{folder}/{name}.swift",), (f"{folder}/{name}.metal",))


_GROUP_NORM = _one("group_norm", "GroupNorm")

# By class name in model files. A model's own classes and registered ones go first.
SHIPPED = {
    "GridSampler": _one("grid_sampler", "GridSampler"),
    "GridSampleLayer": ShippedLayer(
        "grid_sampler", "GridSampleLayer", "GridSampleLayer", ("grid_sampler/GridSampleLayer.swift",)
    ),
    "GroupNorm": _GROUP_NORM,
    "Mish": _one("mish", "Mish"),
    "PixelShuffle": _one("pixel_shuffle", "PixelShuffle"),
    "Swish": _one("swish", "Swish"),
    # Names that apps use for other things have another name in Swift.
    "dropout": ShippedLayer(
        "kraken",
        "Dropout",
        "KrakenDropout",
        ("kraken/KrakenDropout.swift",),
        ("kraken/KrakenDropout.metal",),
    ),
    "groupnorm": ShippedLayer(
        "kraken",
        "KrakenGroupNorm",
        "KrakenGroupNorm",
        ("kraken/KrakenGroupNorm.swift", *_GROUP_NORM.swift_files),
        _GROUP_NORM.metal_files,
    ),
    "reshape": ShippedLayer("kraken", "Reshape", "KrakenReshape", ("kraken/KrakenReshape.swift",)),
}


def shipped_layer(class_name: str) -> type[CustomLayer] | None:
    """The Python class for a class name, or None."""
    layer = SHIPPED.get(class_name)
    return layer.load() if layer is not None else None


def face_text(file: str) -> str:
    """The text of a .swift or .metal file, given relative to custom_layers."""
    return (Path(__file__).resolve().parent / file).read_text(encoding="utf-8")
