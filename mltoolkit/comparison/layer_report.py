"""The error of every layer, and what it says about where a model went wrong."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.reports.data_frame import data_frame
from mltoolkit.reports.finite import finite

if TYPE_CHECKING:
    import pandas as pd

    from mltoolkit.comparison.layer_run import StageErrors


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one output of a layer of the second model lies from the first model's.

    Ratios are signal to noise, 10 log10(sum signal² / sum noise²): +inf where all is equal, -inf for infinite noise.

    Attributes:
        name: what to call it: the layer, with its stage in a pipeline, and with the output in parentheses where the
            layer's name alone does not tell which.
        stage: the pipeline's stage; "" where there is none.
        layer: the layer's name in the first model.
        type: its type there.
        output: the name of its output there.
        shape: of the output; None where not even the rank is known before the model runs.
        snr_db: accumulated, over all samples: both models running freely.
        isolated_snr_db: in isolation, over all samples: the layer reading what the first model computed; None where
            something that it reads has another shape there.
        lowest_snr_db: accumulated, of the worst sample.
        lowest_input: that sample.
    """

    name: str
    stage: str
    layer: str
    type: str
    output: str
    shape: tuple[int | str | None, ...] | None
    snr_db: float
    isolated_snr_db: float | None
    lowest_snr_db: float
    lowest_input: str


