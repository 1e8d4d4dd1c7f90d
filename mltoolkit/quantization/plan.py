"""Deciding what happens to each weight, and why one stays as it is; without reading the values.

Core ML's validator refuses a layer that mixes float32 with float16, and a parametric softplus whose two
parameters are stored differently. So the floats of a neural network's layer change their precision together: where
one becomes float16 (or float32), those that would stay behind follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import MODES
from mltoolkit.quantization.selectors import selects
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.weight_access import WeightAccess

_OTHER_FLOATS = {"float16": "float32", "float32": "float16"}
_SKIPPED = "skipped by the settings"
_NAMES = {"table": "lookup table"}


@dataclass(frozen=True)
class Decision:
    """What happens to a weight: it is stored as ``form``, or stays (form None) because of ``reason``.

    Attributes:
        slot: the weight.
        form: how it is stored.
        config: what the form comes from: the configuration of this weight.
        reason: why it stays, or a remark.
    """

    slot: WeightSlot
    form: Form | None
    config: QuantizationConfig
    reason: str = ""


def plan_layers(rewriter: WeightAccess, config: QuantizationConfig) -> Iterator[list[Decision]]:
    """Decide about every weight of a model, layer by layer.

    Args:
        rewriter: the model.
        config: what is asked for.

    Yields:
        One decision for each weight of a layer.

    Raises:
        ArgumentError: the selector failed, or the system that a program is made for does not have what is asked for.
    """
    for _, slots in groupby(rewriter.slots, key=lambda slot: slot.layer_index):
        decisions = [_decide(rewriter, slot, config) for slot in slots]
        yield _keep_pairs_alike(_take_floats_along(rewriter, decisions))


def reason_to_stay(rewriter: WeightAccess, slot: WeightSlot, form: Form, config: QuantizationConfig) -> str:
    """Why a weight is not stored in a form under a configuration: "" where it is.

    The form may be another one than the configuration's own, such as one of more bits; what the configuration says
    about biases, normalization, selected weights and smaller sizes holds for it too.
    """
    own = config.of(slot)
    return _SKIPPED if own is None else _reason(rewriter, slot, form, own)


def _reason(rewriter: WeightAccess, slot: WeightSlot, form: Form, config: QuantizationConfig) -> str:
    lack = rewriter.lacking(slot, form)
    unwanted = "" if config.dequantizes else _unwanted(slot, config)
    # Nearly all biases of a program have one axis, which is an obstacle too: not the reason that matters.
    reason = unwanted if slot.in_program else ""
    reason = reason or ("" if lack else rewriter.obstacle(slot, form)) or _already_there(slot, form, config)
    reason = reason or unwanted
    if not reason and not selects(config.selector, rewriter.message(slot), slot):
        reason = "not selected"
    return reason or (lack.reason if lack else not_smaller(rewriter, slot, form, config))


def not_smaller(rewriter: WeightAccess, slot: WeightSlot, form: Form, config: QuantizationConfig) -> str:
    """That a weight would not take fewer bytes in a form, where the configuration asks for that."""
    if config.mode is MODES["unique"]:
        form = replace(form, nbits=1)  # the least that the values may need
    needed = config.only_if_smaller and not config.dequantizes
    return "would not get smaller" if needed and rewriter.size(slot, form) >= slot.bytes else ""


def keep(decisions: Sequence[Decision], reason: str) -> list[Decision]:
    """The same decisions with every weight that was to change left as it is."""
    return [replace(decision, form=None, reason=reason) if decision.form else decision for decision in decisions]


def _decide(rewriter: WeightAccess, slot: WeightSlot, config: QuantizationConfig) -> Decision:
    own = config.of(slot)
    if own is None:
        return Decision(slot, None, config, _SKIPPED)
    form = own.form(slot)
    reason = _reason(rewriter, slot, form, own)
    lack = rewriter.lacking(slot, form)
    if lack is not None and reason == lack.reason:
        raise ArgumentError(reason, where=slot.where, fix=lack.fix)
    return Decision(slot, None if reason else form, own, reason)


def _unwanted(slot: WeightSlot, config: QuantizationConfig) -> str:
    if slot.role == "bias" and not config.include_biases:
        return "biases stay as they are"
    if slot.role == "normalization" and not config.include_normalization:
        return "normalization stays as it is"
    return ""


def _already_there(slot: WeightSlot, form: Form, config: QuantizationConfig) -> str:
    now = slot.form
    if now is None or config.mode.own_table or (form.symmetric and not now.symmetric):
        return ""
    if replace(now, symmetric=form.symmetric, signed=form.signed) != form:
        return ""
    name = _NAMES.get(now.kind, now.kind)
    return f"already {name}" if now.kind in _OTHER_FLOATS else f"already {now.nbits} bits, {name}"


def _take_floats_along(rewriter: WeightAccess, decisions: list[Decision]) -> list[Decision]:
    forms = {decision.form for decision in decisions if decision.form and decision.form.kind in _OTHER_FLOATS}
    if not forms or decisions[0].slot.in_program:
        return decisions
    if len(forms) > 1:
        return keep(decisions, "a layer's floats stay alike, and both precisions are asked for")
    (form,) = forms
    config = next(decision.config for decision in decisions if decision.form == form)
    following = []
    for decision in decisions:
        now = decision.slot.form
        if decision.form is None and now is not None and now.kind == _OTHER_FLOATS[form.kind]:
            obstacle = rewriter.obstacle(decision.slot, form)
            if obstacle:
                return keep(decisions, f"a layer's floats stay alike, and {decision.slot.name} stays: {obstacle}")
            decision = replace(decision, form=form, config=config, reason="as the layer's other floats")
        following.append(decision)
    return following


def _keep_pairs_alike(decisions: list[Decision]) -> list[Decision]:
    """Both parameters of a parametric softplus change, or neither."""
    changing: dict[str, list[bool]] = {}
    for decision in decisions:
        if "parametricSoftplus." in decision.slot.name:
            prefix = decision.slot.name.rpartition(".")[0]
            changing.setdefault(prefix, []).append(decision.form is not None)
    return [
        replace(decision, form=None, reason="alpha and beta are stored alike, and one of them stays")
        if decision.form and not all(changing.get(decision.slot.name.rpartition(".")[0], [True]))
        else decision
        for decision in decisions
    ]
