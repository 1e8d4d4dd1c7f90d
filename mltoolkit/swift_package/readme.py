"""README.md of a generated package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mltoolkit.swift_package.package import SwiftPackage


def package_readme(model: str, written: SwiftPackage) -> str:
    """What the package holds and what to do with it."""

    def names(items: tuple[str, ...]) -> str:
        return ", ".join(f"`{item}`" for item in items) or "none"

    return f"""# Custom layers of {model or "the model"}

Written by mltoolkit. Complete: {names(written.complete)}. Still to be written (they throw): {names(written.stubs)}.
Tested against the Python reference: {names(written.tested)}.

- In Xcode: add the files of `Sources/CustomLayers` to the app's target (or this folder as a local package), beside the
  model. The `@objc` names are those that the model asks for.
- On a Mac: `swift test`, or `xcodebuild test -scheme CustomLayers` for a device.
- On Linux: `swift test`; Core ML and Metal are stand-ins there, the sources are the same. Metal kernels run as C++.

What only a Mac can show: that Metal compiles the kernels, which texture type Core ML hands over, and that Core ML finds
the classes.
"""
