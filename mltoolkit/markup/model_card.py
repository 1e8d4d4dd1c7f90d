"""A model in a notebook: what it takes, gives, weighs and depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.feature_text import describe
from mltoolkit.formats.features import Feature
from mltoolkit.formats.layer_summary import WeightTotal
from mltoolkit.formats.summary import CustomLayerSummary, FunctionSummary, ModelSummary
from mltoolkit.markup.fragments import card, details, facts, heading, section, table
from mltoolkit.markup.text import bytes_text, counted

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
    # What follows is about one function; without a name where there is only one.
    of = f" of {summary.function}" if len(summary.functions) > 1 else ""
    own = list(_facts(summary))
    return card(
        heading(name or summary.kind, remark),
        facts(own) if own else "",
        _functions(summary),
        _features(summary, of),
        _weights(summary.weights, of),
        _custom_layers(summary.custom_layers),
        _layer_types(summary, of),
        _stages(summary.stages),
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


def _features(summary: FunctionSummary, of: str) -> str:
    sides: tuple[tuple[str, tuple[Feature, ...]], ...] = (
        ("input", summary.inputs),
        ("output", summary.outputs),
        ("state", summary.states),
    )
    rows = [(side, item.name, describe(item), item.description) for side, features in sides for item in features]
    # Most models made by programs describe none.
    columns = 4 if any(row[-1] for row in rows) else 3
    return section(f"Inputs and outputs{of}") + _bounded(
        ("", "name", "type", "description")[:columns], [row[:columns] for row in rows]
    )


def _weights(weights: dict[str, WeightTotal], of: str) -> str:
    if not weights:
        return ""
    rows: list[tuple[object, ...]] = [
        (storage, f"{total.tensors:,}", f"{total.parameters:,}", bytes_text(total.bytes))
        for storage, total in weights.items()
    ]
    if len(weights) > 1:
        total = sum(weights.values(), WeightTotal())
        rows.append(("together", f"{total.tensors:,}", f"{total.parameters:,}", bytes_text(total.bytes)))
    return section(f"Weights{of}") + _bounded(
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


def _layer_types(summary: FunctionSummary, of: str) -> str:
    if not summary.layers:
        return ""
    rows = [(f"{count:,}", kind) for kind, count in summary.layer_types.items()]
    return details(f"{counted(len(summary.layers), 'layer')}{of}", _bounded(("layers", "type"), rows, ("layers",)))


def _functions(summary: ModelSummary) -> str:
    if len(summary.functions) < 2:
        return ""
    rows = [
        (name, "this one" if name == summary.function else "", *_part(function))
        for name, function in list(summary.functions.items())[: _SHOWN + 1]
    ]
    head = ("name", "shown below", "layers", "takes", "gives", "weights")
    return section("Functions, which may share weights") + _bounded(head, rows, ("layers", "weights"))


def _stages(stages: dict[str, ModelSummary]) -> str:
    if not stages:
        return ""
    rows = [(name, stage.kind, *_part(stage)) for name, stage in list(stages.items())[: _SHOWN + 1]]
    head = ("name", "kind", "layers", "takes", "gives", "weights")
    return section("Stages of the pipeline") + _bounded(head, rows, ("layers", "weights"))


def _part(part: FunctionSummary) -> tuple[str, str, str, str]:
    return (
        f"{len(part.layers):,}",
        ", ".join(describe(item) for item in part.inputs[:8]),
        ", ".join(describe(item) for item in part.outputs[:8]),
        bytes_text(part.total.bytes),
    )


def _bounded(head: tuple[str, ...], rows: Sequence[Sequence[object]], numeric: Iterable[str] = ()) -> str:
    left_out = "" if len(rows) <= _SHOWN else "<p>… and more</p>"
    return table(head, rows[:_SHOWN], numeric=numeric) + left_out
