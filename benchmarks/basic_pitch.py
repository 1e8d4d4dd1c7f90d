"""basic_pitch_nmp.mlpackage against its ONNX twin, on sounds of different kinds. Needs the shared data.

    python benchmarks/basic_pitch.py [--write]

Both were made of one TensorFlow model. The table holds the largest difference of the three outputs (pitch contours,
notes, onsets) as a multiple of the output's range: of ours to the twin as onnxruntime optimises it and to the twin
as it stands in the file, and of these two to each other. The model takes logarithms of a spectrum, which magnify
the rounding of frequencies where there is next to no sound: noise has none such, tones have many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from measured_pages import DATA, benchmark_parser, measured
from numpy.typing import NDArray

import mltoolkit

# The package's names for the twin's outputs, in the twin's order.
_OUTPUTS = ("Identity_2", "Identity_1", "Identity")
# Two seconds at 22,050 Hz, less what the model's windows leave over.
_SAMPLES = 43844


def _sounds() -> dict[str, NDArray[np.float32]]:
    seconds = np.arange(_SAMPLES) / 22050
    noise = np.random.default_rng(0).normal(size=_SAMPLES)
    chord = 0.2 * sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (220, 277.2, 329.6))
    sounds = {"noise": noise, "quiet noise": 0.05 * noise, "chord and noise": chord + 0.02 * noise, "chord": chord}
    sounds["silence"] = np.zeros(_SAMPLES)
    return {name: np.asarray(sound, np.float32).reshape(1, -1, 1) for name, sound in sounds.items()}


def _twin(optimized: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(DATA / "onnx" / "basic_pitch_nmp.onnx", options, providers=["CPUExecutionProvider"])


def _difference(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> float:
    return max(
        float(np.abs(ours - theirs).max() / np.ptp(theirs)) for ours, theirs in zip(found, expected, strict=True)
    )


def main() -> None:
    """Print the table, and write it if asked to."""
    options = benchmark_parser(__doc__).parse_args()
    with measured(options, "benchmarks.md"):
        _print_differences()


def _print_differences() -> None:
    model = mltoolkit.load(DATA / "coreml" / "basic_pitch_nmp.mlpackage")
    optimized, plain = _twin(True), _twin(False)
    name = plain.get_inputs()[0].name
    print("largest difference ÷ range of the output")
    print(f"{'':16}{'ours to optimised':>20}{'ours to plain':>20}{'optimised to plain':>20}")
    for title, sound in _sounds().items():
        outputs = model.predict({"input_2": sound}, threads=1)
        ours = [outputs[output] for output in _OUTPUTS]
        fast, exact = optimized.run(None, {name: sound}), plain.run(None, {name: sound})
        cells = (_difference(ours, fast), _difference(ours, exact), _difference(fast, exact))
        print(f"{title:16}" + "".join(f"{cell:20.1e}" for cell in cells))


if __name__ == "__main__":
    main()
