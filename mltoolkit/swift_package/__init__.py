"""Swift for the custom layers of a model: a package for Xcode whose tests hold what Python computes."""

from mltoolkit.swift_package.package import SwiftPackage, write_swift_package

__all__ = ["SwiftPackage", "write_swift_package"]
