"""Layers that cannot be converted are reported all at once, with hooks that work when pasted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from mltoolkit.converters.hooks import HookedLayer, HookSet, UnsupportedLayers
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import UnsupportedLayersError, UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder

# (name, domain, class) as an importer would meet them.
LAYERS = [
    ("sampler_1", "", "GridSampler"),
    ("sampler_2", "", "GridSampler"),
    ("n1", "com.example", "3D-Warp"),
    ("n2", "com.other", "3D-Warp"),
    ("n3", "", "LSTMCellRNN"),
]


def convert(functions: dict[Any, Any] | None = None) -> list[str]:
    """A converter that knows no layer at all: what it makes of each, by the hooks."""
    hooks, unsupported, made = HookSet(functions), UnsupportedLayers(), []
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 3))
    for name, domain, class_name in LAYERS:
        hook = hooks.find(name, class_name, domain)
        if hook is None:
            unsupported.add(name, class_name, "no conversion knows it.", "Conv", domain=domain)
            continue
        config = {"mode": "linear", "axes": [1]}
        layer = HookedLayer(name, class_name, domain, config, [np.ones(2)], [(1, 3)], [(1, 3)], None, [x], builder)
        result = hooks.apply(hook, layer)
        assert isinstance(result, CustomLayerDescription)
        made.append(f"{result.class_name} {dict(result.parameters)} {len(result.weights)}")
    unsupported.raise_if_any("model.onnx")
    return made


def test_all_are_listed_with_reason_and_closest_form() -> None:
    with pytest.raises(UnsupportedLayersError) as raised:
        convert()
    message = str(raised.value)
    assert isinstance(raised.value, UnsupportedModelError)
    assert "5 layers of model.onnx cannot be converted:" in message
    assert "'sampler_1', 'sampler_2': no conversion knows it; closest supported form: Conv\n" in message
    assert "com.example::3D-Warp:" in message
    assert [(layer.name, layer.domain, layer.class_name) for layer in raised.value.layers] == LAYERS


def test_the_pasted_hooks_convert_the_model() -> None:
    with pytest.raises(UnsupportedLayersError) as raised:
        convert()
    code = re.search(r"^import mltoolkit as mlt$.*?^}$", str(raised.value), re.MULTILINE | re.DOTALL)
    assert code is not None, str(raised.value)
    scope: dict[str, Any] = {}
    exec(code.group(), scope)
    functions = scope["custom_conversion_functions"]
    assert set(functions) == {"GridSampler", ("com.example", "3D-Warp"), ("com.other", "3D-Warp"), "LSTMCellRNN"}
    assert functions["GridSampler"].__name__ == "convert_grid_sampler"
    assert functions["LSTMCellRNN"].__name__ == "convert_lstm_cell_rnn"
    assert convert(functions)[0] == "GridSampler {'mode': 'linear'} 1"
    assert len(convert(functions)) == len(LAYERS)


def test_many_layers_of_a_class_are_counted_not_listed() -> None:
    unsupported = UnsupportedLayers()
    for number in range(50):
        unsupported.add(f"layer_{number}", "Warp", "no conversion knows it")
    with pytest.raises(UnsupportedLayersError, match="'layer_4' and 45 more: no conversion") as raised:
        unsupported.raise_if_any()
    assert len(raised.value.layers) == 50
    assert len(str(raised.value)) < 1500


def test_nothing_noted_raises_nothing() -> None:
    unsupported = UnsupportedLayers()
    unsupported.raise_if_any()
    assert len(unsupported) == 0
    assert unsupported.layers == ()
