"""The error of every layer, and what it says about where a model went wrong."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.reports.data_frame import data_frame
from mltoolkit.reports.finite import finite

if TYPE_CHECKING:
    import pandas as pd

    from mltoolkit.comparison.layer_run import StageErrors

#: Where no layer is wrong, drops are counted from here, or where all are better, from the best that differs at all.
GOOD_DB = 60.0
#: Where one is, only from so much above the threshold: what was lost while all was still well is not what went wrong.
MARGIN_DB = 10.0


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one output of a layer of the second model lies from the first model's.

    Attributes:
        stage: the pipeline's stage; "" where there is none.
        layer: the layer's name in the first model.
        type: its type there.
        output: the name of its output there.
        shape: of the output; None where not even the rank is known before the model runs.
        snr_db: signal-to-noise ratio over all samples, 10 log10(sum signal² / sum noise²): +inf where all are equal,
            -inf where noise is infinite.
        lowest_snr_db: of the worst sample.
        lowest_input: that sample.
        drop_db: how much the layer loses against the worst value that it reads, in dB of signal and noise over noise,
            10 log10(1 + signal / noise): that is ``snr_db`` as long as it is high, and 0 where noise has drowned the
            signal, so that what is lost already cannot be lost again. Above ``MARGIN_DB`` over the threshold (or, where
            no layer is below that, above ``GOOD_DB``) all is equally well. Below 0 where a layer evens out errors.
    """

    stage: str
    layer: str
    type: str
    output: str
    shape: tuple[int | str | None, ...] | None
    snr_db: float
    lowest_snr_db: float
    lowest_input: str
    drop_db: float

    @property
    def name(self) -> str:
        """The layer's output, with its stage."""
        return f"{self.stage}/{self.output}" if self.stage else self.output


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
        """The first layer whose signal-to-noise ratio is below the threshold."""
        return next((layer for layer in self.layers if layer.snr_db < self.threshold_db), None)

    @property
    def largest_drop(self) -> LayerError | None:
        """The layer that loses most against what it reads; None where none loses anything."""
        worst = max(self.layers, key=lambda layer: layer.drop_db)
        return worst if worst.drop_db > 0 else None

    @property
    def worst(self) -> LayerError:
        """The layer of the lowest signal-to-noise ratio, the first where several are equal."""
        return min(self.layers, key=lambda layer: layer.snr_db)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and finite numbers; infinities become None.

        ``identical`` of a layer tells equal outputs (+inf dB) from broken ones (-inf dB).
        """
        plain = dataclasses.asdict(self)
        for layer, record in zip(self.layers, plain["layers"], strict=True):
            record["identical"] = layer.snr_db == math.inf
        plain["left_out"] = [{"output": output, "reason": reason} for output, reason in self.left_out]
        for name in ("starts_at", "largest_drop", "worst"):
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
    measured = [sums.snr_db for stage in stages for sums in stage.sums.values()]
    worst = min(measured)
    if worst < threshold_db:
        good = threshold_db + MARGIN_DB
    else:
        good = GOOD_DB if worst < GOOD_DB else max((ratio for ratio in measured if ratio != math.inf), default=GOOD_DB)
    layers = [layer for stage in stages for layer in _layer_errors(stage, samples, good)]
    prefixes = [f"{stage.stage}/" if stage.stage else "" for stage in stages]
    return LayerReport(
        source=source,
        samples=tuple(samples),
        threshold_db=threshold_db,
        layers=tuple(layers),
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


def _layer_errors(stage: StageErrors, samples: Sequence[str], good: float) -> Iterator[LayerError]:
    # What was not measured is as good as the worst value that it reads.
    known: dict[str, float] = {}
    reads: dict[str, float] = {}
    for place, value in enumerate(stage.values):
        if place == 0 or value.layer != stage.values[place - 1].layer:
            reads = {value.layer: min((known.get(name, good) for name in value.inputs), default=good)}
        before = reads[value.layer]
        sums = stage.sums.get(place)
        known[value.output] = before if sums is None else min(_left(sums.snr_db), good)
        if sums is not None:
            yield LayerError(
                stage=stage.stage,
                layer=value.layer,
                type=value.type,
                output=value.output,
                shape=value.shape,
                snr_db=sums.snr_db,
                lowest_snr_db=sums.lowest_db,
                lowest_input=samples[sums.worst],
                drop_db=before - known[value.output],
            )


def _left(snr_db: float) -> float:
    """Signal and noise over noise, in dB."""
    # Above 100 dB the difference is below 1e-9, and the power would overflow at last.
    return snr_db if snr_db > 100 else 10 * math.log10(1 + 10 ** (snr_db / 10))


def decibels(value: float) -> str:
    """A ratio in words: ``23.1 dB``, or what an infinite one means."""
    if value == math.inf:
        return "equal"
    return "infinite noise" if value == -math.inf else f"{value:.1f} dB"


def _lines(report: LayerReport) -> Iterator[str]:
    yield f"{len(report.layers)} layer outputs on {len(report.samples)} samples from {report.source}"
    yield from findings(report)
    rows = [("layer", "type", "SNR", "drop", "lowest")]
    rows += [
        (layer.name, layer.type, decibels(layer.snr_db), f"{layer.drop_db:z.1f}", decibels(layer.lowest_snr_db))
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
    """Where the error starts, and where it grows most, in sentences."""
    start, drop = report.starts_at, report.largest_drop
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
    if drop is not None:
        yield f"The largest drop is at {drop.name} ({drop.type}): {drop.drop_db:.1f} dB, to {decibels(drop.snr_db)}."
