"""A row of a sweep, and the folder that keeps finished ones."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.atomic_file import write_atomically

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutputQuality:
    """How well one output that is no class survived, over all inputs that differ; +inf dB where none does.

    Attributes:
        name: the output.
        snr_db: mean signal-to-noise ratio.
        psnr_db: mean peak signal-to-noise ratio.
        ssim: mean structural similarity; None for what is no picture, or without scikit-image.
    """

    name: str
    snr_db: float
    psnr_db: float
    ssim: float | None


@dataclass(frozen=True, slots=True)
class Tile:
    """One input's picture in a contact sheet.

    Attributes:
        sample: the input's name.
        file: its picture, relative to the sweep's folder; "" where there is none.
        psnr_db: against the original's picture.
        ssim: likewise; None without scikit-image.
    """

    sample: str
    file: str
    psnr_db: float
    ssim: float | None


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What one way of quantizing costs and keeps.

    Attributes:
        name: the recipe's, ``linear 4 bits``.
        mode: its method.
        nbits: bits a weight.
        bytes: size of the model's file.
        count: inputs compared.
        top1_agreements: inputs with the same class as the original; None for models that are no classifiers.
        top1_agreement: the same as a fraction.
        top1_interval: its 95 % Wilson interval.
        top5_agreement: fraction of inputs for which the original's class is among the five best.
        mean_kl: mean divergence of the probabilities in nats.
        outputs: all other outputs.
        lowest_sqnr_db: of the weight that lost most; None where nothing is known of it.
        seconds: what quantizing and comparing took.
        key: what made it, see :mod:`mltoolkit.sweeps.fingerprint`.
        error: why there are no figures, else "".
        tiles: pictures for the contact sheet, of models that make pictures.
    """

    name: str
    mode: str
    nbits: int
    bytes: int
    count: int = 0
    top1_agreements: int | None = None
    top1_agreement: float | None = None
    top1_interval: tuple[float, float] | None = None
    top5_agreement: float | None = None
    mean_kl: float | None = None
    outputs: tuple[OutputQuality, ...] = ()
    lowest_sqnr_db: float | None = None
    seconds: float = 0.0
    key: str = ""
    error: str = ""
    tiles: tuple[Tile, ...] = ()

    @property
    def worst_output(self) -> OutputQuality | None:
        """The output of the lowest signal-to-noise ratio."""
        return min(self.outputs, key=lambda output: output.snr_db, default=None)


class RowFolder:
    """Finished rows in the folder ``rows`` of a sweep's folder, a file each.

    Args:
        folder: the sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = folder / "rows"

    def find(self, name: str, key: str) -> SweepRow | None:
        """The finished row of that key, with its pictures; None where there is none that can be read."""
        path = self.path(name, key)
        try:
            row = _from_plain(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is no finished row (%s): it is measured again", path, error)
            return None
        whole = row.key == key and all((self._folder / tile.file).is_file() for tile in row.tiles if tile.file)
        return row if whole else None

    def keep(self, row: SweepRow) -> None:
        """Write a finished row.

        Raises:
            ModelFileError: it cannot be written.
        """
        path = self.path(row.name, row.key)
        try:
            self._rows.mkdir(parents=True, exist_ok=True)
            # Infinite ratios are written as Infinity: the files are read here alone.
            write_atomically(path, json.dumps(dataclasses.asdict(row), indent=1).encode())
        except OSError as error:
            raise ModelFileError(f"the row cannot be written: {error.strerror}", where=str(path)) from error

    def path(self, name: str, key: str) -> Path:
        """Where the row of that key is kept."""
        return self._rows / f"{slug(name)}-{key[:16]}.json"


def slug(name: str) -> str:
    """A name as part of a file's name.

    >>> slug("linear 4 bits")
    'linear-4-bits'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "row"


def _from_plain(plain: dict[str, Any]) -> SweepRow:
    plain["outputs"] = tuple(OutputQuality(**output) for output in plain["outputs"])
    plain["tiles"] = tuple(Tile(**tile) for tile in plain["tiles"])
    if plain["top1_interval"] is not None:
        low, high = plain["top1_interval"]
        plain["top1_interval"] = float(low), float(high)
    return SweepRow(**plain)
