"""The custom layers that mltoolkit brings, by class name; one folder each."""

from __future__ import annotations

from importlib import import_module

from mltoolkit.custom_layers.protocol import CustomLayer

# Class name in model files → folder and Python class. A model's own classes and registered ones go first.
SHIPPED = {
    "GridSampler": ("grid_sampler", "GridSampler"),
    "GridSampleLayer": ("grid_sampler", "GridSampleLayer"),
    "GroupNorm": ("group_norm", "GroupNorm"),
    "Mish": ("mish", "Mish"),
    "Swish": ("swish", "Swish"),
    "dropout": ("kraken", "Dropout"),
    "groupnorm": ("kraken", "KrakenGroupNorm"),
    "reshape": ("kraken", "Reshape"),
}


def shipped_layer(class_name: str) -> type[CustomLayer] | None:
    """The class for a class name, or None; its folder is imported now."""
    if class_name not in SHIPPED:
        return None
    folder, name = SHIPPED[class_name]
    layer: type[CustomLayer] = getattr(import_module(f"mltoolkit.custom_layers.{folder}"), name)
    return layer
