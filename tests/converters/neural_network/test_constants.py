from __future__ import annotations

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer, run_layers, set_weight

from mltoolkit.errors import InvalidModelError


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 4, 5, 6)])
def test_load_constant(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    values = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("loadConstantND", ())
    params.shape.extend(shape)
    set_weight(params.data, values)
    np.testing.assert_array_equal(run_layer(layer, {}, rank5=False)["y"], values)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (1 << 62, 1 << 62)])
def test_another_number_of_values_is_refused(shape: tuple[int, ...]) -> None:
    layer, params = new_layer("loadConstantND", ())
    params.shape.extend(shape)
    set_weight(params.data, np.ones(4))
    with pytest.raises(InvalidModelError, match=r"shape|4 values"):
        convert_layer(layer, {}, rank5=False)


def test_a_copy_replaces_what_had_its_name() -> None:
    layers = [
        new_layer("copy", ("x",), ("y",))[0],
        new_layer("ceil", ("x",), ("x2",))[0],
        new_layer("copy", ("x2",), ("x",))[0],
        new_layer("subtractBroadcastable", ("x", "y"), ("z",))[0],
    ]
    x = np.array([0.25, 1.5, -0.75])
    np.testing.assert_array_equal(run_layers(layers, {"x": x}, rank5=False)["z"], np.ceil(x) - x)
