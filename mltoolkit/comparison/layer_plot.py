"""The errors of layers as a plot."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mltoolkit.comparison.plotting import COLOURS, new_plot
from mltoolkit.markup.text import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mltoolkit.comparison.layer_report import LayerError, LayerReport

# With more layers than this their names cannot be read below the axis.
_NAMES_SHOWN = 70
_NAME_LENGTH = 28
# Rounding in float32 stays above this; on the plot it is as good as equal.
_AS_GOOD_AS_EQUAL_DB = 100.0


@contextlib.contextmanager
def draw_layers(report: LayerReport) -> Iterator[Figure]:
    """Accumulated and isolated signal-to-noise ratios in dB over the layers in order; the legend stands above the plot.

    Ratios from 100 dB up, also those of equal layers, lie on a line of their own at the top; infinite noise below.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    layers = report.layers
    accumulated = [layer.snr_db for layer in layers]
    isolated = [math.nan if layer.isolated_snr_db is None else layer.isolated_snr_db for layer in layers]
    drawn = [ratio for ratio in (*accumulated, *isolated, report.threshold_db) if abs(ratio) < _AS_GOOD_AS_EQUAL_DB]
    top, bottom = max(drawn) + 6, min(drawn) - 4
    with new_plot("plots of layer errors", 9.0, 4.6) as (figure, axes):
        places = range(len(layers))
        axes.plot(
            places,
            _between(accumulated, bottom, top),
            color=COLOURS["accent"],
            linewidth=1.4,
            marker="o",
            markersize=3.5,
            label="accumulated",
        )
        axes.plot(
            places,
            _between(isolated, bottom, top),
            color=COLOURS["activation"],
            linestyle="none",
            marker="D",
            markersize=4,
            label="isolated",
        )
        axes.axhline(
            report.threshold_db, color=COLOURS["bad"], linewidth=1, linestyle="--", label=f"{report.threshold_db:g} dB"
        )
        if report.starts_at is report.worst_isolated:
            _mark(axes, layers, report.starts_at, "error starts, worst in itself", "-")
        else:
            _mark(axes, layers, report.starts_at, "error starts", ":")
            _mark(axes, layers, report.worst_isolated, "worst in itself", "-")
        axes.set_ylim(bottom, top + 2)
        axes.set_ylabel("signal to noise, dB")
        if max((ratio for ratio in (*accumulated, *isolated) if not math.isnan(ratio)), default=0) > top:
            ticks = [tick for tick in axes.get_yticks() if bottom <= tick < top - 3]
            axes.set_yticks([*ticks, top], [*(f"{tick:g}" for tick in ticks), "100+"])
        if len(layers) <= _NAMES_SHOWN:
            names = [shown(layer.name, _NAME_LENGTH) for layer in layers]
            axes.set_xticks(list(places), names, rotation=90, fontsize=7 if len(layers) <= _NAMES_SHOWN // 2 else 6)
        else:
            axes.set_xlabel("layer outputs, in the order of the file")
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
        yield figure


def _between(ratios: Sequence[float], bottom: float, top: float) -> list[float]:
    return [ratio if math.isnan(ratio) else min(max(ratio, bottom), top) for ratio in ratios]


def _mark(axes: Axes, layers: Sequence[LayerError], layer: LayerError | None, what: str, style: str) -> None:
    """An upright line behind the curves, named in the legend: beside the curve its name would lie on it."""
    if layer is not None:
        label = f"{what}: {shown(layer.name, _NAME_LENGTH)}"
        axes.axvline(layers.index(layer), color=COLOURS["muted"], linewidth=1, linestyle=style, label=label, zorder=0)
