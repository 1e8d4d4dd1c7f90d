"""What calibrated quantization did and found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mltoolkit.comparison.intervals import wilson_interval
from mltoolkit.errors import MissingExtraError
from mltoolkit.quantization.report import QuantizationReport


@dataclass(frozen=True)
class CurvePoint:
    """One way to share out bytes that was tried.

    Attributes:
        name: ``uniform 4 bits``, ``mixed``, …
        bits_per_weight: bits of the quantized weights with their scales and tables, by their number.
        model_bytes: size of the model's file.
        divergence: of the outputs from the float model's on the calibration samples that were looked at: for a
            classifier the mean Kullback-Leibler divergence in nats, else the relative mean square error.
        agreement: share of the samples with the float model's first class (or what the caller's function gave);
            None where there is nothing to agree on.
        samples: how many samples the agreement was measured on.
        held_out: whether these were kept apart from calibration.
        chosen: whether this is the model that was returned.
    """

    name: str
    bits_per_weight: float
    model_bytes: int
    divergence: float
    agreement: float | None
    samples: int
    held_out: bool
    chosen: bool = False

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the agreement (Wilson)."""
        if self.agreement is None:
            return None
        return wilson_interval(round(self.agreement * self.samples), self.samples)

    def __str__(self) -> str:
        text = f"{self.name}: {self.bits_per_weight:.2f} bits a weight, {self.model_bytes:,} bytes, "
        text += f"divergence {self.divergence:.4g}"
        interval = self.interval
        if self.agreement is not None and interval is not None:
            which = "held-out" if self.held_out else "calibration"
            low, high = interval
            text += f", agreement {self.agreement:.1%} ({low:.1%} to {high:.1%}) on {self.samples} {which} samples"
        return text + (" (chosen)" if self.chosen else "")


@dataclass(frozen=True, repr=False)
class CalibratedQuantizationReport(QuantizationReport):
    """What calibrated quantization did to each weight, and what was tried.

    The records' remarks hold the signal to noise ratio of each layer's output with the weights as they are stored
    (output SNR), or why a weight was quantized from its values alone. What layers before have changed counts as far as
    the layer could make up for it; the damping of its problem makes the ratio a dB or so lower than what is measured.

    Attributes:
        samples: how many samples were calibrated with.
        curve: what was tried, by rising size.
        warnings: what may be wrong with the calibration data.
        seconds: how long it took.
    """

    samples: int = 0
    curve: tuple[CurvePoint, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def chosen(self) -> CurvePoint:
        """The point of the model that was returned."""
        return next(point for point in self.curve if point.chosen)

    @property
    def pareto(self) -> tuple[CurvePoint, ...]:
        """The points that no other one beats in bytes and agreement (divergence where there is no agreement)."""
        return tuple(
            point
            for point in self.curve
            if not any(other.model_bytes <= point.model_bytes and _better(other, point) for other in self.curve)
        )

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`QuantizationReport.to_dict`."""
        return {
            **super().to_dict(),
            "samples": self.samples,
            "curve": [asdict(point) for point in self.curve],
            "warnings": list(self.warnings),
            "seconds": self.seconds,
        }

    def plot(self, axes: Any = None) -> Any:
        """Agreement (or divergence) against bytes.

        Args:
            axes: matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        if axes is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError as error:
                raise MissingExtraError("matplotlib", "plots", "a plot of the curve") from error
            axes = plt.subplots()[1]
        axes.set_xlabel("bytes of the model")
        points = sorted(self.curve, key=lambda point: point.model_bytes)
        front = sorted(self.pareto, key=lambda point: point.model_bytes)
        if all(point.agreement is not None for point in points):
            axes.set_ylabel("agreement with the float model, %")
            for point in points:
                low, high = point.interval or (0.0, 0.0)
                axes.plot([point.model_bytes] * 2, [100 * low, 100 * high], color="0.7", zorder=1)
            height = _percent
        else:
            axes.set_ylabel("divergence from the float model")
            axes.set_yscale("log")
            height = _divergences
        axes.plot([point.model_bytes for point in front], height(front), color="tab:blue", zorder=2)
        axes.scatter([point.model_bytes for point in points], height(points), color="tab:blue", zorder=3)
        chosen = [point for point in points if point.chosen]
        axes.scatter([p.model_bytes for p in chosen], height(chosen), color="tab:orange", zorder=4, label="chosen")
        axes.legend()
        return axes

    def _repr_html_(self) -> str:
        from mltoolkit.calibration.report_html import curve_html
        from mltoolkit.quantization.report_html import report_html

        return report_html(self, curve_html(self))

    def __str__(self) -> str:
        lines = [super().__str__(), f"calibrated with {self.samples} samples in {self.seconds:.1f} s"]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, *map(str, self.curve)])


def _better(other: CurvePoint, point: CurvePoint) -> bool:
    if other.agreement is not None and point.agreement is not None:
        mine, theirs = (point.agreement, -point.divergence), (other.agreement, -other.divergence)
    else:
        mine, theirs = (-point.divergence, 0.0), (-other.divergence, 0.0)
    return theirs > mine or (theirs == mine and other.model_bytes < point.model_bytes)


def _percent(points: Sequence[CurvePoint]) -> list[float]:
    return [100 * (point.agreement or 0.0) for point in points]


def _divergences(points: Sequence[CurvePoint]) -> list[float]:
    return [point.divergence for point in points]
