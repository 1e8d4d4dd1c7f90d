"""The errors of layers as a plot."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.comparison.plotting import COLOURS, new_plot
from mltoolkit.markup.text import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mltoolkit.comparison.layer_report import LayerError, LayerReport

# With more layers than this their names cannot be read below the axis.
_NAMES_SHOWN = 40
_NAME_LENGTH = 28


@contextlib.contextmanager
def draw_layers(report: LayerReport) -> Iterator[Figure]:
    """Signal-to-noise ratio in dB over the layers in order; equal and broken ones lie on the frame.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    layers = report.layers
    ratios = [ratio for layer in layers for ratio in (layer.snr_db, layer.lowest_snr_db) if math.isfinite(ratio)]
    top, bottom = max([*ratios, report.threshold_db]) + 8, min([*ratios, report.threshold_db]) - 5
    with new_plot("plots of layer errors", 9.0, 4.0) as (figure, axes):
        places = range(len(layers))
        axes.plot(
            places,
            [min(max(layer.snr_db, bottom), top) for layer in layers],
            color=COLOURS["accent"],
            linewidth=1.4,
            marker="o",
            markersize=3.5,
            label="all samples",
        )
        lowest = [min(max(layer.lowest_snr_db, bottom), top) for layer in layers]
        axes.plot(places, lowest, color=COLOURS["muted"], linewidth=0.8, linestyle=":", label="worst sample")
        equal = [place for place in places if layers[place].snr_db == math.inf]
        if equal:
            axes.plot(equal, [top] * len(equal), "^", color=COLOURS["good"], markersize=5, label="equal")
        axes.axhline(
            report.threshold_db, color=COLOURS["bad"], linewidth=1, linestyle="--", label=f"{report.threshold_db:g} dB"
        )
        _mark(axes, layers, report.starts_at, "starts")
        if report.largest_drop is not report.starts_at:
            _mark(axes, layers, report.largest_drop, "largest drop")
        axes.set_ylim(bottom, top + 2)
        axes.set_ylabel("signal to noise, dB")
        if len(layers) <= _NAMES_SHOWN:
            names = [shown(layer.name, _NAME_LENGTH) for layer in layers]
            axes.set_xticks(list(places), names, rotation=90, fontsize=7)
        else:
            axes.set_xlabel("layer outputs, in the order of the file")
        axes.legend(frameon=False, fontsize=8)
        yield figure


def _mark(axes: Axes, layers: tuple[LayerError, ...], layer: LayerError | None, what: str) -> None:
    if layer is None or not math.isfinite(layer.snr_db):
        return
    place = layers.index(layer)
    axes.plot([place], [layer.snr_db], "o", color=COLOURS["bad"], markersize=7)
    axes.annotate(
        f"{what}: {shown(layer.name, _NAME_LENGTH)}",
        (place, layer.snr_db),
        xytext=(6, 6) if place < len(layers) * 0.7 else (-6, 6),
        textcoords="offset points",
        horizontalalignment="left" if place < len(layers) * 0.7 else "right",
        fontsize=8,
        color=COLOURS["bad"],
    )
