"""The result of a conversion besides the model: which way it went, what it took, and how well it agrees."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from mltoolkit.reports.finite import finite


@dataclass(frozen=True)
class OutputCheck:
    """How one output of two stages of a conversion compares.

    Attributes:
        output: the output's name.
        stages: what was compared: ``source = hub``, ``source = file``.
        inputs: what was fed: ``seeded``, ``given``, ``seeded, other sizes``.
        measure: ``SQNR`` for floating outputs, ``exact`` for whole numbers and flags, ``label`` for a classifier's
            answer.
        decibels: the signal to noise ratio; infinite where nothing differs, None for other measures.
        tolerance_db: the ratio that is asked for.
        largest_difference: of any two values; None where they cannot be subtracted.
        passed: whether the two agree; None where they were not compared.
        reason: why they were not compared, or what differs.
    """

    output: str
    stages: str
    inputs: str
    measure: str
    decibels: float | None = None
    tolerance_db: float | None = None
    largest_difference: float | None = None
    passed: bool | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A dictionary for JSON; infinite numbers are None there, ``identical`` tells +inf dB from -inf dB."""
        return {**finite(asdict(self)), "identical": self.largest_difference == 0}


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        source: the model that was converted.
        source_kind: ``Keras``, ``ONNX``, ``Core ML``, ``PyTorch`` or ``TensorFlow``.
        way: the converters it went through, in words.
        notes: why it went that way, what was left out and why.
        format: ``mlmodel`` or ``mlpackage``.
        precision: ``float32`` or ``float16``.
        seconds: time by step: ``import``, ``write``, ``verify``.
        layers_in: layers (operations) of the source.
        operations_out: layers (operations) of the written model by type, the most frequent first.
        transposes: how many of them only reorder axes.
        bytes: size of the written model.
        custom_layers: class name → how many custom layers of it the written model has.
        hooks_used: custom conversion function → the layers that it converted.
        hooks_unused: custom conversion functions that matched no layer, with the closest names.
        checks: the verification, a row an output; empty if it was turned off.
    """

    source: str
    source_kind: str
    way: str
    format: str
    precision: str
    seconds: dict[str, float]
    layers_in: int
    operations_out: dict[str, int]
    transposes: int
    bytes: int
    notes: tuple[str, ...] = ()
    custom_layers: dict[str, int] = field(default_factory=dict)
    hooks_used: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hooks_unused: dict[str, str] = field(default_factory=dict)
    checks: tuple[OutputCheck, ...] = ()

    @property
    def verified(self) -> bool | None:
        """Whether all that was compared agrees; None if nothing was compared."""
        results = [check.passed for check in self.checks if check.passed is not None]
        return all(results) if results else None

    @property
    def lowest_db(self) -> float | None:
        """The lowest signal to noise ratio of any check."""
        return min((check.decibels for check in self.checks if check.decibels is not None), default=None)

    @property
    def headline(self) -> str:
        """Source, target, time and verdict in one line."""
        if self.verified is None:
            verdict = "not verified"
        elif not self.verified:
            verdict = "the outputs differ"
        else:
            lowest = self.lowest_db
            verdict = "verified"
            if lowest is not None:
                verdict += ", identical" if math.isinf(lowest) else f", lowest SQNR {decibels_text(lowest)}"
        operations = sum(self.operations_out.values())
        return (
            f"{self.source} ({self.source_kind}) → .{self.format} {self.precision}: {self.layers_in:,} layers → "
            f"{operations:,} operations, {self.bytes:,} bytes, {sum(self.seconds.values()):.1f} s, {verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and finite numbers."""
        plain = asdict(self)
        plain["checks"] = [check.to_dict() for check in self.checks]
        plain["hooks_used"] = {key: list(names) for key, names in self.hooks_used.items()}
        plain["notes"] = list(self.notes)
        plain["lowest_db"] = finite(self.lowest_db)
        return {**plain, "verified": self.verified}

    def to_json(self, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        from mltoolkit.conversion.report_text import report_text

        return report_text(self)

    def __repr__(self) -> str:
        return f"<ConversionReport {self.headline}>"

    def _repr_html_(self) -> str:
        from mltoolkit.conversion.report_text import report_html

        return report_html(self)


def decibels_text(decibels: float) -> str:
    """``63.2 dB``, ``identical`` or ``unlike``."""
    if math.isinf(decibels):
        return "identical" if decibels > 0 else "unlike"
    return f"{decibels:.1f} dB"
