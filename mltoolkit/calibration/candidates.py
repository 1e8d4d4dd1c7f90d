"""Which weights a budget is shared out among, and which forms each may take: codes, float16, or as it is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mltoolkit.calibration.allocation import Option
from mltoolkit.calibration.layer import obstacle
from mltoolkit.calibration.model import Calibration, Progress
from mltoolkit.calibration.sensitivity import Candidate, measure_options
from mltoolkit.calibration.sites import Site
from mltoolkit.errors import QuantizationError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.plan import Decision, reason_to_stay
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.weight_access import ModelRewriter

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
_FLOAT16 = Form("float16", 16)
# Of a float16 number's own.
_HALF_BITS = 11
# Of a Gaussian source with the best table of 2ᵇ entries: 2.72 · 4⁻ᵇ of its variance (Panter and Dite, 1951).
_TABLE_NOISE = 2.72


@dataclass(frozen=True)
class Shares:
    """What can be shared out.

    Attributes:
        options: the options of each weight, by the index of its slot.
        decisions: one for each of them; the form is that of most bits.
        others: the decisions on all other weights.
        weights: how many numbers these weights have.
    """

    options: dict[int, list[Option]]
    decisions: dict[int, Decision]
    others: list[Decision]
    weights: int

    @property
    def reasons(self) -> dict[int, str]:
        """Why weights are left alone, by the index of their slot."""
        return {decision.slot.index: decision.reason for decision in self.others} | dict.fromkeys(
            self.options, "its bytes do more good here than elsewhere"
        )


def find_shares(calibration: Calibration, config: QuantizationConfig, progress: Progress | None = None) -> Shares:
    """The weights that a configuration allows to quantize, with their options.

    Where settings give a weight's number of bits, it has no other option.

    Args:
        calibration: the model and the samples to measure with.
        config: with any number of bits.
        progress: called after each weight.

    Raises:
        ArgumentError: the settings name no weight of the model, or the selector failed.
        QuantizationError: no weight can be quantized.
    """
    rewriter = calibration.open()
    if config.settings is not None:
        config.settings.check_names(rewriter.slots)
    forms: dict[int, list[Form]] = {}
    kept: dict[int, Decision] = {}
    for nbits in [bits for bits in config.mode.nbits if bits in BITS]:
        allowed = replace(config, nbits=nbits)
        for slot in rewriter.slots:
            own = allowed.of(slot)
            form = own.form(slot) if own is not None else None
            reason = "skipped by the settings" if form is None else reason_to_stay(rewriter, slot, form, allowed)
            found = forms.setdefault(slot.index, [])
            if form is not None and not reason and form not in found:
                found.append(form)
                kept[slot.index] = Decision(slot, form, own or allowed)
            kept.setdefault(slot.index, Decision(slot, None, own or allowed, reason))
    forms = {index: own for index, own in forms.items() if own}
    if not forms:
        reasons = sorted({decision.reason for decision in kept.values()})
        raise QuantizationError(
            f"no weight of the model can be quantized: {'; '.join(reasons) or 'it has none'}",
            fix="Loosen the selector, the settings or only_if_smaller",
        )
    decisions = {index: kept[index] for index in forms}
    options = _measured(calibration, rewriter, decisions, forms, progress)
    options |= _estimated(rewriter, decisions, forms, options)
    for index, possible in options.items():
        # A weight whose bits are settled must not stay as it is.
        if len(possible) > 1:
            possible += _floats(rewriter, decisions[index].slot, possible)
    return Shares(
        options,
        decisions,
        [decision for index, decision in kept.items() if index not in forms],
        sum(decision.slot.count for decision in decisions.values()),
    )


def _measured(
    calibration: Calibration,
    rewriter: ModelRewriter,
    decisions: Mapping[int, Decision],
    forms: Mapping[int, Sequence[Form]],
    progress: Progress | None,
) -> dict[int, list[Option]]:
    sites = calibration.sites(rewriter)
    options: dict[int, list[Option]] = {}
    done, total = 0, len(forms)

    def count(slot: WeightSlot) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, slot.layer)

    for name, stage in calibration.feeds.stages.items():
        candidates = []
        for index, own in forms.items():
            site = sites[index]
            if decisions[index].slot.stage == name and isinstance(site, Site):
                possible = tuple(form for form in own if not obstacle(site, form))
                if possible:
                    candidates.append(Candidate(decisions[index], possible, site))
        options |= measure_options(
            stage, candidates, rewriter, calibration.may_shift(rewriter), calibration.effort, count
        )
    return options


def _estimated(
    rewriter: ModelRewriter,
    decisions: Mapping[int, Decision],
    forms: Mapping[int, Sequence[Form]],
    measured: Mapping[int, Sequence[Option]],
) -> dict[int, list[Option]]:
    """Options of weights that are quantized from their values alone: as sensitive as the others in the middle."""
    ratios = [
        option.loss / _noise(option.form) for own in measured.values() for option in own if option.form is not None
    ]
    ratio = statistics.median(ratios) if ratios else 1.0
    return {
        index: [Option(form, rewriter.size(decisions[index].slot, form), ratio * _noise(form)) for form in own]
        for index, own in forms.items()
        if index not in measured
    }


def _floats(rewriter: ModelRewriter, slot: WeightSlot, coded: Sequence[Option]) -> list[Option]:
    """Leaving a weight as it is, and float16 where it is float32."""
    options = [Option(None, slot.bytes, 0.0)]
    now = slot.form
    if now is not None and now.kind == "float32" and not rewriter.obstacle(slot, _FLOAT16):
        # Each bit is a quarter of the noise.
        finest = min(coded, key=lambda option: option.loss)
        bits = finest.form.nbits if finest.form else 8
        options.append(Option(_FLOAT16, rewriter.size(slot, _FLOAT16), finest.loss * 4.0 ** (bits - _HALF_BITS)))
    return options


def _noise(form: Form) -> float:
    return min(1.0, _TABLE_NOISE * 4.0**-form.nbits)
