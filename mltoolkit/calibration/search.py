"""Searching for the bits of each weight under a budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mltoolkit.calibration.allocation import Choice, allocate, filled, size
from mltoolkit.calibration.candidates import Shares, find_shares
from mltoolkit.calibration.model import Calibration, Progress
from mltoolkit.calibration.report import CurvePoint
from mltoolkit.calibration.trial import Bench, Trial
from mltoolkit.errors import QuantizationError
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import rewrite_weights
from mltoolkit.quantization.settings import QuantizationSettings
from mltoolkit.quantization.settings_record import settings_of
from mltoolkit.quantization.slots import Form

_log = logging.getLogger(__name__)

# Samples that are enough to tell how sensitive a weight is, and which of several ways of sharing out is best.
_FEW = 64
_FEWER = 32
# Divergences of single weights to these powers: errors of low bits do not add up, and a root evens them out.
_POWERS = (1.0, 0.5)
# Rates that are tried to find the smallest model that keeps an agreement, in bits a weight.
RATES = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.5, 16.5)
_CURVE_RATES = (2.0, 3.0, 4.0, 6.0)
# What the file may grow by in bytes with other bits than the fewest: longer records, lengths of messages.
_SLACK = 64
# How often a budget is narrowed where the file came out larger than foreseen.
_ATTEMPTS = 4


# Less is better; None for what does not meet the budget.
_Rank = Callable[[CurvePoint], float | None]


class Search:
    """Finds what to do with each weight, once the model and the samples are known.

    Of all models that are tried only the best so far is kept. One search finds one model.

    Args:
        bench: measures models.
        calibration: the model with all samples to calibrate with.
        config: what holds for every weight but its bits.
        progress: called after each weight of each attempt.

    Attributes:
        shares: the weights that share the budget, and the forms that each may take.
        trials: what was tried, for the curve.
    """

    def __init__(
        self, bench: Bench, calibration: Calibration, config: QuantizationConfig, progress: Progress | None = None
    ) -> None:
        self._bench = bench
        self._full = calibration
        self._few = calibration.with_samples(_FEW)
        self._config = config
        self._progress = progress
        self.shares: Shares = find_shares(calibration.with_samples(_FEWER), config, progress)
        self.trials: list[Trial] = []
        # With all samples or few; what is stored how.
        self._known: dict[tuple[bool, frozenset[tuple[int, Form | None]]], Trial] = {}
        self._rank: _Rank = lambda point: None
        self._best: tuple[float, Trial, Model] | None = None

    def to_size(self, most: int, curve: bool = True) -> tuple[Trial, Model]:
        """The best model of at most so many bytes.

        Raises:
            QuantizationError: there is none; the error tells the smallest possible.
        """
        self._rank = lambda point: point.divergence if point.model_bytes <= most else None
        budget = most - self._other_bytes() - _SLACK
        fitting: list[Trial] = []
        for _ in range(_ATTEMPTS):
            tried = self._attempt(budget)
            fitting += [trial for trial in tried if trial.point.model_bytes <= most and trial not in fitting]
            best = tried[_least(tried)] if tried else None
            if best is None or best in fitting:
                break
            _log.debug("%d bytes too many", best.point.model_bytes - most)
            budget = min(budget, self._weight_bytes(best)) - (best.point.model_bytes - most)
        if not fitting:
            fitting = [self._smallest_trial(most)]
        # What came out too large is no way to meet the budget.
        self.trials = fitting
        if curve:
            self._draw_curve()
        return self._found()

    def to_rate(self, bits_per_weight: float, curve: bool = True) -> tuple[Trial, Model]:
        """The best model whose quantized weights take at most so many bits each, with scales and tables.

        Raises:
            QuantizationError: there is none.
        """
        self._rank = lambda point: point.divergence
        if not self._attempt(int(bits_per_weight * self.shares.weights / 8)):
            least = 8 * size(self._smallest()) / self.shares.weights
            raise QuantizationError(
                f"the weights cannot be made to take {bits_per_weight} bits each; the least reachable is {least:.3f}",
                fix=f"Give max_bits_per_weight={least + 0.001:.3f} or more",
            )
        if curve:
            self._draw_curve()
        return self._found()

    def to_agreement(self, least: float) -> tuple[Trial, Model]:
        """The smallest of some models that keep an agreement.

        Raises:
            QuantizationError: none does; the error tells the best that was reached.
        """
        # Uniform bits are tried beside mixed ones, and may do at fewer bytes.
        self._rank = lambda point: point.model_bytes if (point.agreement or 0.0) >= least else None
        low, high = 0, len(RATES) - 1
        while low <= high:
            middle = (low + high) // 2
            tried = self._attempt(int(RATES[middle] * self.shares.weights / 8))
            if any((trial.point.agreement or 0.0) >= least for trial in tried):
                high = middle - 1
            else:
                low = middle + 1
        if not self.trials:
            # Of tiny weights, scales and tables may take more than any of the rates.
            self._keep([self._trial("smallest", self._smallest())])
        if self._best is None:
            best = max(trial.point.agreement or 0.0 for trial in self.trials)
            raise QuantizationError(
                f"no quantized model agrees in {least:.1%} of the held-out samples; the best reached {best:.1%}",
                fix="Ask for less, leave out sensitive layers with settings, or give more samples",
            )
        return self._found()

    def _found(self) -> tuple[Trial, Model]:
        assert self._best is not None
        _, trial, model = self._best
        return trial, model

    def _draw_curve(self) -> None:
        """Try some rates with few samples, for the curve."""
        for rate in _CURVE_RATES:
            choice = allocate(self.shares.options, int(rate * self.shares.weights / 8))
            if choice is not None:
                self._keep([self._trial(f"mixed, {rate:g} bits, few samples", choice, few=True)])

    def _smallest(self) -> Choice:
        return {key: min(own, key=lambda option: option.bytes) for key, own in self.shares.options.items()}

    def _smallest_trial(self, most: int) -> Trial:
        """The smallest model that can be made.

        Raises:
            QuantizationError: even that takes more bytes.
        """
        trial = self._trial("smallest", self._smallest())
        smallest = trial.point.model_bytes
        if smallest > most:
            raise QuantizationError(
                f"the model cannot be made to take {most:,} bytes; the smallest reachable takes {smallest:,}",
                fix=f"Give max_bytes={smallest} or more, or loosen what is skipped",
            )
        return trial

    def _attempt(self, budget: int) -> list[Trial]:
        """Models whose weights take so many bytes: one with mixed bits and one with uniform bits, where there are such.

        Of several ways to mix that many samples would have to tell apart, a few samples choose.
        """
        mixed = [choice for power in _POWERS if (choice := self._allocate(power, budget)) is not None]
        if not mixed:
            return []
        uniform = self._uniform(budget)
        if uniform is not None:
            mixed.append(filled(self.shares.options, uniform[1], budget))
        if len(mixed) > 1 and len(self._few.feeds) < len(self._full.feeds):
            attempts = [self._trial("mixed", choice, few=True) for choice in _different(mixed)]
            mixed = [_different(mixed)[_least(attempts)]]
        # Uniform bits first: where mixing ends at these, they keep their name.
        trials = [] if uniform is None else [self._trial(uniform_name(uniform[0]), uniform[1])]
        trials += [self._trial("mixed", choice) for choice in _different(mixed)]
        self._keep(trials)
        return trials

    def _allocate(self, power: float, budget: int) -> Choice | None:
        options = self.shares.options
        if power == 1.0:
            return allocate(options, budget)
        bent = {key: [replace(option, loss=option.loss**power) for option in own] for key, own in options.items()}
        choice = allocate(bent, budget)
        if choice is None:
            return None
        # With their own losses again, so that equal choices are equal.
        return {
            key: next(option for option in options[key] if option.form == chosen.form) for key, chosen in choice.items()
        }

    def _uniform(self, budget: int) -> tuple[int, Choice] | None:
        """The most bits that all weights can have alike."""
        for nbits in range(8, 0, -1):
            choice = {}
            for key, own in self.shares.options.items():
                coded = [option for option in own if option.form is not None]
                choice[key] = min(coded, key=lambda option: abs(option.form.nbits - nbits) if option.form else 0)
            if size(choice) <= budget:
                return nbits, choice
        return None

    def _trial(self, name: str, choice: Choice, few: bool = False) -> Trial:
        """What comes of a choice; with few samples it is for comparison only."""
        calibration = self._few if few else self._full
        key = calibration is self._full, frozenset((index, option.form) for index, option in choice.items())
        if key not in self._known:
            config = self._configured(choice)
            trial, model = self._bench.try_out(name, calibration, config, self._progress, self.shares.options)
            self._known[key] = trial
            rank = None if few else self._rank(trial.point)
            if rank is not None and (self._best is None or rank < self._best[0]):
                self._best = rank, trial, model
        return self._known[key]

    def _keep(self, trials: Iterable[Trial]) -> None:
        """Count trials for the curve, each once."""
        self.trials += [trial for trial in trials if not any(trial is other for other in self.trials)]

    def _configured(self, choice: Choice) -> QuantizationConfig:
        return replace(self._config, nbits=None, selector=None, settings=self._settings(choice))

    def _settings(self, choice: Choice) -> QuantizationSettings:
        decisions = [
            replace(self.shares.decisions[index], form=option.form) for index, option in sorted(choice.items())
        ]
        return settings_of([*decisions, *(replace(other, form=None) for other in self.shares.others)])

    def _other_bytes(self) -> int:
        """Bytes of a model's file besides the weights that share the budget: the smallest is written to see it."""
        choice = self._smallest()
        rewriter = self._full.open()
        _, decisions = rewrite_weights(rewriter, self._configured(choice))
        self._bench.record(rewriter, decisions, self._full.target)
        rewriter.finish()
        return rewriter.bytes_after - size(choice) + self._full.added_bias_bytes()

    def _weight_bytes(self, trial: Trial) -> int:
        """What the weights that share the budget take in a model."""
        pairs = zip(trial.decisions, trial.records, strict=True)
        return sum(record.bytes_after for decision, record in pairs if decision.slot.index in self.shares.options)


def _least(trials: Sequence[Trial]) -> int:
    return min(range(len(trials)), key=lambda index: trials[index].point.divergence)


def _different(choices: Sequence[Choice]) -> list[Choice]:
    return [choice for index, choice in enumerate(choices) if choice not in choices[:index]]


def uniform_name(nbits: int) -> str:
    """What the curve calls the same number of bits for all weights."""
    return f"uniform {nbits} bit{'s' if nbits > 1 else ''}"
