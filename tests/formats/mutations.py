"""Seeded damage to model files: to their bytes, and to what the bytes mean.

``mutate(data, seed)`` gives the same result for the same arguments everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from mltoolkit.formats.networks import iter_models, network_of
from mltoolkit.formats.protobuf import new_model


@dataclass(frozen=True)
class Mutation:
    """A damaged file and what was done to it."""

    data: bytes
    description: str


def mutate(data: bytes, seed: int) -> Mutation:
    """Damage a model file; every third seed damages its bytes, the others its fields and layers."""
    rng = random.Random(seed)
    if seed % 3 == 0:
        return damage_bytes(data, rng)
    spec = new_model()
    spec.ParseFromString(data)
    steps = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        change_spec = rng.choice(_SPEC_MUTATIONS)
        steps.append(change_spec(spec, rng))
    return Mutation(spec.SerializePartialToString(), "; ".join(steps))


# Bytes


def damage_bytes(data: bytes, rng: random.Random) -> Mutation:
    """Damage a file of any kind."""
    steps = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        change = rng.choice(_BYTE_MUTATIONS)
        data = change(data, rng)
        steps.append(change.__name__.strip("_"))
    return Mutation(data, ", ".join(steps))


def _slice(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 5, 20, 100)))


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        if damaged:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _delete_slice(data: bytes, rng: random.Random) -> bytes:
    start, stop = _slice(data, rng)
    return data[:start] + data[stop:]


def _duplicate_slice(data: bytes, rng: random.Random) -> bytes:
    start, stop = _slice(data, rng)
    return data[:stop] + data[start:stop] * rng.choice((1, 1, 3)) + data[stop:]


def _move_slice(data: bytes, rng: random.Random) -> bytes:
    start, stop = _slice(data, rng)
    rest = data[:start] + data[stop:]
    target = rng.randrange(len(rest) + 1)
    return rest[:target] + data[start:stop] + rest[target:]


def _overwrite_slice(data: bytes, rng: random.Random) -> bytes:
    start, stop = _slice(data, rng)
    filling = rng.choice((b"\0", b"\xff", None))
    new = rng.randbytes(stop - start) if filling is None else filling * (stop - start)
    return data[:start] + new + data[stop:]


def _blow_up_varint(data: bytes, rng: random.Random) -> bytes:
    """Replace a byte, perhaps a length or a number, by a varint of up to ten bytes."""
    start = rng.randrange(len(data) + 1)
    size = rng.randrange(1, 11)
    return data[:start] + b"\xff" * (size - 1) + bytes([rng.choice((0, 1, 0x7F))]) + data[start + 1 :]


_BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip_bits,
    _truncate,
    _delete_slice,
    _duplicate_slice,
    _move_slice,
    _overwrite_slice,
    _blow_up_varint,
)

# Fields

INTEGERS = (0, 1, 2, 3, 7, 255, 1000, 65_536, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
_NEGATIVE = (-1, -2, -3, -100, -(2**31), -(2**63))
_FLOATS = (0.0, -1.0, 0.5, 1e-45, 1e-20, 3e38, float("nan"), float("inf"), float("-inf"), 1e10)
_TEXTS = ("", "x", "image", "features", "ü" * 3, "a/b\n", "0" * 5000, "\0")
_LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


def messages(message: Any) -> Iterator[Any]:
    """A message and all messages inside it, those in maps included."""
    yield message
    for field, value in message.ListFields():
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            continue
        items = value if field.is_repeated else (value,)
        if field.message_type.GetOptions().map_entry:
            held = field.message_type.fields_by_name["value"].cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
            items = [value[key] for key in sorted(value)] if held else ()
        for item in items:
            yield from messages(item)


def _value(field: FieldDescriptor, old: Any, rng: random.Random) -> Any:
    """A value for a scalar field: an extreme one, or one near the old one."""
    kind = field.cpp_type
    if kind in _LIMITS:
        low, high = _LIMITS[kind]
        choices = [*INTEGERS, *_NEGATIVE, old + 1, old - 1, 2 * old]
        return rng.choice([value for value in choices if low <= value <= high])
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice((*_FLOATS, -old, 2 * old))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return not old
    if field.type == FieldDescriptor.TYPE_BYTES:
        cut = rng.randrange(len(old) + 1)
        return rng.choice((b"", old[:cut], old + old[:cut], old[1:], rng.randbytes(len(old)), b"\xff" * len(old)))
    return rng.choice((*_TEXTS, old[:-1], old + "2"))


def change_field(spec: Any, rng: random.Random) -> str:
    """Set, clear or resize one field of one message, absent fields included."""
    message = rng.choice([message for message in messages(spec) if message.DESCRIPTOR.fields])
    fields = message.DESCRIPTOR.fields
    # Fields that are present are few among the many kinds of layers and models, and matter most.
    present = [field for field, _ in message.ListFields()]
    field = rng.choice(present if present and rng.random() < 0.8 else fields)
    where = f"{message.DESCRIPTOR.name}.{field.name}"
    if field.is_repeated:
        return f"{where}: {_change_repeated(message, field, rng)}"
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        if message.HasField(field.name):
            message.ClearField(field.name)
            return f"{where} cleared"
        getattr(message, field.name).SetInParent()
        return f"{where} added"
    value = _value(field, getattr(message, field.name), rng)
    setattr(message, field.name, value)
    return f"{where} = {value!r:.40}"


def _change_repeated(message: Any, field: FieldDescriptor, rng: random.Random) -> str:
    values = getattr(message, field.name)
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE and field.message_type.GetOptions().map_entry:
        values.clear()
        return "cleared"
    action = rng.choice(("clear", "remove", "repeat", "add", "reverse", "change"))
    if not values:
        action = "add"
    if action == "clear":
        message.ClearField(field.name)
    elif action == "remove":
        del values[rng.randrange(len(values))]
    elif action == "repeat":
        values.append(values[rng.randrange(len(values))])
    elif action == "reverse":
        items = [copy_of(item) for item in values][::-1]
        message.ClearField(field.name)
        values.extend(items)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        values.add()
    elif action == "add":
        values.append(_value(field, values[0] if values else field.default_value or _zero(field), rng))
    else:
        index = rng.randrange(len(values))
        values[index] = _value(field, values[index], rng)
    return action


def _zero(field: FieldDescriptor) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return b"" if field.type == FieldDescriptor.TYPE_BYTES else ""
    return 0


def copy_of(item: Any) -> Any:
    """A copy of a message; other values are themselves."""
    if not hasattr(item, "DESCRIPTOR"):
        return item
    copy = type(item)()
    copy.CopyFrom(item)
    return copy


# Layers and weights


def _network(spec: Any, rng: random.Random) -> Any | None:
    networks = [network_of(model) for _, model in iter_models(spec)]
    found = [network for network in networks if network is not None and network.layers]
    return rng.choice(found) if found else None


def _change_layers(spec: Any, rng: random.Random) -> str:
    """Remove, repeat, exchange, rename or retype a layer, or connect it elsewhere."""
    network = _network(spec, rng)
    if network is None:
        return "no layers to change"
    layers = network.layers
    index = rng.randrange(len(layers))
    layer, name = layers[index], layers[index].name
    action = rng.choice(("remove", "repeat", "exchange", "rename", "retype", "input", "output", "shapes"))
    blobs = [blob for other in layers for blob in (*other.input, *other.output)] or ["nothing"]
    if action == "remove":
        del layers[index]
    elif action == "repeat":
        layers.append(copy_of(layer))
    elif action == "exchange":
        first, second = copy_of(layer), rng.randrange(len(layers))
        layer.CopyFrom(copy_of(layers[second]))
        layers[second].CopyFrom(first)
    elif action == "rename":
        layer.name = rng.choice((*_TEXTS, *(other.name for other in layers)))
    elif action == "retype":
        kinds = layer.DESCRIPTOR.oneofs_by_name["layer"].fields
        getattr(layer, rng.choice(kinds).name).SetInParent()
    elif action == "shapes":
        network.arrayInputShapeMapping = 1 - network.arrayInputShapeMapping
    else:
        names = getattr(layer, action)
        if names:
            names[rng.randrange(len(names))] = rng.choice((*blobs, "nothing", ""))
        else:
            names.append(rng.choice(blobs))
    return f"{action} layer {name!r}"


def _change_weight(spec: Any, rng: random.Random) -> str:
    """Resize a weight, store it otherwise, or put NaN into it."""
    weights = [message for message in messages(spec) if message.DESCRIPTOR.name == "WeightParams"]
    if not weights:
        return "no weights to change"
    params = rng.choice(weights)
    action = rng.choice(("cut", "extend", "nan", "bits", "empty", "raw", "both", "table"))
    if action == "cut":
        del params.floatValue[len(params.floatValue) // 2 :]
        params.float16Value, params.rawValue = params.float16Value[:-1], params.rawValue[:-1]
    elif action == "extend":
        params.floatValue.extend(list(params.floatValue)[:3])
        params.float16Value += params.float16Value[:2]
        params.rawValue += params.rawValue[:1]
    elif action == "nan":
        for index in range(len(params.floatValue)):
            params.floatValue[index] = rng.choice(_FLOATS)
        params.float16Value = b"\xff" * len(params.float16Value)
    elif action == "bits":
        params.quantization.numberOfBits = rng.choice((0, 1, 2, 3, 5, 7, 8, 9, 16, 2**40))
    elif action == "empty":
        params.Clear()
    elif action == "raw":
        params.rawValue = rng.randbytes(rng.choice((1, 8, 108)))
    elif action == "both":
        params.float16Value = b"\0\0"
    else:
        params.quantization.lookupTableQuantization.floatValue.extend([1.0] * rng.choice((1, 2, 15, 16, 256)))
    return f"weight: {action}"


_SPEC_MUTATIONS: tuple[Callable[[Any, random.Random], str], ...] = (
    change_field,
    change_field,
    change_field,
    _change_layers,
    _change_weight,
)
