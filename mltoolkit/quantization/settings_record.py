"""What quantization did, written into the model: settings that do the same to the original once more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import InvalidModelError, MLToolkitError
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.settings import QuantizationSettings

if TYPE_CHECKING:
    from mltoolkit.model import Model
    from mltoolkit.quantization.rewriting import ModelRewriter

METADATA_KEY = "com.mltoolkit.quantization"


def settings_of(decisions: Sequence[Decision], minimum_deployment_target: str | None = None) -> QuantizationSettings:
    """Settings that name each weight that is stored anew, and how; all others are skipped."""
    keys = Counter(decision.slot.key for decision in decisions)
    weights: dict[str, dict[str, Any]] = {}
    defaults: dict[str, Any] = {"skip": True}
    for decision in decisions:
        slot = decision.slot
        if decision.form is None:
            continue
        weights[slot.key if keys[slot.key] == 1 else f"#{slot.index}"] = decision.config.options(decision.form)
        if slot.role == "bias":
            defaults["include_biases"] = True
        if slot.role == "normalization":
            defaults["include_normalization"] = True
    if any(decision.form and not decision.config.only_if_smaller for decision in decisions):
        defaults["only_if_smaller"] = False
    return QuantizationSettings(defaults=defaults, weights=weights, minimum_deployment_target=minimum_deployment_target)


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
