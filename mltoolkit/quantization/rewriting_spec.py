"""The weights of a ``Model`` message being rewritten: of all its networks and programs, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

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
from mltoolkit.quantization.weight_access import StageRewriter


class SpecRewriter:
    """The weights of a ``Model`` message: those of its stages, one stage after the other.

    Args:
        spec: the message; not changed.
        weights: the weight files of its ML Programs.
        minimum_deployment_target: as for :func:`~mltoolkit.quantization.rewriting.open_rewriter`.

    Raises:
        ArgumentError, UnsupportedModelError: as :func:`~mltoolkit.quantization.rewriting.open_rewriter`.
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
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._slots

    def values(self, slot: WeightSlot) -> NDArray[np.float32]:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
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
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].obstacle(slot, form)

    def lacking(self, slot: WeightSlot, form: Form) -> Lack | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].lacking(slot, form)

    def size(self, slot: WeightSlot, form: Form) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].size(slot, form)

    def write(self, slot: WeightSlot, stored: Stored) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].write(slot, stored)

    def bias_slot(self, slot: WeightSlot) -> WeightSlot | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].bias_slot(slot)

    def bias_channels(self, slot: WeightSlot) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].bias_channels(slot)

    def write_bias(self, slot: WeightSlot, values: NDArray[np.floating]) -> str:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].write_bias(slot, values)

    def message(self, slot: WeightSlot) -> Any | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._owners[slot.index].message(slot)

    def set_metadata(self, key: str, text: str) -> None:
        """See :class:`~mltoolkit.quantization.weight_access.ModelRewriter`."""
        self._result.description.metadata.userDefined[key] = text

    def finish_spec(self) -> Any:
        """The new message; weights that were not written are as before, versions are raised as needed."""
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
        """See :class:`~mltoolkit.quantization.weight_access.ModelRewriter`."""
        return serialized_bytes(self._spec) + _file_bytes(self._spec, self._weights)

    @property
    def bytes_after(self) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.ModelRewriter`."""
        return serialized_bytes(self._result) + _file_bytes(self._result, self.weights)


@runtime_checkable
class _Files(Protocol):
    """A stage whose weights lie in files."""

    @property
    def changed(self) -> bool: ...


def _file_bytes(spec: Any, weights: WeightFolder) -> int:
    names = {name for _, model in iter_models(spec) for name in weight_references(model)}
    return sum(len(weights.file(name)) for name in names)
