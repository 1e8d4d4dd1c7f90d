"""A model in a notebook: what it takes, gives, weighs and depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.feature_text import describe
from mltoolkit.formats.features import Feature
from mltoolkit.formats.layer_summary import WeightTotal
from mltoolkit.formats.summary import CustomLayerSummary, FunctionSummary, ModelSummary
from mltoolkit.markup.fragments import card, details, facts, heading, section, table
from mltoolkit.markup.text import bytes_text

# Rows of a table; a model may have any number of inputs, stages or custom layers.
_SHOWN = 40


def model_card(summary: ModelSummary, name: str, size: int) -> str:
    """HTML of a model.

    Args:
        summary: what it consists of.
        name: the file's name, or "".
        size: bytes of its file or package.
    """
    remark = f"{summary.kind}, " if name else ""
    remark += f"specification version {summary.specification_version}, {bytes_text(size)}"
    if summary.function:
        remark += f", function {summary.function}"
    own = list(_facts(summary))
    return card(
        heading(name or summary.kind, remark),
        facts(own) if own else "",
        _features(summary),
        _weights(summary.weights),
        _custom_layers(summary.custom_layers),
        _layer_types(summary),
        _parts("Stages of the pipeline", summary.stages),
        _parts("Functions", summary.functions),
    )


def broken_card(name: str, error: MLToolkitError) -> str:
    """HTML of a model that cannot be summarized: why not."""
    return card(heading(name, f"This model cannot be read: {error}"))


def _facts(summary: ModelSummary) -> Iterable[tuple[str, object]]:
    metadata = summary.metadata
    for name in ("description", "author", "license", "version"):
        text = getattr(metadata, name)
        if text:
            yield name, text
    if summary.class_labels is not None:
        yield "class labels", f"{summary.class_labels:,}"
    if summary.updatable:
        yield "updatable", "trained on the device"


def _features(summary: FunctionSummary) -> str:
    sides: tuple[tuple[str, tuple[Feature, ...]], ...] = (
        ("input", summary.inputs),
        ("output", summary.outputs),
        ("state", summary.states),
    )
    rows = [(side, item.name, describe(item), item.description) for side, features in sides for item in features]
    # Most models made by programs describe none.
    columns = 4 if any(row[-1] for row in rows) else 3
    return section("Inputs and outputs") + _bounded(
        ("", "name", "type", "description")[:columns], [row[:columns] for row in rows]
    )


def _weights(weights: dict[str, WeightTotal]) -> str:
    if not weights:
        return ""
    rows: list[tuple[object, ...]] = [
        (storage, f"{total.tensors:,}", f"{total.parameters:,}", bytes_text(total.bytes))
        for storage, total in weights.items()
    ]
    if len(weights) > 1:
        total = sum(weights.values(), WeightTotal())
        rows.append(("together", f"{total.tensors:,}", f"{total.parameters:,}", bytes_text(total.bytes)))
    return section("Weights") + _bounded(
        ("stored as", "tensors", "values", "size"), rows, ("tensors", "values", "size")
    )


def _custom_layers(layers: tuple[CustomLayerSummary, ...]) -> str:
    if not layers:
        return ""
    rows = [
        (
            layer.class_name,
            layer.layer,
            ", ".join(f"{key}={value}" for key, value in layer.parameters.items()),
            layer.weights,
            layer.description,
        )
        for layer in layers[: _SHOWN + 1]
    ]
    head = ("class", "layer", "parameters", "weights", "description")
    return section("Custom layers, whose code does not come with the model") + _bounded(head, rows)


def _layer_types(summary: FunctionSummary) -> str:
    if not summary.layers:
        return ""
    rows = [(f"{count:,}", kind) for kind, count in summary.layer_types.items()]
    return details(f"{len(summary.layers):,} layers", _bounded(("layers", "type"), rows, ("layers",)))


def _parts(title: str, parts: dict[str, ModelSummary] | dict[str, FunctionSummary]) -> str:
    if not parts:
        return ""
    rows = [
        (
            name,
            getattr(part, "kind", ""),
            f"{len(part.layers):,}",
            ", ".join(describe(item) for item in part.inputs[:8]),
            ", ".join(describe(item) for item in part.outputs[:8]),
            bytes_text(part.total.bytes),
        )
        for name, part in list(parts.items())[: _SHOWN + 1]
    ]
    return section(title) + _bounded(
        ("name", "kind", "layers", "takes", "gives", "weights"), rows, ("layers", "weights")
    )


def _bounded(head: tuple[str, ...], rows: Sequence[Sequence[object]], numeric: Iterable[str] = ()) -> str:
    left_out = "" if len(rows) <= _SHOWN else "<p>… and more</p>"
    return table(head, rows[:_SHOWN], numeric=numeric) + left_out
