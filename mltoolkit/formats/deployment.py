"""Systems that a model is made for: their names, specification versions and sets of operations."""

from __future__ import annotations

from typing import Any

from mltoolkit.errors import ArgumentError, did_you_mean

# Specification versions by the release of iOS that brought them; the same releases of the other systems.
DEPLOYMENT_TARGETS = {
    **{"iOS13": 4, "iOS14": 5, "iOS15": 6, "iOS16": 7, "iOS17": 8, "iOS18": 9},
    **{"macOS10_15": 4, "macOS11": 5, "macOS12": 6, "macOS13": 7, "macOS14": 8, "macOS15": 9},
    **{"watchOS6": 4, "watchOS7": 5, "watchOS8": 6, "watchOS9": 7, "watchOS10": 8, "watchOS11": 9},
    **{"tvOS13": 4, "tvOS14": 5, "tvOS15": 6, "tvOS16": 7, "tvOS17": 8, "tvOS18": 9},
}
# The first releases whose ML Programs have operations for compressed weights.
IOS16, IOS18 = 7, 9
# ML Programs name their set of operations CoreML5 (iOS 15), CoreML6, ….
_OPSET, _OPSET_OFFSET = "CoreML", 1


def target_version(name: Any) -> int:
    """The specification version of a deployment target such as ``iOS18``.

    Raises:
        ArgumentError: there is no such target.
    """
    if not isinstance(name, str) or name not in DEPLOYMENT_TARGETS:
        raise ArgumentError(f"there is no deployment target {name!r}", fix=did_you_mean(str(name), DEPLOYMENT_TARGETS))
    return DEPLOYMENT_TARGETS[name]


def opset_version(opset: str) -> int:
    """The specification version that goes with a program's set of operations, such as ``CoreML8``; 0 if unknown.

    >>> opset_version("CoreML8")
    9
    """
    number = opset.removeprefix(_OPSET)
    return int(number) + _OPSET_OFFSET if number != opset and number.isdigit() else 0


def opset_name(version: int) -> str:
    """The set of operations of a specification version.

    >>> opset_name(9)
    'CoreML8'
    """
    return f"{_OPSET}{version - _OPSET_OFFSET}"


def release_name(version: int) -> str:
    """The release of iOS that brought a specification version; its number where it is unknown."""
    names = (name for name, known in DEPLOYMENT_TARGETS.items() if known == version)
    return next(names, f"specification version {version}")
