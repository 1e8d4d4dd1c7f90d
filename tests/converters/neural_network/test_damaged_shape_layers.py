"""Seeded damage to layers that pick, place, cut, join and reshape, and to branches and loops.

They convert and run, or raise an error of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from networks import branch_layer, constant_layer, copy_layer, leaving, less_than, loop_layer, network, scaled
from running import convert_layer, is_refused, new_layer, run_layer
from test_damaged_parameters import damage, scalar_fields

import mltoolkit as mlt
from mltoolkit.converters.neural_network import sizes
from mltoolkit.errors import MLToolkitError

ROUNDS = 40
Inputs = Mapping[str, Any]


def fields(**values: Any) -> Callable[[Any], None]:
    """Sets fields of a parameters message; sequences extend repeated ones."""

    def fill(params: Any) -> None:
        for name, value in values.items():
            if isinstance(value, tuple):
                getattr(params, name).extend(value)
            else:
                setattr(params, name, value)

    return fill


X = np.ones((2, 3, 4))
SLICE = {
    "beginIds": (0, 1, 0),
    "endIds": (2, 3, 4),
    "strides": (1, 2, 1),
    "beginMasks": (False, False, True),
    "endMasks": (True, False, False),
    "squeezeMasks": (True, False, False),
}
LAYERS: list[tuple[str, Callable[[Any], None], Inputs]] = [
    ("gather", fields(axis=-1), {"x": X, "z": np.zeros((2, 2))}),
    ("gatherND", fields(), {"x": X, "z": np.zeros((5, 2))}),
    ("gatherAlongAxis", fields(axis=1), {"x": X, "z": np.zeros((2, 1, 4))}),
    ("scatter", fields(axis=1, mode=4), {"x": X, "z": np.zeros(2), "u": np.ones((2, 2, 4))}),
    ("scatterND", fields(mode=3), {"x": X, "z": np.zeros((5, 2)), "u": np.ones((5, 4))}),
    ("scatterAlongAxis", fields(axis=1, mode=5), {"x": X, "z": np.zeros((2, 1, 4)), "u": np.ones((2, 1, 4))}),
    ("sliceStatic", fields(**SLICE), {"x": X}),
    (
        "sliceDynamic",
        fields(**{k: v for k, v in SLICE.items() if k != "beginIds"}),
        {"x": X, "z": np.zeros(3)},
    ),
    ("sliceBySize", fields(axis=1, size=2), {"x": X, "z": np.zeros(1)}),
    ("reshapeStatic", fields(targetShape=(4, -1, 2)), {"x": X}),
    ("rankPreservingReshape", fields(targetShape=(0, 4, 3)), {"x": X}),
    ("reshapeDynamic", fields(), {"x": X, "z": np.array([4, -1])}),
    ("reshapeLike", fields(), {"x": X, "z": np.zeros((4, 6))}),
    ("flattenTo2D", fields(axis=-1), {"x": X}),
    ("getShape", fields(), {"x": X}),
    ("expandDims", fields(axes=(0, -1)), {"x": X}),
    ("squeeze", fields(axes=(0, -1)), {"x": np.ones((1, 3, 1))}),
    ("concatND", fields(axis=-1, interleave=True), {"x": X, "z": X}),
    ("stack", fields(axis=-1), {"x": X, "z": X}),
    ("splitND", fields(axis=1, splitSizes=(2, 1)), {"x": X}),
    ("tile", fields(reps=(2, 3)), {"x": X}),
    ("slidingWindows", fields(axis=-1, windowSize=2, step=1), {"x": X}),
    ("constantPad", fields(value=2, padAmounts=(0, 1, 2, 0, 1, 1)), {"x": X}),
    (
        "NonMaximumSuppression",
        fields(iouThreshold=0.5, scoreThreshold=0.1, maxBoxes=3),
        {"x": np.ones((1, 6, 4)), "z": np.ones((1, 6, 2))},
    ),
]
OUTPUTS = {"splitND": ("y", "y2"), "NonMaximumSuppression": ("y", "y2", "y3", "y4")}


def valid(kind: str, fill: Callable[[Any], None], inputs: Inputs) -> tuple[Any, Any]:
    layer, params = new_layer(kind, tuple(inputs), OUTPUTS.get(kind, ("y",)))
    fill(params)
    return layer, params


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[kind for kind, _, _ in LAYERS])
@pytest.mark.parametrize("known", [True, False])
def test_only_our_own_errors(number: int, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Smaller blobs than in earnest, for speed.
    monkeypatch.setattr(sizes, "MAX_ELEMENTS", 1 << 18)
    kind, fill, inputs = LAYERS[number]
    layer, _ = valid(kind, fill, inputs)
    assert run_layer(layer, inputs, False)
    shapes = {name: np.shape(value) if known else (None,) * np.ndim(value) for name, value in inputs.items()}
    refused = 0
    for seed in range(ROUNDS):
        rng = np.random.default_rng(1000 * number + seed)
        layer, params = valid(kind, fill, inputs)
        for _ in range(rng.integers(1, 4)):
            damage(layer, params, rng)
        # Whether values fit sizes that are unknown, only the running model can tell.
        run = partial(run_layer, layer, inputs) if known else partial(convert_layer, layer, shapes)
        refused += is_refused(partial(run, rank5=False), layer, seed)
    assert refused, "no damage was found"


def control_flow() -> list[Any]:
    inner = loop_layer([scaled("x", "a", 2), copy_layer("a", "x")], most=2)
    body = [
        inner,
        less_than("x", "small", 9),
        branch_layer("small", [scaled("x", "b", 1, 1), copy_layer("b", "x")], [leaving("loopBreak")]),
        copy_layer("x", "y"),
    ]
    return [
        copy_layer("data", "x"),
        constant_layer("y", [0]),
        loop_layer(body, condition=[less_than("x", "go", 50)], most=4),
        scaled("y", "z", 2),
    ]


def all_layers(layers: Any) -> list[Any]:
    found = []
    for layer in layers:
        found.append(layer)
        kind = layer.WhichOneof("layer")
        nested = {"branch": ("ifBranch", "elseBranch"), "loop": ("bodyNetwork", "conditionNetwork")}.get(kind, ())
        for name in nested:
            found += all_layers(getattr(getattr(layer, kind), name).layers)
    return found


def damage_network(spec: Any, rng: np.random.Generator) -> None:
    """Rename, drop, repeat or move a layer or a blob, or change a number."""
    layers = all_layers(spec.neuralNetwork.layers)
    layer = layers[rng.integers(len(layers))]
    other = layers[rng.integers(len(layers))]
    match rng.integers(7):
        case 0:
            names = [*layer.input] or ["x"]
            layer.input[:] = [str(rng.choice(["x", "y", "a", "small", "nowhere"])) for _ in names]
        case 1:
            layer.output[:] = [str(rng.choice(["x", "y", "go", "data"])) for _ in layer.output]
        case 2:
            kept = type(layer)()
            kept.CopyFrom(other)
            layer.CopyFrom(kept)
        case 3:
            layer.ClearField(layer.WhichOneof("layer") or "name")
        case 4 if layer.WhichOneof("layer") in ("loop", "branch"):
            params = getattr(layer, layer.WhichOneof("layer"))
            chosen = [field for field, _ in params.ListFields()]
            params.ClearField(chosen[rng.integers(len(chosen))].name)
        case _:
            params = getattr(layer, layer.WhichOneof("layer") or "copy")
            places = [place for place in scalar_fields(params) if place[2] is None]
            if places:
                message, field, _ = places[rng.integers(len(places))]
                if field.name == "maxLoopIterations":
                    setattr(message, field.name, int(rng.choice([0, 1, 3, 2**63])))


def test_damaged_networks_with_control_flow() -> None:
    refused = ran = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        spec = network(control_flow(), {"data": (1,)}, ["z"])
        for _ in range(rng.integers(1, 4)):
            damage_network(spec, rng)
        try:
            # Whether a loop ends is not asked: only the graph is made.
            mlt.load(spec).graph()
            ran += 1
        except MLToolkitError:
            refused += 1
        except Exception as error:
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}\n{spec}")
    assert refused > 30, f"{refused} refused"
    assert ran > 30, f"{ran} ran"
