"""Constants of the hub as constants of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.compressed_weights import compressed_var

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Var

    from mltoolkit.converters.mil.program import ProgramWriter


def weight_var(value: ir.Value, array: NDArray[Any], program: ProgramWriter) -> Var:
    """The PyMIL constant of an initializer.

    Args:
        value: the initializer.
        array: what it holds, in a type of MIL.
        program: where it goes.
    """
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    compressed = compressed_var(value, array, program, value.name or "constant")
    if compressed is not None:
        return compressed
    # coremltools takes NumPy's scalars for scalars, arrays without axes only here and there.
    return mb.const(val=array if array.ndim else array[()], name=value.name or "constant")
