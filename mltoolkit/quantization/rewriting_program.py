"""The weights of an ML Program, rewritten: constants become ``constexpr_*`` operations of a new weight file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.constexpr_values import is_constexpr
from mltoolkit.formats.ml_program import file_values
from mltoolkit.formats.program_raising import program_version
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.formats.weight_blob_writing import REFERENCE, WeightFileWriter
from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.program_bias import bias_constant, bias_input, bias_length, give_bias
from mltoolkit.quantization.program_forms import (
    Lack,
    block_counts,
    form_bytes,
    group_axis,
    lacking,
    table_obstacle,
)
from mltoolkit.quantization.program_old_forms import in_new_form
from mltoolkit.quantization.program_operations import OperationWriter
from mltoolkit.quantization.program_placing import Placement
from mltoolkit.quantization.program_roles import LEAST_WEIGHT, channel_axes, fits_groups, role_of_all
from mltoolkit.quantization.program_scan import Constant, Use, as_float32, scan_program
from mltoolkit.quantization.program_storage import stored_form
from mltoolkit.quantization.slots import Form, WeightSlot

_FLOATS = ("float32", "float16")
# Operations with blocks hand constants on to what is inside.
_HANDING_ON = ("while_loop", "cond")


@dataclass
class _Place:
    """A weight, and every constant that stands for it: of several functions, perhaps."""

    slot: WeightSlot
    constants: list[Constant]
    uses: list[Use]
    new: list[Any] = field(default_factory=list)

    @property
    def element(self) -> str:
        return "float16" if self.slot.half else "float32"


class ProgramRewriter:
    """The weights of one program; see :class:`~mltoolkit.quantization.weight_access.StageRewriter`.

    Args:
        path: names of the pipeline stages down to it.
        model: its ``Model`` message, which is changed when it is finished.
        weights: the weight files that it reads now.
        writer: the new weight file.
        first: the index of its first slot.
        first_layer: the index of its first operation with weights.
    """

    def __init__(
        self,
        path: tuple[str, ...],
        model: Any,
        weights: WeightFolder,
        writer: WeightFileWriter,
        *,
        first: int,
        first_layer: int,
    ) -> None:
        self._program = model.mlProgram
        self._weights = weights
        self._writer = writer
        self._version = program_version(model)
        self._operations = OperationWriter(writer, self._version)
        self._first = first
        self._constants = scan_program(self._program)
        self._placement = Placement(self._program)
        self._new_biases: list[tuple[Use, str]] = []
        self._places: list[_Place] = []
        last = None
        for constants, uses in _shared(self._constants):
            slot = self._slot(path, constants, uses)
            if slot is not None:
                first_layer += last is not None and uses[0].place != last
                last = uses[0].place
                slot = replace(slot, index=first + len(self._places), layer_index=first_layer)
                self._places.append(_Place(slot, constants, uses))

    def _slot(self, path: tuple[str, ...], constants: list[Constant], uses: list[Use]) -> WeightSlot | None:
        """The slot of a constant, still without numbers; None where it is no weight."""
        first, described = constants[0], constants[0].type
        if described is None or described.element.name not in _FLOATS or not described.shape:
            return None
        shape = tuple(size or 0 for size in described.shape)
        role = role_of_all(uses, shape)
        if role == "weight" and math.prod(shape) < LEAST_WEIGHT:
            return None
        output_axis, input_axis = channel_axes(uses, len(shape))
        operation = uses[0].operation
        layer = _result(operation) or first.name
        names = dict.fromkeys([*(constant.name for constant in constants), *(_result(use.operation) for use in uses)])
        stages = "".join(f"stage {name!r}, " for name in path)
        now = stored_form(first, self._weights, output_axis)
        return WeightSlot(
            index=0,
            stage="/".join(path),
            layer=layer,
            layer_type=operation.type,
            name=uses[0].input,
            shape=shape,
            channel_axis=output_axis or 0,
            role=role,
            bits=now.bits,
            bytes=now.bytes,
            per_channel=output_axis is not None and len(shape) > 1,
            form=now.form,
            layer_index=0,
            where=f"{stages}operation {layer!r}, {uses[0].input}",
            in_program=True,
            half=described.element.name == "float16",
            aliases=tuple(name for name in names if name and name != layer),
            input_axis=input_axis if input_axis is not None else output_axis or 0,
        )

    @property
    def slots(self) -> tuple[WeightSlot, ...]:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return tuple(place.slot for place in self._places)

    def _place(self, slot: WeightSlot) -> _Place:
        return self._places[slot.index - self._first]

    def values(self, slot: WeightSlot) -> NDArray[np.float32]:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        values = as_float32(self._place(slot).constants[0].read(self._weights))
        if values.shape != slot.shape:
            raise InvalidModelError(f"the weight has the shape {values.shape}, not {slot.shape}", where=slot.where)
        return values

    def obstacle(self, slot: WeightSlot, form: Form) -> str:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        reason = self._own_obstacle(slot, form)
        if reason:
            return reason
        lack = lacking(form, self._version)
        return lack.reason if lack else ""

    def _own_obstacle(self, slot: WeightSlot, form: Form) -> str:
        place = self._place(slot)
        plain = place.constants[0].operation.type == "const"
        if form.kind == "float32" or (form.kind == "float16" and slot.half):
            return f"already {place.element}" if plain else ""
        if not slot.count:
            return "no values"
        if len(slot.shape) < 2:
            return "Core ML fails on compressed weights of one axis"
        if any(constant.is_output for constant in place.constants):
            return "it is a result of the program too, and those are not compressed"
        if any(use.operation.type in _HANDING_ON for use in place.uses):
            return "a loop or a branch hands it on"
        if form.kind == "linear":
            counts = block_counts(slot, form)
            return counts if isinstance(counts, str) else ""
        if form.kind != "table":
            return ""
        reason = table_obstacle(slot, form)
        axis = group_axis(slot, form)
        if not reason and not all(fits_groups(use, slot.shape, axis, form.cluster_dim) for use in place.uses):
            reason = f"the channels of its groups are no multiple of cluster_dim={form.cluster_dim}"
        return reason

    def lacking(self, slot: WeightSlot, form: Form) -> Lack | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return None if self._own_obstacle(slot, form) else lacking(form, self._version)

    def size(self, slot: WeightSlot, form: Form) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return form_bytes(slot, form, 16 if slot.half else 32, self._version)

    def write(self, slot: WeightSlot, stored: Stored) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        place = self._place(slot)
        place.new, size = self._operations.operations(stored, slot.shape, slot.channel_axis, place.element, slot.where)
        self._weights.release_pages()
        return size

    def bias_slot(self, slot: WeightSlot) -> WeightSlot | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        uses = self._place(slot).uses
        found = bias_constant(uses)
        bias = next((place for place in self._places if found is not None and found in place.constants), None)
        # Constants of other operations may read the same numbers of the weight file.
        own = {id(use.operation) for use in uses}
        return bias.slot if bias is not None and all(id(use.operation) in own for use in bias.uses) else None

    def bias_channels(self, slot: WeightSlot) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        bias = self.bias_slot(slot)
        if bias is not None:
            return bias.count
        uses = self._place(slot).uses
        return 0 if bias_input(uses) else bias_length(uses, slot.channels)

    def write_bias(self, slot: WeightSlot, values: NDArray[np.floating]) -> str:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        place = self._place(slot)
        bias = self.bias_slot(slot)
        if not np.abs(values).max(initial=0.0) <= float(np.finfo(place.element).max):
            return "the operation's floats cannot hold the new bias"
        if bias is not None:
            if bias.count != values.size:
                return f"the operation's bias has {bias.count} values, not {values.size}"
            self.write(bias, values.reshape(bias.shape).astype(self._place(bias).element))
            return ""
        reason = bias_input(place.uses)
        if reason or values.shape != (self.bias_channels(slot),):
            return reason or f"the operation's bias has {self.bias_channels(slot)} values, not {values.size}"
        made, _ = self._operations.operations(values.astype(place.element), values.shape, 0, place.element, slot.where)
        for use in place.uses:
            self._new_biases.append((use, self._placement.insert(use.operation, made, f"{slot.layer}_bias")))
        return ""

    def message(self, slot: WeightSlot) -> None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return

    @property
    def changed(self) -> bool:
        """Whether a weight was written."""
        return bool(self._new_biases) or any(place.new for place in self._places)

    def finish(self) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.StageRewriter`."""
        for place in self._places:
            if place.new:
                for constant in place.constants:
                    self._placement.replace(constant, place.new)
        for constant in self._constants:
            if self._placement.stays(constant.operation):
                operations = in_new_form(constant, self._weights, self._operations, self._version)
                if operations:
                    self._placement.replace(constant, operations)
        self._move_kept()
        for use, name in self._new_biases:
            give_bias(use.operation, name)
        self._placement.apply()
        return self._version

    def _move_kept(self) -> None:
        """Bring what stays as it is into the new weight file."""
        moved: dict[tuple[str, int], int] = {}
        for operation, blob in file_values(self._program):
            if self._placement.stays(operation):
                place = (blob.fileName, int(blob.offset))
                if place not in moved:
                    moved[place] = self._writer.copy(self._weights.file(place[0]), place[1])
                    self._weights.release_pages()
                blob.fileName, blob.offset = REFERENCE, moved[place]


def _result(operation: Any) -> str:
    return str(operation.outputs[0].name) if operation.outputs else ""


def _shared(constants: list[Constant]) -> Iterator[tuple[list[Constant], list[Use]]]:
    """Constants that read the same place of a weight file together, and all their uses, in the order of the first."""
    groups: dict[Any, list[Constant]] = {}
    for constant in constants:
        if not any(is_constexpr(use.operation.type) for use in constant.uses):
            groups.setdefault(constant.key(), []).append(constant)
    for group in groups.values():
        yield group, sorted((use for constant in group for use in constant.uses), key=lambda use: use.place)
