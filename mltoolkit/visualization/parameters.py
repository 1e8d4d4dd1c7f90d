"""What a protobuf message says, as names and values in words: a layer's parameters, or a classical model's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

# A tree ensemble has millions of entries: beyond these the rest is counted.
_MAX_PARAMETERS = 60
_MAX_ITEMS = 16
_MAX_MESSAGES = 4
_MAX_DEPTH = 5
_MAX_TEXT = 300
# Weights and inner networks are shown as such.
_SKIPPED = frozenset({"CoreML.Specification.WeightParams", "CoreML.Specification.NeuralNetwork"})


def parameters_of(message: Any) -> list[tuple[str, str]]:
    """The fields that are set, and choices that stand at their first value; weights and inner networks left out."""
    found: list[tuple[str, str]] = []
    for item in _fields(message, "", 0):
        if len(found) == _MAX_PARAMETERS:
            found.append(("…", "and more"))
            break
        found.append(item)
    return found


def chosen_variant(message: Any) -> str:
    """A message's ``type``, ``mode`` or ``operation``; else which alternative it has: ``ReLU`` of an activation."""
    for name in ("type", "mode", "operation"):
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is not None and field.enum_type is not None:
            return _enum_text(field, getattr(message, name))
    oneofs = [oneof for oneof in message.DESCRIPTOR.oneofs if len(oneof.fields) > 1]
    return (message.WhichOneof(oneofs[0].name) or "") if len(oneofs) == 1 else ""


def _fields(message: Any, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    present = {field.name for field, _ in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        name = prefix + field.name
        if field.name not in present:
            # A choice at its first value is not stored: the pooling type MAX.
            if field.type == FieldDescriptor.TYPE_ENUM and not _repeated(field) and field.containing_oneof is None:
                yield name, _enum_text(field, getattr(message, field.name))
            continue
        value = getattr(message, field.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            yield name, _text(field, value)
        elif field.message_type.GetOptions().map_entry:
            yield name, f"{len(value)} entries"
        elif field.message_type.full_name not in _SKIPPED:
            yield from _messages(field, value, name, depth)


def _messages(field: Any, value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth == _MAX_DEPTH:
        yield name, "…"
        return
    if not _repeated(field):
        inner = list(_fields(value, f"{name}.", depth + 1))
        yield from inner
        if not inner:
            yield name, "yes"
        return
    for index, item in enumerate(value[:_MAX_MESSAGES]):
        yield from _fields(item, f"{name}[{index}].", depth + 1)
    if len(value) > _MAX_MESSAGES:
        yield f"{name}[…]", f"{len(value):,} altogether"


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def _text(field: Any, value: Any) -> str:
    if not _repeated(field):
        return _item_text(field, value)
    items = [_item_text(field, item) for item in value[:_MAX_ITEMS]]
    more = f", … {len(value):,} values" if len(value) > _MAX_ITEMS else ""
    return f"[{', '.join(items)}{more}]"


def _item_text(field: Any, value: Any) -> str:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum_text(field, value)
    return plain_text(value)


def _enum_text(field: Any, value: int) -> str:
    known = field.enum_type.values_by_number.get(value)
    return str(known.name) if known is not None else str(value)


def plain_text(value: Any) -> str:
    """A number, flag or text, an empty one in quotes; bytes are counted."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}"
    return str(value)[: _MAX_TEXT + 1] or '""'
