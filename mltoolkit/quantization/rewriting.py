"""A model whose weights are being rewritten, whatever its format.

:func:`open_rewriter` lists the weights of a model as slots. Each may be read, asked about and written, in any order
and once; ``finish`` gives the new model, in which nothing but the written weights differs. Both kinds of quantization,
from the values alone and calibrated, go this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError, UnsupportedModelError
from mltoolkit.formats.networks import iter_models, network_of
from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.spec_copy import copy_without_weights, serialized_bytes

if TYPE_CHECKING:
    from mltoolkit.model import Model

__all__ = ["Form", "ModelRewriter", "SpecRewriter", "StageRewriter", "WeightSlot", "open_rewriter"]


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


def open_rewriter(model: Model) -> ModelRewriter:
    """Open a model to rewrite its weights; it is not changed.

    Raises:
        UnsupportedModelError: it holds no weights that could be quantized.
    """
    return _ModelRewriter(model)


class SpecRewriter:
    """The weights of a ``Model`` message: those of its stages, one stage after the other.

    Args:
        spec: the message; not changed.

    Raises:
        UnsupportedModelError: it holds no weights that could be quantized.
    """

    def __init__(self, spec: Any) -> None:
        from mltoolkit.quantization.rewriting_network import NetworkRewriter

        self._spec = spec
        self._result = copy_without_weights(spec)
        self._stages: list[tuple[tuple[str, ...], StageRewriter]] = []
        slots: list[WeightSlot] = []
        for (path, model), (_, copy) in zip(iter_models(spec), iter_models(self._result), strict=True):
            if network_of(model) is not None:
                layers = slots[-1].layer_index + 1 if slots else 0
                stage = NetworkRewriter(path, model, copy, first=len(slots), first_layer=layers)
                self._stages.append((path, stage))
                slots += stage.slots
        if not self._stages:
            raise UnsupportedModelError(
                f"a model of the kind {spec.WhichOneof('Type')} holds no neural network to quantize"
            )
        self._slots = tuple(slots)
        self._owners = [stage for _, stage in self._stages for _ in stage.slots]

    @property
    def slots(self) -> tuple[WeightSlot, ...]:
        """See :class:`WeightAccess`."""
        return self._slots

    def values(self, slot: WeightSlot) -> NDArray[np.float32]:
        """See :class:`WeightAccess`."""
        values = self._owners[slot.index].values(slot)
        # NaN and infinity show in the extremes.
        if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise QuantizationError(
                f"{bad} of {values.size} values are NaN or infinite",
                where=slot.where,
                fix="Leave the weight out with selector=, or repair the model",
            )
        return values

    def obstacle(self, slot: WeightSlot, form: Form) -> str:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].obstacle(slot, form)

    def size(self, slot: WeightSlot, form: Form) -> int:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].size(slot, form)

    def write(self, slot: WeightSlot, stored: Stored) -> int:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].write(slot, stored)

    def bias_slot(self, slot: WeightSlot) -> WeightSlot | None:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].bias_slot(slot)

    def bias_channels(self, slot: WeightSlot) -> int:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].bias_channels(slot)

    def write_bias(self, slot: WeightSlot, values: NDArray[np.floating]) -> str:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].write_bias(slot, values)

    def message(self, slot: WeightSlot) -> Any | None:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].message(slot)

    def set_metadata(self, key: str, text: str) -> None:
        """See :class:`ModelRewriter`."""
        self._result.description.metadata.userDefined[key] = text

    def finish_spec(self) -> Any:
        """The new message, as :meth:`ModelRewriter.finish` says."""
        for path, stage in self._stages:
            version = stage.finish()
            for model in self._around(path):
                model.specificationVersion = max(model.specificationVersion, version)
        return self._result

    def _around(self, path: tuple[str, ...]) -> Iterator[Any]:
        """The stage's own message and the pipelines around it."""
        for other, model in iter_models(self._result):
            if path[: len(other)] == other:
                yield model

    @property
    def bytes_before(self) -> int:
        """See :class:`ModelRewriter`."""
        return serialized_bytes(self._spec)

    @property
    def bytes_after(self) -> int:
        """See :class:`ModelRewriter`."""
        return serialized_bytes(self._result)


class _ModelRewriter(SpecRewriter):
    """The weights of a :class:`mltoolkit.Model`."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.spec)
        self._model = model

    def finish(self) -> Model:
        """See :class:`ModelRewriter`."""
        from mltoolkit.model import Model

        return Model.from_spec(self.finish_spec(), name=self._model.name, custom_layers=self._model.custom_layers)
