"""The contact sheets of a sweep: one a mode."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.markup.text import bytes_text
from mltoolkit.sweeps.contact_sheet import SheetColumn, contact_sheet, row_column
from mltoolkit.sweeps.measure import Job
from mltoolkit.sweeps.rows import SweepRow, slug
from mltoolkit.sweeps.tiles import save_given, save_tile

_NO_CAPTION = ("", "")


def write_sheets(job: Job, rows: Sequence[SweepRow], name: str) -> tuple[Path, ...]:
    """Write ``contact-MODE.png`` for every mode that gave pictures, those of most bits first.

    Raises:
        ModelFileError: a file cannot be written.
    """
    modes = dict.fromkeys(row.mode for row in rows if row.tiles)
    if not modes:
        return ()
    originals = _originals(job)
    written = []
    for mode in modes:
        chosen = sorted((row for row in rows if row.mode == mode and row.tiles), key=lambda row: -row.nbits)
        sheet = contact_sheet(f"{name}, {mode}", [*originals, *(row_column(row, job.folder) for row in chosen)])
        data = io.BytesIO()
        sheet.save(data, "PNG")
        path = job.folder / f"contact-{slug(mode)}.png"
        write_atomically(path, data.getvalue())
        written.append(path)
    return tuple(written)


def _originals(job: Job) -> list[SheetColumn]:
    """What was given, and what the model itself makes of it."""
    given: list[Path | None] = []
    made: list[Path | None] = []
    for place, sample in enumerate(job.shown):
        paths = [job.folder / "tiles" / f"{kind}-{place}.png" for kind in ("given", "original")]
        given.append(paths[0] if save_given(job.reference.inputs, sample, paths[0]) else None)
        try:
            save_tile(job.reference.model, job.reference.inputs, sample, job.crop, paths[1])
            made.append(paths[1])
        except MLToolkitError:
            made.append(None)  # a picture that cannot be read, as the rows say too
    captions = [_NO_CAPTION] * len(job.shown)
    weights = job.reference.model.summary().weights
    storage = max(weights, key=lambda name: weights[name].parameters, default="")
    head = f"original, {storage}".rstrip(", "), bytes_text(job.reference.model.size)
    return [SheetColumn(("given", ""), given, captions), SheetColumn(head, made, captions)]
