"""Deciding what happens to each weight of a layer, and why one stays as it is.

Core ML's validator refuses a layer that mixes float32 with float16, and a parametric softplus whose two
parameters are stored differently. So the floats of a layer change their precision together: where one
becomes float16 (or float32), those that would stay behind follow it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from mltoolkit.formats.bit_packing import packed_size
from mltoolkit.formats.weight_fields import Storage, WeightField
from mltoolkit.formats.weights import Encoding, bits_per_weight, encoding_of, stored_bytes
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import MODES, Mode
from mltoolkit.quantization.selectors import selects

_FLOATS = {Encoding.FLOAT16: Encoding.FLOAT32, Encoding.FLOAT32: Encoding.FLOAT16}


@dataclass(frozen=True)
class Decision:
    """What happens to a weight: it is stored in ``mode``, or stays (mode None) because of ``reason``."""

    field: WeightField
    mode: Mode | None
    reason: str = ""


def plan_layer(
    layer: Any, fields: Iterable[WeightField], config: QuantizationConfig, *, updatable_network: bool
) -> list[Decision]:
    """Decide about every weight of a layer, without reading the values.

    Args:
        layer: the layer's message.
        fields: its weights.
        config: what is asked for.
        updatable_network: whether the network can be trained on the device.
    """
    decisions = [_decide(layer, field, config, updatable_network) for field in fields]
    return _keep_pairs_alike(_take_floats_along(decisions, config))


def keep(decisions: list[Decision], reason: str) -> list[Decision]:
    """The same decisions with every weight that was to change left as it is."""
    return [replace(decision, mode=None, reason=reason) if decision.mode else decision for decision in decisions]


def _decide(layer: Any, field: WeightField, config: QuantizationConfig, updatable_network: bool) -> Decision:
    reason = _obstacle(field, config, updatable_network) or _already_there(field, config)
    if not reason and not config.dequantizes:
        reason = _unwanted(field, config)
    if not reason and not selects(config.selector, layer, field):
        reason = "not selected"
    if not reason and config.only_if_smaller and not config.dequantizes:
        reason = _not_smaller(field, config)
    return Decision(field, None if reason else config.mode, reason)


def _obstacle(field: WeightField, config: QuantizationConfig, updatable_network: bool = False) -> str:
    """Why it cannot be stored that way."""
    target = config.mode.encoding
    if field.storage is Storage.PRIVATE:
        return "a custom layer reads these bytes itself"
    encoding = encoding_of(field.params)
    if field.params.int8RawValue:
        return "int8 weights of a dynamically quantized layer"
    if encoding in (Encoding.EMPTY, Encoding.RAW):
        return "no values" if encoding is Encoding.EMPTY else "bytes without quantization parameters"
    if target is Encoding.FLOAT32:
        return ""
    if field.updatable or (updatable_network and target is Encoding.FLOAT16):
        return "Core ML trains it on the device, in float32"
    if field.storage is Storage.FLOAT32:
        return "Core ML takes only float32 here"
    if target is Encoding.FLOAT16:
        return ""
    if field.storage is Storage.FLOATS:
        return "Core ML takes no codes here; 16 bits are possible"
    if field.counted and packed_size(field.count, nbits := config.nbits or 0) * 8 // nbits != field.count:
        return f"its length could not be told from codes of {nbits} bits"
    return ""


def _unwanted(field: WeightField, config: QuantizationConfig) -> str:
    if field.role == "bias" and not config.include_biases:
        return "biases stay as they are"
    if field.role == "normalization" and not config.include_normalization:
        return "normalization stays as it is"
    return ""


def _already_there(field: WeightField, config: QuantizationConfig) -> str:
    encoding = encoding_of(field.params)
    bits = bits_per_weight(field.params)
    if encoding is not config.mode.encoding or config.mode is MODES["custom_lut"]:
        return ""
    if encoding in _FLOATS:
        return f"already {encoding.value}"
    if bits != config.nbits:
        return ""
    if encoding is Encoding.LINEAR:
        linear = field.params.quantization.linearQuantization
        if len(linear.scale) != _scales(field, config):
            return ""
        if config.mode is MODES["linear_symmetric"] and not _is_symmetric(linear, bits):
            return ""
    return f"already {bits} bits, {encoding.value}"


def _is_symmetric(linear: Any, bits: int) -> bool:
    """Whether code ``2**(bits - 1)`` means zero in every channel (up to the rounding of float32)."""
    if len(linear.bias) != len(linear.scale):
        return False
    middle = 1 << (bits - 1)
    return all(
        abs(bias + middle * scale) <= 1e-6 * abs(bias) for scale, bias in zip(linear.scale, linear.bias, strict=True)
    )


def _scales(field: WeightField, config: QuantizationConfig) -> int:
    return field.shape[field.channel_axis] if config.per_channel and field.per_channel else 1


def _not_smaller(field: WeightField, config: QuantizationConfig) -> str:
    nbits = config.nbits or 0
    if config.mode.encoding is Encoding.FLOAT16:
        size = 2 * field.count
    elif config.mode.encoding is Encoding.LINEAR:
        size = packed_size(field.count, nbits) + 8 * _scales(field, config)
    else:
        size = packed_size(field.count, nbits) + (4 << nbits)
    return "" if size < stored_bytes(field.params) else "would not get smaller"


def _take_floats_along(decisions: list[Decision], config: QuantizationConfig) -> list[Decision]:
    target = config.mode.encoding
    if target not in _FLOATS or not any(decision.mode for decision in decisions):
        return decisions
    following = []
    for decision in decisions:
        if decision.mode is None and encoding_of(decision.field.params) is _FLOATS[target]:
            obstacle = _obstacle(decision.field, config)
            if obstacle:
                return keep(decisions, f"a layer's floats stay alike, and {decision.field.name} stays: {obstacle}")
            decision = replace(decision, mode=config.mode, reason="as the layer's other floats")
        following.append(decision)
    return following


def _keep_pairs_alike(decisions: list[Decision]) -> list[Decision]:
    """Both parameters of a parametric softplus change, or neither."""
    changing: dict[str, list[bool]] = {}
    for decision in decisions:
        if "parametricSoftplus." in decision.field.name:
            prefix = decision.field.name.rpartition(".")[0]
            changing.setdefault(prefix, []).append(decision.mode is not None)
    return [
        replace(decision, mode=None, reason="alpha and beta are stored alike, and one of them stays")
        if decision.mode and not all(changing.get(decision.field.name.rpartition(".")[0], [True]))
        else decision
        for decision in decisions
    ]
