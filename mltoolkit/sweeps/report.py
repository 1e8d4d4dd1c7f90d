"""The result of a sweep."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.reports.data_frame import data_frame
from mltoolkit.reports.finite import finite
from mltoolkit.sweeps.rows import SweepRow

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("mode", "nbits", "bytes", "share", "count", "top1_agreement", "interval_low", "interval_high", "top5_agreement"),
    *("mean_kl", "output", "snr_db", "psnr_db", "ssim", "lowest_sqnr_db", "seconds", "error"),
)


@dataclass(frozen=True)
class SweepReport:
    """What each way of quantizing a model costs and keeps.

    Attributes:
        model: the model's name.
        original_bytes: size of its file.
        source: what the models were compared on.
        is_classifier: whether rows are judged by top-1 agreement; else by the signal-to-noise ratio of outputs.
        pictures: whether an output is a picture, so that PSNR and SSIM say more than SNR.
        rows: one a recipe, in the order of the recipes.
        folder: where rows, tables and pictures are kept.
        sheets: the contact sheets, of models that make pictures.
    """

    model: str
    original_bytes: int
    source: str
    is_classifier: bool
    pictures: bool
    rows: tuple[SweepRow, ...]
    folder: Path
    sheets: tuple[Path, ...] = ()

    @property
    def output(self) -> str | None:
        """The output by which models that are no classifiers are judged, where it is the same in all rows."""
        names = {row.worst_output.name for row in self.rows if row.worst_output is not None}
        return names.pop() if len(names) == 1 else None

    def records(self) -> Iterator[dict[str, Any]]:
        """One flat dictionary a row, with the names in ``COLUMNS``; what does not apply is None, equal is +inf dB."""
        for row in self.rows:
            low, high = row.top1_interval or (None, None)
            worst = row.worst_output
            yield {
                "mode": row.mode,
                "nbits": row.nbits,
                "bytes": row.bytes or None,
                "share": row.bytes / self.original_bytes if row.bytes else None,
                "count": row.count,
                "top1_agreement": row.top1_agreement,
                "interval_low": low,
                "interval_high": high,
                "top5_agreement": row.top5_agreement,
                "mean_kl": row.mean_kl,
                "output": worst.name if worst else None,
                "snr_db": worst.snr_db if worst else None,
                "psnr_db": worst.psnr_db if worst else None,
                "ssim": worst.ssim if worst else None,
                "lowest_sqnr_db": row.lowest_sqnr_db,
                "seconds": row.seconds,
                "error": row.error,
            }

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and finite numbers; infinite ratios become None."""
        plain = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "rows"
        } | {"rows": [dataclasses.asdict(row) for row in self.rows]}
        plain["folder"] = str(self.folder)
        plain["sheets"] = [str(sheet) for sheet in self.sheets]
        return dict(finite(plain))

    def to_json(self, *, indent: int | None = 2) -> str:
        """``to_dict`` as strict JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def to_csv(self) -> str:
        """``records`` as CSV with a header; empty where a figure does not apply."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records())
        return text.getvalue()

    def to_dataframe(self) -> pd.DataFrame:
        """``records`` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return data_frame(self.records(), COLUMNS)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Write bytes against agreement (or decibels) as a plot: PNG, SVG or PDF, whichever the suffix says.

        Raises:
            ArgumentError: the suffix is another.
            MissingExtraError: matplotlib is not installed.
            ModelFileError: the file cannot be written.
        """
        from mltoolkit.comparison.plotting import write_plot
        from mltoolkit.sweeps.plot import draw_sweep

        with draw_sweep(self) as figure:
            write_plot(figure, path)

    def save(self) -> None:
        """Write ``sweep.csv`` and ``sweep.json`` into the folder.

        Raises:
            ModelFileError: a file cannot be written.
        """
        # Names of files that are not UTF-8: what a backslash makes of them is right in JSON too.
        for name, text in (("sweep.csv", self.to_csv()), ("sweep.json", self.to_json())):
            try:
                write_atomically(self.folder / name, text.encode(errors="backslashreplace"))
            except OSError as error:
                raise ModelFileError(f"the table cannot be written: {error.strerror}", where=name) from error

    def __str__(self) -> str:
        from mltoolkit.sweeps.report_text import report_text

        return report_text(self)

    def __repr__(self) -> str:
        return f"<SweepReport of {self.model}: {len(self.rows)} rows>"

    def _repr_html_(self) -> str:
        from mltoolkit.sweeps.report_text import report_html

        return report_html(self)
