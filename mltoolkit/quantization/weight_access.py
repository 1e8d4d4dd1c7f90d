"""What can be done with the weights of a model, or of one stage of it, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.program_forms import Lack
from mltoolkit.quantization.slots import Form, WeightSlot

if TYPE_CHECKING:
    from mltoolkit.model import Model


class WeightAccess(Protocol):
    """Reading, asking about and writing the weights of a model or of one stage of it."""

    @property
    def slots(self) -> tuple[WeightSlot, ...]:
        """Every weight, in the order of the file."""

    def values(self, slot: WeightSlot) -> NDArray[np.float32]:
        """The values that the source stores, float32 of the slot's shape; perhaps read-only.

        Raises:
            QuantizationError: some are NaN or infinite.
            InvalidModelError: they cannot be decoded.
        """

    def obstacle(self, slot: WeightSlot, form: Form) -> str:
        """Why the slot cannot be stored in a form: "" where it can."""

    def lacking(self, slot: WeightSlot, form: Form) -> Lack | None:
        """That the system an ML Program is made for does not have a form; None where it has, or another obstacle is."""

    def size(self, slot: WeightSlot, form: Form) -> int:
        """Bytes that the slot would take in a form, with scales and tables."""

    def write(self, slot: WeightSlot, stored: Stored) -> int:
        """Store a weight anew; the bytes that it takes now."""

    def bias_slot(self, slot: WeightSlot) -> WeightSlot | None:
        """The bias that is added to what the slot's weights give; None where there is none, or others use it too."""

    def bias_channels(self, slot: WeightSlot) -> int:
        """How many values :meth:`write_bias` takes for the slot; 0 where there can be no bias."""

    def write_bias(self, slot: WeightSlot, values: NDArray[np.floating]) -> str:
        """Replace the bias that belongs to a slot of weights, or add one; to be called after the weights are written.

        Args:
            slot: the weights.
            values: finite, of shape (channels,). They are stored in the precision of the layer's other floats.

        Returns:
            "", or why it is not possible.
        """

    def message(self, slot: WeightSlot) -> Any | None:
        """The layer's message, which coremltools' selectors are asked about; None in an ML Program."""


class ModelRewriter(WeightAccess, Protocol):
    """The weights of a whole model."""

    def set_metadata(self, key: str, text: str) -> None:
        """Give the new model an entry of metadata, besides those that it has."""

    def finish(self) -> Model:
        """The new model; weights that were not written are as before, versions are raised as needed."""

    @property
    def bytes_before(self) -> int:
        """Size of the model's file or package."""

    @property
    def bytes_after(self) -> int:
        """Size of the new one; known after :meth:`finish`."""


class StageRewriter(WeightAccess, Protocol):
    """The weights of one network or program, which is the model or a stage of a pipeline."""

    def finish(self) -> int:
        """Complete the stage's new message; the specification version that it needs now."""