@dataclass(frozen=True)
class LayerReport:
    """The errors of all layers that two models have in common.

    Attributes:
        source: what the samples came from.
        samples: the names of those that were run.
        threshold_db: a layer below this counts as wrong.
        layers: every layer output that was measured, in the order of the first model.
        left_out: outputs of the first model that were not measured, with the reason.
        only_second: outputs of the second model that the first does not have.
        unreadable: files left out because they could not be read.
    """

    source: str
    samples: tuple[str, ...]
    threshold_db: float
    layers: tuple[LayerError, ...]
    left_out: tuple[tuple[str, str], ...]
    only_second: tuple[str, ...]
    unreadable: tuple[UnreadableInput, ...]

    @property
    def starts_at(self) -> LayerError | None:
        """The first layer whose accumulated ratio is below the threshold."""
        return next((layer for layer in self.layers if layer.snr_db < self.threshold_db), None)

    @property
    def worst_isolated(self) -> LayerError | None:
        """The layer that does most wrong in itself, of the lowest isolated ratio; None where no layer does."""
        ratios = [math.inf if layer.isolated_snr_db is None else layer.isolated_snr_db for layer in self.layers]
        lowest = min(ratios)
        return None if lowest == math.inf else self.layers[ratios.index(lowest)]

    @property
    def worst(self) -> LayerError:
        """The layer of the lowest accumulated ratio, the first where several are equal."""
        return min(self.layers, key=lambda layer: layer.snr_db)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and finite numbers; infinities become None.

        ``identical`` and ``isolated_identical`` of a layer tell equal outputs (+inf dB) from broken ones (-inf dB).
        """
        plain = dataclasses.asdict(self)
        for layer, record in zip(self.layers, plain["layers"], strict=True):
            record["identical"] = layer.snr_db == math.inf
            record["isolated_identical"] = layer.isolated_snr_db == math.inf
        plain["left_out"] = [{"output": output, "reason": reason} for output, reason in self.left_out]
        for name in ("starts_at", "worst_isolated", "worst"):
            layer = getattr(self, name)
            plain[name] = layer.name if layer else None
        return dict(finite(plain))

    def to_json(self, *, indent: int | None = 2) -> str:
        """``to_dict`` as strict JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a layer output, in order. Infinities stay.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        columns = [field.name for field in dataclasses.fields(LayerError)]
        return data_frame(map(dataclasses.asdict, self.layers), columns)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Write the errors over the layers as a plot: PNG, SVG or PDF, whichever the suffix says.

        Raises:
            ArgumentError: the suffix is another.
            MissingExtraError: matplotlib is not installed.
            ModelFileError: the file cannot be written.
        """
        from mltoolkit.comparison.layer_plot import draw_layers
        from mltoolkit.comparison.plotting import write_plot

        with draw_layers(self) as figure:
            write_plot(figure, path)

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        from mltoolkit.comparison.layer_html import layers_html

        return layers_html(self)

    def __repr__(self) -> str:
        return f"<LayerReport of {len(self.layers)} layer outputs, lowest {decibels(self.worst.snr_db)}>"


def make_layer_report(
    stages: Sequence[StageErrors],
    *,
    source: str,
    samples: Sequence[str],
    unreadable: Sequence[UnreadableInput],
    threshold_db: float,
) -> LayerReport:
    """The report on what was measured in these stages."""
    prefixes = [f"{stage.stage}/" if stage.stage else "" for stage in stages]
    return LayerReport(
        source=source,
        samples=tuple(samples),
        threshold_db=threshold_db,
        layers=tuple(layer for stage in stages for layer in _layer_errors(stage, samples)),
        left_out=tuple(
            (prefix + stage.values[place].output, reason)
            for prefix, stage in zip(prefixes, stages, strict=True)
            for place, reason in sorted(stage.left_out.items())
        ),
        only_second=tuple(
            prefix + output for prefix, stage in zip(prefixes, stages, strict=True) for output in stage.only_second
        ),
        unreadable=tuple(unreadable),
    )


def _layer_errors(stage: StageErrors, samples: Sequence[str]) -> Iterator[LayerError]:
    outputs = Counter(value.layer for value in stage.values)
    for place, sums in sorted(stage.sums.items()):
        value, isolated = stage.values[place], stage.isolated[place]
        name = value.layer or value.output
        if outputs[value.layer] > 1 and value.output != name:
            name += f" ({value.output})"
        yield LayerError(
            name=f"{stage.stage}/{name}" if stage.stage else name,
            stage=stage.stage,
            layer=value.layer,
            type=value.type,
            output=value.output,
            shape=value.shape,
            snr_db=sums.snr_db,
            isolated_snr_db=None if isolated is None else isolated.snr_db,
            lowest_snr_db=sums.lowest_db,
            lowest_input=samples[sums.worst],
        )


def decibels(value: float | None) -> str:
    """A ratio in words: ``23.1 dB``, or what an infinite one means."""
    if value is None:
        return "not measured"
    if value == math.inf:
        return "equal"
    return "infinite noise" if value == -math.inf else f"{value:.1f} dB"


def _lines(report: LayerReport) -> Iterator[str]:
    yield f"{len(report.layers)} layer outputs on {len(report.samples)} samples from {report.source}"
    yield from findings(report)
    rows: list[tuple[str, ...]] = [("layer", "type", "accumulated", "isolated", "lowest")]
    rows += [
        (
            layer.name,
            layer.type,
            *map(decibels, (layer.snr_db, layer.isolated_snr_db, layer.lowest_snr_db)),
        )
        for layer in report.layers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join(cells)
    if report.left_out:
        yield f"Not measured: {len(report.left_out)}"
        reasons: dict[str, list[str]] = {}
        for output, reason in report.left_out:
            reasons.setdefault(reason, []).append(output)
        for reason, outputs in reasons.items():
            more = f" and {len(outputs) - 3} more" if len(outputs) > 3 else ""
            yield f"  {reason}: {', '.join(outputs[:3])}{more}"
    for item in report.unreadable:
        yield f"Left out, since it could not be read: {item.name}: {item.reason}"


def findings(report: LayerReport) -> Iterator[str]:
    """Where the error starts, and which layer is worst in itself, in sentences."""
    start, alone = report.starts_at, report.worst_isolated
    if all(layer.snr_db == math.inf for layer in report.layers):
        yield "All layers give exactly the same."
        return
    if start is None:
        yield f"No layer is below {report.threshold_db:g} dB; the lowest is {report.worst.name} with " + (
            f"{decibels(report.worst.snr_db)}."
        )
    else:
        yield f"The error starts at {start.name} ({start.type}): {decibels(start.snr_db)}, the first layer below " + (
            f"{report.threshold_db:g} dB."
        )
    if alone is not None:
        yield (
            f"Worst in itself is {alone.name} ({alone.type}): {decibels(alone.isolated_snr_db)} when it reads what "
            + ("the first model computed.")
        )
