"""Which arrays a weight is multiplied with, taken from a run that has stopped in front of the weight's node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.constants import constant_array
from mltoolkit.errors import ArgumentError
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]


class Reader(Protocol):
    """Takes the arrays of a sample."""

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """The arrays that the site's product takes columns from."""
        ...


@dataclass(frozen=True)
class NodeInput:
    """One of the node's inputs.

    Attributes:
        place: which.
    """

    place: int

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """See :class:`Reader`."""
        array = input_array(run, sample, self.place)
        assert array is not None
        return (array,)


def stop_of(run: SectionedRun) -> ir.Node:
    """The node that a run has stopped in front of.

    Raises:
        ArgumentError: it has not.
    """
    if run.stop is None:
        raise ArgumentError("the run has not stopped in front of a node")
    return run.stop


def input_array(run: SectionedRun, sample: int, place: int) -> Array | None:
    """An input of the node, a constant or not; None where it has none there."""
    node = stop_of(run)
    value = node.inputs[place] if place < len(node.inputs) else None
    if value is None:
        return None
    return constant_array(value) if value.const_value is not None else run.value(value.name or "", sample)
