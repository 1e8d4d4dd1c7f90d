"""How far to go: bits of every weight, or a budget that a search meets."""

from __future__ import annotations

from dataclasses import dataclass, field

from mltoolkit.calibration.model import Calibration, Progress
from mltoolkit.calibration.search import Search, uniform_name
from mltoolkit.calibration.trial import Bench, Trial
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig


@dataclass(frozen=True)
class Reached:
    """What came of a goal.

    Attributes:
        chosen: how the best model was made, and what was measured of it.
        model: that model.
        trials: all that was tried, the chosen one included.
        reasons: why a search may have left weights alone, by the index of their slot.
    """

    chosen: Trial
    model: Model
    trials: tuple[Trial, ...]
    reasons: dict[int, str] = field(default_factory=dict)


def reach(
    goal: str,
    amount: float,
    bench: Bench,
    calibration: Calibration,
    config: QuantizationConfig,
    *,
    curve: bool,
    progress: Progress | None,
) -> Reached:
    """Quantize as far as a goal says.

    Args:
        goal: ``nbits`` or ``settings``, which the configuration holds; ``max_bytes``, ``max_bits_per_weight`` or
            ``min_agreement``.
        amount: of what the last three name.
        bench: measures models.
        calibration: the model with its samples.
        config: how to quantize.
        curve: whether to try other sizes as well, for the report.
        progress: called after each weight.

    Raises:
        QuantizationError: the budget cannot be met.
    """
    if goal in ("nbits", "settings"):
        name = "settings" if config.settings is not None else uniform_name(config.nbits or 0)
        trial, model = bench.try_out(name, calibration, config, progress)
        return Reached(trial, model, (trial,))
    search = Search(bench, calibration, config, progress)
    if goal == "max_bytes":
        chosen, model = search.to_size(int(amount), curve)
    elif goal == "max_bits_per_weight":
        chosen, model = search.to_rate(amount, curve)
    else:
        chosen, model = search.to_agreement(amount)
    trials = (*search.trials, *(() if chosen in search.trials else (chosen,)))
    return Reached(chosen, model, trials, search.shares.reasons)
