"""Configurations that older releases of Keras wrote and Keras 3 does not read.

1. BatchNormalization and LayerNormalization with a list of one axis (TensorFlow's Keras 2).
2. ``groups`` of layers that have none in Keras 3, when it is 1: DepthwiseConv*, SeparableConv*, Conv*Transpose.
3. ``time_major`` and ``implementation`` of recurrent layers, when they say what Keras 3 does.
"""

from __future__ import annotations

from typing import Any

_ONE_AXIS = frozenset(("BatchNormalization", "BatchNormalizationV1", "SyncBatchNormalization"))
_UNGROUPED = ("DepthwiseConv", "SeparableConv")
_RECURRENT = frozenset(("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"))


def repair(config: Any) -> bool:
    """Change a model's configuration, in place, into one that Keras 3 reads; whether anything was changed."""
    if isinstance(config, list):
        return max([repair(item) for item in config], default=False)
    if not isinstance(config, dict):
        return False
    changed = False
    class_name, inner = config.get("class_name"), config.get("config")
    if isinstance(class_name, str) and isinstance(inner, dict):
        changed = _repair_layer(class_name, inner)
    return max([changed, *(repair(value) for value in config.values())])


def _repair_layer(class_name: str, config: dict[str, Any]) -> bool:
    changed = False
    axis = config.get("axis")
    if class_name in _ONE_AXIS and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
        changed = True
    ungrouped = class_name.startswith(_UNGROUPED) or class_name.endswith("Transpose")
    if ungrouped and config.get("groups") == 1:
        del config["groups"]
        changed = True
    if class_name in _RECURRENT:
        for name in [name for name in ("time_major", "implementation") if config.get(name, True) in (False, 0, 1, 2)]:
            del config[name]
            changed = True
    return changed
