"""Making an ML Program for a newer system: another set of operations, where its own mean the same there.

Which operations changed follows coremltools' definitions (``mil/ops/defs``, iOS 15 to iOS 18): most only gained
inputs or types. Compressed weights of iOS 16 have another form from iOS 18 on, which their rewriter makes.
"""

from __future__ import annotations

import logging
from typing import Any

from mltoolkit.errors import ArgumentError, InvalidModelError
from mltoolkit.formats.deployment import opset_name, opset_version, release_name
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.ml_program import iter_operations, operation_name
from mltoolkit.formats.weight_blob import WeightFolder

logger = logging.getLogger(__name__)

_IOS17 = 8
# Inputs that an operation lost or that mean something else since a version.
_CHANGED = {"crop_resize": (_IOS17, "roi"), "non_maximum_suppression": (_IOS17, "score_threshold")}
# Since iOS 17 negative indices are out of bounds here.
_INDEXED = (
    *("gather", "gather_along_axis", "gather_nd"),
    *("scatter", "scatter_along_axis", "scatter_nd"),
)


def program_version(spec: Any) -> int:
    """The specification version of the oldest set of operations that a program's functions use.

    Args:
        spec: a ``Model`` message that holds an ML Program.
    """
    known = [opset_version(function.opset) for function in spec.mlProgram.functions.values()]
    return min((version for version in known if version), default=int(spec.specificationVersion))


def raise_program(spec: Any, version: int, weights: WeightFolder) -> bool:
    """Make a program for the systems of a specification version, if it is for older ones.

    Args:
        spec: a ``Model`` message that holds an ML Program; it is changed.
        version: the specification version.
        weights: its weight files.

    Returns:
        Whether it was changed.

    Raises:
        ArgumentError: an operation means something else there.
    """
    old = program_version(spec)
    if old >= version:
        return False
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            _check(block, old, version, weights)
    for function in spec.mlProgram.functions.values():
        _rename(function, opset_name(version))
    spec.specificationVersion = max(spec.specificationVersion, version)
    return True


def _rename(function: Any, name: str) -> None:
    blocks = function.block_specializations
    if function.opset == name:
        return
    if function.opset not in blocks:
        raise InvalidModelError(f"the function has no block for its set of operations {function.opset!r}")
    blocks[name].CopyFrom(blocks[function.opset])
    del blocks[function.opset]
    function.opset = name


def _check(block: Any, old: int, new: int, weights: WeightFolder) -> None:
    constants = {
        operation.outputs[0].name: operation
        for operation in iter_operations(block)
        if operation.type == "const" and operation.outputs
    }
    at_run_time = []
    for operation in iter_operations(block):
        kind, where = operation.type, f"operation {operation_name(operation)!r}"
        changed, name = _CHANGED.get(kind, (0, ""))
        if old < changed <= new and name in operation.inputs:
            raise ArgumentError(
                f"the program cannot be made for {release_name(new)}: {kind} takes no {name!r} there",
                where=where,
                fix=f"Convert the source again with minimum_deployment_target={release_name(new)!r}",
            )
        if kind in _INDEXED and old < _IOS17 <= new and "indices" in operation.inputs:
            argument = operation.inputs["indices"].arguments[0]
            constant = constants.get(argument.name)
            if constant is None:
                at_run_time.append(where)
            elif int(read_value(constant.attributes["val"], weights).min(initial=0)) < 0:
                raise ArgumentError(
                    f"the program cannot be made for {release_name(new)}: {kind} takes no negative indices there",
                    where=where,
                    fix=f"Convert the source again with minimum_deployment_target={release_name(new)!r}",
                )
    if at_run_time:
        logger.warning(
            "made for %s: negative indices, had the model any, are out of bounds from iOS 17 on (%s%s)",
            release_name(new),
            at_run_time[0],
            f" and {len(at_run_time) - 1} more" if len(at_run_time) > 1 else "",
        )
