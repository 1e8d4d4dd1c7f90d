"""What quantization did, written into the model: settings that do the same to the original once more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import InvalidModelError, MLToolkitError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.plan import Decision, plan_layers
from mltoolkit.quantization.settings import QuantizationSettings

if TYPE_CHECKING:
    from mltoolkit.model import Model
    from mltoolkit.quantization.weight_access import ModelRewriter, WeightAccess

METADATA_KEY = "com.mltoolkit.quantization"
# Rounds of naming the weights that defaults do not get right: naming one may change its neighbours in a layer.
_ATTEMPTS = 3


def settings_of(
    decisions: Sequence[Decision],
    minimum_deployment_target: str | None = None,
    rewriter: WeightAccess | None = None,
) -> QuantizationSettings:
    """Settings that store each weight as it was decided, whatever it was that decided.

    Args:
        decisions: one for each weight of a model.
        minimum_deployment_target: what the model was made for, if it was raised.
        rewriter: the model, with which the shortest settings are found; without it every weight that is stored anew is
            named, and all others are skipped.
    """
    named = _naming(decisions, minimum_deployment_target)
    common = _common(decisions, minimum_deployment_target, rewriter) if rewriter is not None else None
    return min(filter(None, (named, common)), key=lambda settings: len(settings.to_json()))


def _naming(decisions: Sequence[Decision], target: str | None) -> QuantizationSettings:
    """Every weight that is stored anew by its name."""
    keys = Counter(decision.slot.key for decision in decisions)
    weights = {_key(decision, keys): decision.config.options(decision.form) for decision in decisions if decision.form}
    return QuantizationSettings({"skip": True} | _flags(decisions), weights=weights, minimum_deployment_target=target)


def _common(decisions: Sequence[Decision], target: str | None, rewriter: WeightAccess) -> QuantizationSettings | None:
    """What most weights have as defaults, and the others by name; None where that does not do the same."""
    keys = Counter(decision.slot.key for decision in decisions)
    options = [json.dumps(decision.config.options(decision.form)) for decision in decisions if decision.form]
    if not options:
        return None
    defaults = json.loads(Counter(options).most_common(1)[0][0]) | _flags(decisions)
    weights: dict[str, dict[str, Any]] = {}
    for _ in range(_ATTEMPTS):
        settings = QuantizationSettings(defaults, weights=dict(weights), minimum_deployment_target=target)
        try:
            config = QuantizationConfig(None, settings=settings)
            planned = [decision for layer in plan_layers(rewriter, config) for decision in layer]
        except MLToolkitError:
            return None  # a weight that was left out cannot be stored that way
        different = [done for done, plan in zip(decisions, planned, strict=True) if not _same(done, plan)]
        if not different:
            return settings
        for decision in different:
            chosen = decision.config.options(decision.form) if decision.form else {"skip": True}
            weights[_key(decision, keys)] = chosen
    return None


def _same(done: Decision, planned: Decision) -> bool:
    return done.form == planned.form and (done.form is None or done.config.mode is planned.config.mode)


def _key(decision: Decision, keys: Mapping[str, int]) -> str:
    slot = decision.slot
    return slot.key if keys[slot.key] == 1 else f"#{slot.index}"


def _flags(decisions: Sequence[Decision]) -> dict[str, Any]:
    """What must hold for all weights so that those that were stored anew are again."""
    stored = [decision for decision in decisions if decision.form]
    flags: dict[str, Any] = {}
    if any(decision.slot.role == "bias" for decision in stored):
        flags["include_biases"] = True
    if any(decision.slot.role == "normalization" for decision in stored):
        flags["include_normalization"] = True
    if any(not decision.config.only_if_smaller for decision in stored):
        flags["only_if_smaller"] = False
    return flags


def record_settings(rewriter: ModelRewriter, settings: QuantizationSettings) -> None:
    """Write settings into the metadata of the model that a rewriter makes."""
    from mltoolkit import __version__

    content = {"mltoolkit": __version__, **settings.to_dict()}
    rewriter.set_metadata(METADATA_KEY, json.dumps(content, ensure_ascii=False, separators=(",", ":")))


def quantization_settings(model: Any) -> QuantizationSettings | None:
    """How mltoolkit quantized a model, as settings that do the same to the original.

    Args:
        model: whatever :func:`mltoolkit.load` takes.

    Returns:
        The settings that the model's metadata hold, None where there are none.

    Raises:
        InvalidModelError: the metadata are damaged.

    >>> from mltoolkit.digits import digit_model_path
    >>> from mltoolkit.quantization import quantize_weights
    >>> small = quantize_weights(digit_model_path(), 8)
    >>> settings = quantization_settings(small)
    >>> again = quantize_weights(digit_model_path(), None, settings=settings)
    >>> again.spec == small.spec
    True
    """
    from mltoolkit.model import load

    loaded: Model = load(model)
    text = loaded.spec.description.metadata.userDefined.get(METADATA_KEY, "")
    if not text:
        return None
    try:
        content = json.loads(text)
        content.pop("mltoolkit", None)
        return QuantizationSettings.from_dict(content)
    except (ValueError, AttributeError, MLToolkitError) as error:
        raise InvalidModelError(
            f"the model's record of its quantization cannot be read: {error}", where=f"metadata, {METADATA_KEY}"
        ) from error
