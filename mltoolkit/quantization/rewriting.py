"""A model whose weights are being rewritten, whatever its format.

:func:`open_rewriter` lists the weights of a model as slots. Each may be read, asked about and written, in any order
and once; ``finish`` gives the new model, in which nothing but the written weights differs. Both kinds of quantization,
from the values alone and calibrated, go this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError, UnsupportedModelError
from mltoolkit.formats.deployment import target_version
from mltoolkit.formats.ml_program import program_of, weight_references
from mltoolkit.formats.networks import iter_models, network_of
from mltoolkit.formats.program_raising import raise_program
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.formats.weight_blob_writing import WeightFileWriter
from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.program_forms import Lack
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


def open_rewriter(model: Model, *, minimum_deployment_target: str | None = None) -> ModelRewriter:
    """Open a model to rewrite its weights; it is not changed.

    Args:
        model: the model.
        minimum_deployment_target: the oldest system that the new model shall be for, such as ``iOS18``: ML Programs of
            older ones are raised. Neural networks have all their forms everywhere.

    Raises:
        ArgumentError: there is no such system, or a program cannot be made for it.
        UnsupportedModelError: the model holds no weights that could be quantized.
    """
    return _ModelRewriter(model, minimum_deployment_target)


class SpecRewriter:
    """The weights of a ``Model`` message: those of its stages, one stage after the other.

    Args:
        spec: the message; not changed.
        weights: the weight files of its ML Programs.
        minimum_deployment_target: as for :func:`open_rewriter`.

    Raises:
        ArgumentError, UnsupportedModelError: as :func:`open_rewriter`.
    """

    def __init__(
        self, spec: Any, weights: WeightFolder | None = None, minimum_deployment_target: str | None = None
    ) -> None:
        self._spec = spec
        self._weights = weights or WeightFolder()
        self._target = minimum_deployment_target
        self._result = copy_without_weights(spec)
        self._new_weights: WeightFolder | None = None
        self._writer: WeightFileWriter | None = None
        self._raised = False
        self._stages: list[tuple[tuple[str, ...], StageRewriter]] = []
        slots: list[WeightSlot] = []
        for (path, model), (_, copy) in zip(iter_models(spec), iter_models(self._result), strict=True):
            layers = slots[-1].layer_index + 1 if slots else 0
            stage = self._stage(path, model, copy, len(slots), layers)
            if stage is not None:
                self._stages.append((path, stage))
                slots += stage.slots
        if not self._stages:
            raise UnsupportedModelError(
                f"a model of the kind {spec.WhichOneof('Type')} holds no neural network or ML Program to quantize"
            )
        self._slots = tuple(slots)
        self._owners = [stage for _, stage in self._stages for _ in stage.slots]

    def _stage(
        self, path: tuple[str, ...], model: Any, copy: Any, first: int, first_layer: int
    ) -> StageRewriter | None:
        if network_of(model) is not None:
            from mltoolkit.quantization.rewriting_network import NetworkRewriter

            return NetworkRewriter(path, model, copy, first=first, first_layer=first_layer)
        if program_of(model) is None:
            return None
        from mltoolkit.quantization.rewriting_program import ProgramRewriter

        if self._target is not None:
            self._raised |= raise_program(copy, target_version(self._target), self._weights)
        self._writer = self._writer or WeightFileWriter()
        return ProgramRewriter(path, copy, self._weights, self._writer, first=first, first_layer=first_layer)

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

    def lacking(self, slot: WeightSlot, form: Form) -> Lack | None:
        """See :class:`WeightAccess`."""
        return self._owners[slot.index].lacking(slot, form)

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
        changed = self._raised or any(stage.changed for _, stage in self._stages if isinstance(stage, _Files))
        for path, stage in self._stages:
            if isinstance(stage, _Files) and not changed:
                continue
            version = stage.finish()
            for model in self._around(path):
                model.specificationVersion = max(model.specificationVersion, version)
        if self._writer is not None and changed:
            self._new_weights = self._writer.finish()
        return self._result

    @property
    def weights(self) -> WeightFolder:
        """The weight files of the new message, which may be those of the old; known after :meth:`finish_spec`."""
        return self._new_weights or self._weights

    def _around(self, path: tuple[str, ...]) -> Iterator[Any]:
        """The stage's own message and the pipelines around it."""
        for other, model in iter_models(self._result):
            if path[: len(other)] == other:
                yield model

    @property
    def bytes_before(self) -> int:
        """See :class:`ModelRewriter`."""
        return serialized_bytes(self._spec) + _file_bytes(self._spec, self._weights)

    @property
    def bytes_after(self) -> int:
        """See :class:`ModelRewriter`."""
        return serialized_bytes(self._result) + _file_bytes(self._result, self.weights)


@runtime_checkable
class _Files(Protocol):
    """A stage whose weights lie in files."""

    @property
    def changed(self) -> bool: ...


def _file_bytes(spec: Any, weights: WeightFolder) -> int:
    names = {name for _, model in iter_models(spec) for name in weight_references(model)}
    return sum(len(weights.file(name)) for name in names)


class _ModelRewriter(SpecRewriter):
    """The weights of a :class:`mltoolkit.Model`."""

    def __init__(self, model: Model, minimum_deployment_target: str | None) -> None:
        super().__init__(model.spec, model.weights, minimum_deployment_target)
        self._model = model

    def finish(self) -> Model:
        """See :class:`ModelRewriter`."""
        from mltoolkit.model import Model

        old = self._model
        return Model(
            self.finish_spec(),
            name=old.name,
            custom_layers=old.custom_layers,
            weights_dir=self.weights,
            function_name=old.chosen_function or "",
        )
