"""What quantization did to each weight."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.reports.data_frame import data_frame
from mltoolkit.reports.finite import finite

if TYPE_CHECKING:
    import pandas as pd

    from mltoolkit.quantization.slots import WeightSlot

_COLUMNS = ("layer", "type", "weight", "shape", "stored as", "bits", "bytes", "SQNR dB", "remark")


@dataclass(frozen=True)
class WeightRecord:
    """What was done to one weight.

    Attributes:
        stage: names of the pipeline stages joined by "/"; "" for a plain network.
        layer: the layer's name.
        layer_type: the layer's type.
        weight: the field of the layer.
        shape: of the weight.
        mode: how it is stored now; "" if it was left as it was.
        bits_before: 32, 16, or the bits of its codes.
        bits_after: likewise.
        bytes_before: of the values with their scales or table.
        bytes_after: likewise.
        sqnr_db: 10 log10 of the power of the values over that of the error, against the values before;
            infinite where nothing was lost, None for a weight left as it was.
        reason: why it was left as it was, or a remark.
    """

    stage: str
    layer: str
    layer_type: str
    weight: str
    shape: tuple[int, ...]
    mode: str
    bits_before: int
    bits_after: int
    bytes_before: int
    bytes_after: int
    sqnr_db: float | None
    reason: str = ""

    @classmethod
    def of(
        cls,
        slot: WeightSlot,
        reason: str,
        mode: str = "",
        size: int | None = None,
        nbits: int | None = None,
        sqnr: float | None = None,
    ) -> WeightRecord:
        """The record of a weight that is stored in a mode, or was left as it was.

        Args:
            slot: the weight.
            reason: why it was left, or a remark.
            mode: how it is stored now.
            size: bytes that it takes now; as before by default.
            nbits: bits of its values now; as before by default.
            sqnr: see above.
        """
        return cls(
            stage=slot.stage,
            layer=slot.layer,
            layer_type=slot.layer_type,
            weight=slot.name,
            shape=slot.shape,
            mode=mode,
            bits_before=slot.bits,
            bits_after=slot.bits if nbits is None else nbits,
            bytes_before=slot.bytes,
            bytes_after=slot.bytes if size is None else size,
            sqnr_db=sqnr,
            reason=reason,
        )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary for JSON; an infinite SQNR is None there."""
        return dict(finite(asdict(self)))

    def _cells(self) -> tuple[str, ...]:
        return (
            f"{self.stage}/{self.layer}" if self.stage else self.layer,
            self.layer_type,
            self.weight,
            "×".join(map(str, self.shape)),
            self.mode or "as before",
            _change(self.bits_before, self.bits_after),
            _change(self.bytes_before, self.bytes_after),
            "" if self.sqnr_db is None else f"{self.sqnr_db:.1f}",
            self.reason,
        )


def _change(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} → {after:,}"


@dataclass(frozen=True)
class QuantizationReport:
    """What quantization did to a model.

    Attributes:
        mode: ``linear``, ``linear_symmetric``, ``kmeans``, ``linear_lut``, ``custom_lut``, ``float16`` or
            ``dequantization``; ``mixed`` where weights got different ones.
        nbits: what was asked for; 0 where weights got different numbers.
        records: one for every weight, in the order of the file.
        model_bytes_before: size of the model's file.
        model_bytes_after: size of the new model's file.
    """

    mode: str
    nbits: int
    records: tuple[WeightRecord, ...]
    model_bytes_before: int
    model_bytes_after: int

    @property
    def changed(self) -> tuple[WeightRecord, ...]:
        """The weights that are stored in a new way."""
        return tuple(record for record in self.records if record.mode)

    @property
    def skipped(self) -> tuple[WeightRecord, ...]:
        """The weights left as they were."""
        return tuple(record for record in self.records if not record.mode)

    @property
    def weight_bytes_before(self) -> int:
        """Bytes of all weights with their scales and tables."""
        return sum(record.bytes_before for record in self.records)

    @property
    def weight_bytes_after(self) -> int:
        """Bytes of all weights with their scales and tables."""
        return sum(record.bytes_after for record in self.records)

    @property
    def reasons(self) -> dict[str, int]:
        """Why weights were left as they were, and how many, the most frequent first."""
        return dict(Counter(record.reason for record in self.skipped).most_common())

    @property
    def reasons_text(self) -> str:
        """The reasons in one line."""
        if not self.records:
            return "the model has no weights"
        return "; ".join(f"{reason} ({count})" for reason, count in self.reasons.items())

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists, numbers and strings; an infinite SQNR is None."""
        return {
            "mode": self.mode,
            "nbits": self.nbits,
            "model_bytes_before": self.model_bytes_before,
            "model_bytes_after": self.model_bytes_after,
            "weight_bytes_before": self.weight_bytes_before,
            "weight_bytes_after": self.weight_bytes_after,
            "weights_changed": len(self.changed),
            "weights_skipped": len(self.skipped),
            "records": [record.to_dict() for record in self.records],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_dataframe(self) -> pd.DataFrame:
        """One row for every weight.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return data_frame(map(asdict, self.records), list(WeightRecord.__dataclass_fields__))

    @property
    def bits_text(self) -> str:
        """Bits a weight: what was asked for, or the mean over the weights that are stored anew."""
        if self.nbits:
            return f"{self.nbits} bit{'s' if self.nbits > 1 else ''}"
        sizes = [(math.prod(record.shape), record.bits_after) for record in self.changed]
        count = sum(size for size, _ in sizes)
        return f"{sum(size * bits for size, bits in sizes) / max(count, 1):.2f} bits on average"

    @property
    def headline(self) -> str:
        """Mode, weights changed and bytes, in one line."""
        worst = min((record.sqnr_db for record in self.changed if record.sqnr_db is not None), default=math.inf)
        return (
            f"{self.mode}, {self.bits_text}: {len(self.changed)} of {len(self.records)} weights changed, "
            f"{self.model_bytes_before:,} → {self.model_bytes_after:,} bytes"
            + (f", lowest SQNR {worst:.1f} dB" if math.isfinite(worst) else "")
        )

    def __str__(self) -> str:
        lines = [self.headline]
        if self.changed:
            rows = [_COLUMNS, *(record._cells() for record in self.changed)]
            widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
            lines += [
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
            ]
        if self.skipped:
            lines.append(f"left as they were: {self.reasons_text}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.headline}>"

    def _repr_html_(self) -> str:
        from mltoolkit.quantization.report_html import report_html

        return report_html(self)
