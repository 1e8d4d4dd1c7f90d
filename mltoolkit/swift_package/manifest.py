"""Package.swift of a generated package."""

from __future__ import annotations

_TEXT = """// swift-tools-version:5.9
import PackageDescription

// Core ML and Metal exist on Apple's systems only; on Linux stand-ins take their place, so that the layers can be
// compiled and tested there.
#if os(Linux)
let standIns: [Target] = [
    .target(
        name: "KernelRunner", path: "LinuxStandIns/KernelRunner", exclude: {excluded},
        cxxSettings: [.headerSearchPath(".")]),
    .target(name: "Metal", dependencies: ["KernelRunner"], path: "LinuxStandIns/Metal"),
    .target(name: "CoreML", dependencies: ["Metal"], path: "LinuxStandIns/CoreML"),
]
let systemModules: [Target.Dependency] = ["CoreML", "Metal"]
let kernelFiles: [String] = {kernels}
let kernelResources: [Resource]? = nil
#else
let standIns: [Target] = []
let systemModules: [Target.Dependency] = []
let kernelFiles: [String] = []
let kernelResources: [Resource]? = {resources}
#endif

let package = Package(
    name: "CustomLayers",
    platforms: [.iOS(.v13), .macOS(.v11)],
    products: [.library(name: "CustomLayers", targets: ["CustomLayers"])],
    targets: standIns + [
        .target(
            name: "CustomLayers", dependencies: systemModules, path: "Sources/CustomLayers", exclude: kernelFiles,
            resources: kernelResources),
        .testTarget(
            name: "CustomLayersTests", dependencies: ["CustomLayers"] + systemModules,
            path: "Tests/CustomLayersTests", resources: [.copy("vectors.json")]),
    ],
    cxxLanguageStandard: .cxx17
)
"""


def package_manifest(metal_files: list[str]) -> str:
    """The manifest.

    Args:
        metal_files: names of the .metal files in Sources/CustomLayers.
    """
    kernels = "[" + ", ".join(f'"{name}"' for name in metal_files) + "]"
    resources = "[" + ", ".join(f'.process("{name}")' for name in metal_files) + "]" if metal_files else "nil"
    return _TEXT.format(excluded=kernels, kernels=kernels, resources=resources)
