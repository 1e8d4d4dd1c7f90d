"""What a custom layer costs: GridSampler in NumPy against torch, and cutting a network at a custom layer.

    python benchmarks/custom_layers.py [--rounds 31] [--write]

CPU seconds of one thread. The sampling is 32 pictures of 1 × 60 × 60 to 30 × 30 through an affine map each: ours is
``GridSampler.evaluate``, theirs ``affine_grid`` and ``grid_sample`` of torch. The cut is a small network with a Swish
in the middle: ours runs the Python class between two onnxruntime sessions, theirs the same network with Swish as
sigmoid and product in one; the milliseconds between them are the cost of the cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from contest import HEADING, Contest, measure
from measured_pages import benchmark_parser, measured
from numpy.typing import NDArray

import mltoolkit
from mltoolkit.custom_layers.grid_sampler import GridSampler
from mltoolkit.formats.protobuf import new_model


def _sampling() -> Contest:
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(32, 1, 60, 60)).astype(np.float32)
    theta = np.tile(np.array([0.7, 0.1, 0, -0.1, 0.7, 0.1], np.float32), (32, 1))
    theta += rng.normal(0, 0.05, theta.shape).astype(np.float32)
    layer = GridSampler({"output_height": 30, "output_width": 30}, [])
    tensor, maps = torch.from_numpy(pictures), torch.from_numpy(theta).reshape(-1, 2, 3)

    def theirs() -> NDArray[Any]:
        grid = torch.nn.functional.affine_grid(maps, [32, 1, 30, 30], align_corners=True)
        return torch.nn.functional.grid_sample(tensor, grid, align_corners=True).numpy()

    return Contest("GridSampler", lambda: layer.evaluate([pictures, theta])[0], theirs)


def _network(custom: bool) -> mltoolkit.Model:
    """x (8, 16, 16) doubled, through Swish, doubled again."""
    spec = new_model()
    spec.specificationVersion = 4
    for name, features in (("x", spec.description.input), ("y", spec.description.output)):
        feature = features.add(name=name).type.multiArrayType
        feature.shape.extend([8, 16, 16])
        feature.dataType = 65568
    network = spec.neuralNetwork
    network.arrayInputShapeMapping = 1

    def layer(name: str, inputs: list[str], output: str) -> Any:
        added = network.layers.add(name=name)
        added.input.extend(inputs)
        added.output.append(output)
        return added

    layer("first", ["x"], "a").activation.linear.alpha = 2
    if custom:
        layer("swish", ["a"], "b").custom.className = "Swish"
    else:
        layer("sigmoid", ["a"], "s").activation.sigmoid.SetInParent()
        layer("product", ["a", "s"], "b").multiplyBroadcastable.SetInParent()
    layer("last", ["b"], "y").activation.linear.alpha = 2
    return mltoolkit.Model.from_spec(spec)


def _cut() -> Contest:
    cut, whole = _network(custom=True), _network(custom=False)
    x = np.random.default_rng(1).normal(size=(8, 16, 16)).astype(np.float32)
    return Contest(
        "cut at a layer",
        lambda: cut.predict_raw({"x": x}, threads=1)["y"],
        lambda: whole.predict_raw({"x": x}, threads=1)["y"],
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    with measured(options, "benchmarks.md", packages=("torch",)):
        print(HEADING.replace("native", "theirs"))
        for contest in (_sampling(), _cut()):
            print(measure(contest, 5 if options.quick else options.rounds))


if __name__ == "__main__":
    main()
