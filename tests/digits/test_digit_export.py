"""examples/digit_spec.py writes what torch computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from digit_reference import probabilities

from mltoolkit.digits.generator import digit_dataset

torch = pytest.importorskip("torch", reason="torch is only needed to train the digit classifier again")


def test_the_specification_computes_what_torch_computes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project / "examples"))
    from digit_network import DigitNetwork
    from digit_spec import digit_spec

    torch.manual_seed(0)
    network = DigitNetwork().eval()
    for _, norm in network.blocks():
        # A fresh normalisation is the identity and would hide a swapped field.
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5)
    images, _ = digit_dataset(20, seed=1)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)[:, None] / 255).double().softmax(1).numpy()

    spec = digit_spec(network)
    measured = probabilities(spec, images)
    assert np.ptp(expected, axis=0).max() > 1e-3, "the random network must tell pictures apart"
    # float32 in torch, float64 here.
    assert np.abs(measured - expected).max() < 1e-5, f"difference {np.abs(measured - expected).max():.2e}"
    again = digit_spec(network).SerializeToString(deterministic=True)
    assert again == spec.SerializeToString(deterministic=True)
