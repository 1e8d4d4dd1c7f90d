"""The weights of a NeuralNetwork, rewritten: ``WeightParams`` messages of a copy that is filled weight by weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError
from mltoolkit.formats.bit_packing import packed_size
from mltoolkit.formats.float_field import read_floats
from mltoolkit.formats.networks import iter_network_layers, network_of
from mltoolkit.formats.weight_fields import Storage, WeightField, layer_weights
from mltoolkit.formats.weights import (
    Encoding,
    LinearCodes,
    TableCodes,
    bits_per_weight,
    encoding_of,
    read_weight,
    stored_bytes,
    write_codes,
    write_float16,
    write_float32,
)
from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.network_bias import BiasPlace, bias_place
from mltoolkit.quantization.program_forms import Lack
from mltoolkit.quantization.slots import Form, WeightSlot

# The specification version that first allowed a way to store weights (Core ML of iOS 11.2 and 12).
_FLOAT16_VERSION, _CODES_VERSION = 2, 3

_PROGRAMS_ONLY = Lack(
    "neural networks have one scale or table for a weight, or a scale a channel",
    "Leave out granularity=, cluster_dim= and per_channel_scale=, or convert the model to an ML Program: mlt.convert",
)


@dataclass(frozen=True)
class _Place:
    """A weight in the source and in the copy."""

    slot: WeightSlot
    field: WeightField
    target: Any
    layer: Any
    copy: Any


class NetworkRewriter:
    """The weights of one network; see :class:`~mltoolkit.quantization.weight_access.StageRewriter`.

    Args:
        path: names of the pipeline stages down to it.
        model: its ``Model`` message.
        copy: the same without values.
        first: the index of its first slot.
        first_layer: the index of its first layer with weights.
    """

    def __init__(self, path: tuple[str, ...], model: Any, copy: Any, *, first: int, first_layer: int) -> None:
        self._updatable = bool(model.isUpdatable)
        self._first = first
        self._places: list[_Place] = []
        self._written: set[int] = set()
        self._version = 0
        layers = zip(iter_network_layers(network_of(model)), iter_network_layers(network_of(copy)), strict=True)
        for layer, layer_copy in layers:
            fields = list(layer_weights(path, layer))
            for field, target in zip(fields, layer_weights(path, layer_copy), strict=True):
                slot = _slot(field, first + len(self._places), first_layer)
                self._places.append(_Place(slot, field, target.params, layer, layer_copy))
            first_layer += bool(fields)

    @property
    def slots(self) -> tuple[WeightSlot, ...]:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return tuple(place.slot for place in self._places)

    def _place(self, slot: WeightSlot) -> _Place:
        return self._places[slot.index - self._first]

    def values(self, slot: WeightSlot) -> NDArray[np.float32]:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        field = self._place(slot).field
        return read_weight(field.params, field.shape, field.where, field.channel_axis)

    def obstacle(self, slot: WeightSlot, form: Form) -> str:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._own_obstacle(slot, form) or (_PROGRAMS_ONLY.reason if _for_programs(form) else "")

    def _own_obstacle(self, slot: WeightSlot, form: Form) -> str:
        field = self._place(slot).field
        if field.storage is Storage.PRIVATE:
            return "a custom layer reads these bytes itself"
        encoding = encoding_of(field.params)
        if field.params.int8RawValue:
            return "int8 weights of a dynamically quantized layer"
        if encoding in (Encoding.EMPTY, Encoding.RAW):
            return "no values" if encoding is Encoding.EMPTY else "bytes without quantization parameters"
        if form.kind == "sparse":
            return "neural networks store every weight, zeros too"
        if form.kind == "float32":
            return ""
        if field.updatable or (self._updatable and form.kind == "float16"):
            return "Core ML trains it on the device, in float32"
        if field.storage is Storage.FLOAT32:
            return "Core ML takes only float32 here"
        if form.kind == "float16":
            return ""
        if field.storage is Storage.FLOATS:
            return "Core ML takes no codes here; 16 bits are possible"
        if field.counted and packed_size(field.count, form.nbits) * 8 // form.nbits != field.count:
            return f"its length could not be told from codes of {form.nbits} bits"
        return ""

    def lacking(self, slot: WeightSlot, form: Form) -> Lack | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return _PROGRAMS_ONLY if _for_programs(form) and not self._own_obstacle(slot, form) else None

    def size(self, slot: WeightSlot, form: Form) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        if form.kind in ("float16", "float32"):
            return slot.count * form.nbits // 8
        codes = packed_size(slot.count, form.nbits)
        return codes + (4 << form.nbits if form.kind == "table" else 8 * (slot.channels if form.per_channel else 1))

    def write(self, slot: WeightSlot, stored: Stored) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        target = self._place(slot).target
        if isinstance(stored, (LinearCodes, TableCodes)):
            write_codes(target, stored)
            self._version = max(self._version, _CODES_VERSION)
        elif not isinstance(stored, np.ndarray):
            raise QuantizationError("neural networks store no weights in this form", where=slot.where)
        elif stored.dtype == np.float16:
            write_float16(target, stored)
            self._version = max(self._version, _FLOAT16_VERSION)
        else:
            write_float32(target, stored)
        self._written.add(slot.index)
        return stored_bytes(target)

    def bias_slot(self, slot: WeightSlot) -> WeightSlot | None:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        bias = self._bias(slot)
        if not isinstance(bias, BiasPlace) or not bias.used:
            return None
        found = (place.slot for place in self._of_layer(slot) if place.slot.name == bias.name)
        return next(found, None)

    def bias_channels(self, slot: WeightSlot) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        bias = self._bias(slot)
        return 0 if isinstance(bias, str) else bias.channels

    def write_bias(self, slot: WeightSlot, values: NDArray[np.floating]) -> str:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        bias = self._bias(slot)
        if isinstance(bias, str):
            return bias
        half = self._floats_are_half(slot)
        if values.shape != (bias.channels,):
            return f"the layer's bias has {bias.channels} values, not {values.size}"
        limit = float(np.finfo(np.float16 if half else np.float32).max)
        if not np.abs(values).max(initial=0.0) <= limit:
            return "the layer's floats cannot hold the new bias"
        target = bias.make()
        (write_float16 if half else write_float32)(target, values)
        self._written |= {place.slot.index for place in self._of_layer(slot) if place.slot.name == bias.name}
        return ""

    def _bias(self, slot: WeightSlot) -> BiasPlace | str:
        place = self._place(slot)
        return bias_place(place.copy, slot.name, place.field.updatable)

    def _of_layer(self, slot: WeightSlot) -> list[_Place]:
        return [place for place in self._places if place.slot.layer_index == slot.layer_index]

    def _floats_are_half(self, slot: WeightSlot) -> bool:
        """Whether the floats of a layer, as it is now, are float16; where it has none left, whether they were so."""
        places = self._of_layer(slot)
        before = [encoding_of(place.field.params) for place in places]
        now = [
            encoding_of(place.target) if place.slot.index in self._written else encoding
            for place, encoding in zip(places, before, strict=True)
        ]
        floats = {Encoding.FLOAT16, Encoding.FLOAT32}.intersection(now) or set(before)
        return Encoding.FLOAT16 in floats and Encoding.FLOAT32 not in floats

    def message(self, slot: WeightSlot) -> Any:
        """See :class:`~mltoolkit.quantization.weight_access.WeightAccess`."""
        return self._place(slot).layer

    def finish(self) -> int:
        """See :class:`~mltoolkit.quantization.weight_access.StageRewriter`."""
        for place in self._places:
            if place.slot.index not in self._written:
                place.target.CopyFrom(place.field.params)
        return self._version


def _slot(field: WeightField, index: int, layer_index: int) -> WeightSlot:
    return WeightSlot(
        index=index,
        stage="/".join(field.path),
        layer=field.layer,
        layer_type=field.layer_type,
        name=field.name,
        shape=field.shape,
        channel_axis=field.channel_axis,
        role=field.role,
        bits=bits_per_weight(field.params),
        bytes=stored_bytes(field.params),
        per_channel=field.per_channel,
        form=_form(field.params),
        layer_index=layer_index,
        where=field.where,
    )


def _form(params: Any) -> Form | None:
    encoding, bits = encoding_of(params), bits_per_weight(params)
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE) and not 1 <= bits <= 8:
        return None
    if encoding is Encoding.FLOAT32:
        return Form("float32", bits)
    if encoding is Encoding.FLOAT16:
        return Form("float16", bits)
    if encoding is Encoding.LOOKUP_TABLE:
        return Form("table", bits)
    linear = params.quantization.linearQuantization
    if encoding is not Encoding.LINEAR or not len(linear.scale):
        return None
    scale, bias = read_floats(linear, "scale"), read_floats(linear, "bias")
    # Code 2**(bits - 1) means zero in every channel, up to the rounding of float32.
    symmetric = bias.size == scale.size and bool(
        (np.abs(bias + (1 << (bits - 1)) * scale.astype(np.float64)) <= 1e-6 * np.abs(bias)).all()
    )
    return Form("linear", bits, per_channel=scale.size > 1, symmetric=symmetric)


def _for_programs(form: Form) -> bool:
    """Whether only ML Programs have a form: blocks, groups, vectors, or tables with scales."""
    return bool(form.block_size or form.group_size or form.cluster_dim > 1 or form.channel_scale)
