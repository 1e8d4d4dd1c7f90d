"""``mltoolkit quantize --calibrate SAMPLES``: the options that calibration brings, and what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mltoolkit.cli.options import free_path
from mltoolkit.errors import ArgumentError

if TYPE_CHECKING:
    from mltoolkit.model import Model

_PANEL = "Calibration"

Pictures = Annotated[
    str | None,
    typer.Option(
        "--calibrate",
        metavar="SAMPLES",
        help="Quantize against what the layers compute on these samples (as for compare), which need no labels.",
        rich_help_panel=_PANEL,
    ),
]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        help="The size of the new file, at most; bits are chosen weight by weight.", min=1, rich_help_panel=_PANEL
    ),
]
MaxBitsPerWeight = Annotated[
    float | None,
    typer.Option(help="Bits a weight on average, at most, with scales and tables.", rich_help_panel=_PANEL),
]
MinAgreement = Annotated[
    float | None,
    typer.Option(
        help="The smallest file that keeps this share (0 to 1) of the first classes of pictures held out.",
        rich_help_panel=_PANEL,
    ),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        help="Share of the pictures that only measure: a quarter with --min-agreement.", rich_help_panel=_PANEL
    ),
]
Limit = Annotated[int | None, typer.Option(help="Use so many pictures at most.", min=1, rich_help_panel=_PANEL)]
Seed = Annotated[int | None, typer.Option(help="Of the choice of positions and pictures.", rich_help_panel=_PANEL)]
Fit = Annotated[
    str | None, typer.Option("--crop", help="How pictures are fitted: whole or center.", rich_help_panel=_PANEL)
]
Plot = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.png", help="Draw bytes against agreement of all that was tried.", rich_help_panel=_PANEL
    ),
]


@dataclass(frozen=True)
class CalibrateOptions:
    """What was given on the command line; None where nothing was."""

    calibrate: str | None
    max_bytes: int | None
    max_bits_per_weight: float | None
    min_agreement: float | None
    held_out: float | None
    limit: int | None
    seed: int | None
    crop: str | None
    plot: str | None

    def refuse_alone(self) -> None:
        """Without pictures, the other options mean nothing.

        Raises:
            ArgumentError: one of them is given.
        """
        for option in fields(self)[1:]:
            if getattr(self, option.name) is not None:
                raise ArgumentError(
                    f"--{option.name.replace('_', '-')} needs samples to measure with", fix="Give --calibrate SAMPLES"
                )

    def plot_path(self, force: bool) -> Path | None:
        """Where the plot goes, found out before the long work.

        Raises:
            ArgumentError: there is something already, or a plot is no such file.
            MissingExtraError: matplotlib is not installed.
        """
        if self.plot is None:
            return None
        from mltoolkit.comparison.plotting import check_plot_path, require_plots

        require_plots("quantize --plot")
        return free_path(check_plot_path(self.plot), force, option="--plot")

    def quantize(
        self,
        model: Model,
        *,
        nbits: int | None,
        mode: str | None,
        per_channel: bool,
        settings: str | None,
        selector: Callable[[str, str], bool] | None,
        progress: bool | None,
        **forms: Any,
    ) -> Model:
        """The calibrated model.

        Raises:
            MLToolkitError: as :func:`mltoolkit.quantize_calibrated`.
        """
        from mltoolkit.calibration.quantize import quantize_calibrated
        from mltoolkit.comparison.progress import reporting

        with reporting(progress, None, title="Calibrating") as show:

            def weight_done(done: int, total: int, layer: str) -> None:
                show(done, total)

            return quantize_calibrated(
                model,
                self.calibrate,
                nbits=nbits,
                max_bytes=self.max_bytes,
                max_bits_per_weight=self.max_bits_per_weight,
                min_agreement=self.min_agreement,
                quantization_mode=mode or "kmeans",
                settings=settings,
                selector=selector,
                per_channel=per_channel,
                held_out=self.held_out,
                crop=self.crop or "whole",  # type: ignore[arg-type]  # quantize_calibrated checks it
                limit=self.limit,
                seed=self.seed or 0,
                progress=weight_done,
                **forms,
            )


def draw(model: Model, target: Path) -> None:
    """Draw the curve of a calibrated model's report into a file.

    Raises:
        ModelFileError: it cannot be written.
    """
    from mltoolkit.calibration.report import CalibratedQuantizationReport
    from mltoolkit.comparison.plotting import new_plot, write_plot

    report = model.quantization_report
    assert isinstance(report, CalibratedQuantizationReport)
    with new_plot("quantize --plot", 6.4, 4.2) as (figure, axes):
        report.plot(axes)
        write_plot(figure, target)
