"""Writing a Swift package with the custom layers of a model."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.custom_layers.shipped import SHIPPED, face_text
from mltoolkit.errors import ArgumentError, CustomLayerError, MissingCustomLayerError
from mltoolkit.model import Model
from mltoolkit.swift_package.kernel_units import kernel_unit
from mltoolkit.swift_package.manifest import package_manifest
from mltoolkit.swift_package.model_layers import ModelLayer, custom_models, model_layers
from mltoolkit.swift_package.readme import package_readme
from mltoolkit.swift_package.stubs import layer_stub, model_stub
from mltoolkit.swift_package.swift_text import identifier
from mltoolkit.swift_package.vectors import layer_vectors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SwiftPackage:
    """What was written.

    Attributes:
        folder: the package.
        complete: class names whose code is complete.
        stubs: class names of layers and custom models that are still to be written.
        tested: class names with test vectors.
    """

    folder: Path
    complete: tuple[str, ...]
    stubs: tuple[str, ...]
    tested: tuple[str, ...]


def write_swift_package(model: Model, folder: str | os.PathLike[str], *, seed: int = 0) -> SwiftPackage:
    """Write Swift classes for every custom layer and custom model of a model, with tests.

    Layers that mltoolkit brings get complete code and Metal kernels, others a class that compiles and throws where
    work is missing. Layers that have a Python class get test vectors computed by it.

    Args:
        model: the model.
        folder: where the package is written: an empty or new folder, or one of an earlier call, whose generated files
            are replaced; sources of stubs that exist already are kept.
        seed: of the test inputs.

    Raises:
        ArgumentError: the model has no custom layers, or the folder holds something else.
        CustomLayerError: a Python class cannot be made or fails on its example inputs.
    """
    layers, models = model_layers(model.spec), custom_models(model.spec)
    if not layers and not models:
        raise ArgumentError("the model has no custom layers and is no custom model", where=model.name or None)
    root = Path(folder)
    if root.is_dir() and any(root.iterdir()) and not (root / "Package.swift").exists():
        raise ArgumentError("the folder holds something that is no Swift package", where=str(root))
    classes = {layer.class_name: layer for layer in reversed(layers)}
    sources = _sources(classes)
    stubs = {f"{identifier(name)}.swift": layer_stub(layer) for name, layer in classes.items() if name not in SHIPPED}
    stubs |= {f"{identifier(item.class_name)}.swift": model_stub(item) for item in models}
    metal = {name: text for name, text in sources.items() if name.endswith(".metal")}
    vectors = _vectors(model, layers, seed)
    target = root / "Sources" / "CustomLayers"
    _write(root / "Package.swift", package_manifest(sorted(metal)))
    for name, text in sources.items():
        _write(target / name, text)
    for name, text in stubs.items():
        if (target / name).exists():
            logger.info("%s exists and is kept", target / name)
        else:
            _write(target / name, text)
    _write(target / "CustomLayerTypes.swift", _type_table(classes))
    for relative, text in _resource_texts("stand_ins", ""):
        _write(root / "LinuxStandIns" / relative, text)
    for name, text in metal.items():
        _write(root / "LinuxStandIns" / "KernelRunner" / name, text)
        _write(root / "LinuxStandIns" / "KernelRunner" / f"{name}.cpp", kernel_unit(text, name))
    tests = root / "Tests" / "CustomLayersTests"
    for relative, text in _resource_texts("tests", ""):
        _write(tests / relative, text)
    _write(tests / "vectors.json", json.dumps(vectors, indent=1))
    written = SwiftPackage(
        folder=root,
        complete=tuple(sorted(name for name in classes if name in SHIPPED)),
        stubs=tuple(sorted([*(set(classes) - set(SHIPPED)), *(item.class_name for item in models)])),
        tested=tuple(sorted({vector["className"] for vector in vectors if vector["cases"]})),
    )
    _write(root / "README.md", package_readme(model.name, written))
    return written


def _sources(classes: Mapping[str, ModelLayer]) -> dict[str, str]:
    """File name → text of what is the same in every package."""
    texts = dict(_resource_texts("sources", ""))
    if not any(name in SHIPPED and SHIPPED[name].metal_files for name in classes):
        del texts["LayerKernel.swift"]
    for name in classes:
        if name in SHIPPED:
            for file in (*SHIPPED[name].swift_files, *SHIPPED[name].metal_files):
                texts[Path(file).name] = face_text(file)
    return texts


def _type_table(classes: Mapping[str, ModelLayer]) -> str:
    rows = "\n".join(f'    "{name}": {_swift_class(name)}.self,' for name in sorted(classes)) or "    :"
    return (
        "import CoreML\n\n/// The classes of this package by the class names of the model.\n"
        f"let customLayerTypes: [String: MLCustomLayer.Type] = [\n{rows}\n]\n"
    )


def _swift_class(class_name: str) -> str:
    return SHIPPED[class_name].swift_class if class_name in SHIPPED else identifier(class_name)


def _vectors(model: Model, layers: list[ModelLayer], seed: int) -> list[dict[str, Any]]:
    known = CustomLayerSet(model.custom_layers)
    vectors: list[dict[str, Any]] = []
    for index, layer in enumerate(layers):
        where = f"layer {layer.name!r}"
        kernel = layer.class_name in SHIPPED and bool(SHIPPED[layer.class_name].metal_files)
        try:
            layer_class = known.find(layer.class_name, where)
        except MissingCustomLayerError:
            vectors.append(layer_vectors(layer, None, has_kernel=kernel, seed=seed))
            continue
        try:
            implementation = layer_class(dict(layer.parameters), list(layer.weights))
            vectors.append(layer_vectors(layer, implementation, has_kernel=kernel, seed=seed + index))
        except Exception as error:  # foreign code runs here
            raise CustomLayerError(
                f"the custom layer {layer.class_name!r} fails on its example inputs: {type(error).__name__}: {error}",
                where=where,
            ) from error
    return vectors


def _resource_texts(folder: str, prefix: str) -> list[tuple[str, str]]:
    """Relative path and text of the files of a folder of this package."""
    found: list[tuple[str, str]] = []
    for item in files("mltoolkit.swift_package").joinpath(folder).iterdir():
        path = f"{prefix}{item.name}"
        if item.is_dir():
            found += _resource_texts(f"{folder}/{item.name}", f"{path}/")
        else:
            found.append((path, item.read_text(encoding="utf-8")))
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
