"""Which of Apple's tests, shipped inside the coremltools wheel, are run and how.

Folders are relative to the installed coremltools package; nothing of it is copied here.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIL = "converters/mil/mil/ops/tests"


@dataclass(frozen=True)
class Suite:
    """A part of Apple's tests.

    Attributes:
        name: as the command line and the report call it.
        title: what it is.
        paths: files and folders.
        ignore: files left out of them.
        keyword: pytest's ``-k`` expression.
        sample: how many tests are drawn with a seed; 0 for all.
        workers: processes side by side; tests with arrays of gigabytes run alone.
    """

    name: str
    title: str
    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    keyword: str = ""
    sample: int = 0
    workers: int = 2


_NN_LAYERS = "test/neural_network/test_numpy_nn_layers.py"
# Random layers are tested with arrays of 10^8 elements.
_HUGE = "random or categorical"

SUITES = (
    Suite("nn-layers", "NeuralNetwork layers", (_NN_LAYERS,), keyword=f"not ({_HUGE})"),
    Suite("nn-random", "NeuralNetwork layers that draw random numbers", (_NN_LAYERS,), keyword=_HUGE, workers=1),
    Suite("nn-other", "the other NeuralNetwork tests", ("test/neural_network",), ignore=(_NN_LAYERS,)),
    Suite(
        "mil-ops",
        "MIL operations, both backends, iOS 14 to iOS 18",
        (_MIL,),
        ignore=(f"{_MIL}/iOS14/test_recurrent.py", f"{_MIL}/iOS18/test_compression.py"),
    ),
    Suite("mil-recurrent", "MIL recurrent operations, a sample", (f"{_MIL}/iOS14/test_recurrent.py",), sample=400),
    Suite("mil-compression", "MIL compressed weights, a sample", (f"{_MIL}/iOS18/test_compression.py",), sample=300),
    Suite("ml-program", "ML Programs", ("test/ml_program",)),
    Suite("mil-backend", "the MIL backends", ("converters/mil/backend",)),
)

# What CI runs: some two minutes on 2 cores.
SUBSET = (
    Suite("nn-layers", "NeuralNetwork layers", (_NN_LAYERS,), keyword=f"not ({_HUGE} or stress)", sample=40),
    Suite("mil-ops", "MIL operations", (_MIL,), ignore=SUITES[3].ignore, sample=250),
)
