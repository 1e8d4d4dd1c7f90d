"""Protobuf messages with some of their fields changed to values that files should not hold."""

from __future__ import annotations

from typing import Any

import numpy as np

# By FieldDescriptor's cpp_type: 1 int32, 2 int64, 3 uint32, 4 uint64, 5 double, 6 float, 7 bool, 8 enum,
# 9 string and bytes.
_NUMBERS = [0, 1, 2, 3, 7, 1000, 2**31 - 1]
_EXTREMES: dict[int, list[Any]] = {
    1: [*_NUMBERS, -1, -(2**31)],
    2: [*_NUMBERS, -1, 2**62, -(2**63)],
    3: [*_NUMBERS, 2**32 - 1],
    4: [*_NUMBERS, 2**62, 2**64 - 1],
    5: [0.0, -1.0, 0.5, 1e300, float("nan"), float("inf"), -float("inf")],
    6: [0.0, -1.0, 0.5, 1e30, float("nan"), float("inf")],
    7: [False, True],
    8: [0, 1, 2, 3, 6, 9, -1],
    9: ["", "x", "y", "another"],
}


def messages_inside(message: Any) -> list[Any]:
    """The message and all those in it; not the entries of maps."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in value if field.is_repeated else [value]:
            found.extend(messages_inside(inner))
    return found


def mutate(message: Any, generator: np.random.Generator) -> None:
    """Change one field somewhere in the message: clear it, set it, repeat, remove or replace an item."""
    inside = messages_inside(message)
    target = inside[generator.integers(len(inside))]
    fields = list(target.DESCRIPTOR.fields)
    held = [field for field, _ in target.ListFields()]
    # Mostly fields that are there; a change of an absent one switches a oneof or adds something new.
    pool = held if held and generator.random() < 0.8 else fields
    if not pool:
        return
    field = pool[generator.integers(len(pool))]
    if generator.random() < 0.15 or (field.message_type is not None and field.message_type.GetOptions().map_entry):
        target.ClearField(field.name)
    elif field.is_repeated:
        _mutate_list(getattr(target, field.name), field, generator)
    elif field.message_type is not None:
        getattr(target, field.name).SetInParent()
    else:
        setattr(target, field.name, _extreme(field, generator))


def _extreme(field: Any, generator: np.random.Generator) -> Any:
    values = _EXTREMES[field.cpp_type]
    value = values[generator.integers(len(values))]
    return value.encode() if field.type == field.TYPE_BYTES else value


def _mutate_list(items: Any, field: Any, generator: np.random.Generator) -> None:
    place = int(generator.integers(len(items))) if len(items) else -1
    action = generator.integers(3)
    if action == 0 and place >= 0:
        del items[place]
    elif field.message_type is not None:
        if place < 0:
            items.add()
        else:
            items.add().CopyFrom(items[place])
    else:
        value = _extreme(field, generator)
        if action == 1 and place >= 0:
            items[place] = value
        else:
            items.append(value)
