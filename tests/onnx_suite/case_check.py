"""One node test through a Core ML model: import, write, read back, run, compare."""

from __future__ import annotations

import shutil
import traceback
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from cases import Case
from numpy.typing import NDArray

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import WrittenModel, write_core_ml
from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import MLToolkitError, UnsupportedLayersError
from mltoolkit.model import Model

FORMATS = ("mlpackage", "mlmodel")


@dataclass(frozen=True)
class Outcome:
    """What became of a test in a format.

    Attributes:
        status: ``passed``; ``refused`` by an error of ours before anything was written; ``wrong``, where the written
            model gives something else or does not run; ``crashed``, where an error is not ours.
        reason: why it did not pass.
        constants: whether its parameters were made constants.
    """

    status: str
    reason: str = ""
    constants: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the cache."""
        return asdict(self)


def check_case(case: Case, format_name: str) -> Outcome:
    """Convert and run a test; with constant parameters where it is refused otherwise."""
    outcome = _attempt(case, format_name, constants=False)
    if outcome.status != "refused":
        return outcome
    frozen = case.with_constants()
    if frozen is None:
        return outcome
    return _attempt(frozen, format_name, constants=True)


def _attempt(case: Case, format_name: str, *, constants: bool) -> Outcome:
    try:
        source = import_onnx(case.model)
        written = write_core_ml(source, CoreMLTarget(format=format_name))  # type: ignore[arg-type]
    except MLToolkitError as error:
        return Outcome("refused", _reason(error), constants)
    except Exception as error:
        return Outcome("crashed", _last_lines(error), constants)
    try:
        return _run(case, written, constants)
    except MLToolkitError as error:
        return Outcome("wrong", f"does not run: {_first_line(error)}", constants)
    except Exception as error:
        return Outcome("crashed", _last_lines(error), constants)
    finally:
        if written.weights_dir is not None:
            shutil.rmtree(written.weights_dir, ignore_errors=True)


def _run(case: Case, written: WrittenModel, constants: bool) -> Outcome:
    model = Model.from_spec(written.spec, weights_dir=written.weights_dir)
    feeds = {}
    for name, array in case.inputs.items():
        known = written.renamed.get(name, name)
        whole = array.dtype.kind in "biu"
        feeds[known] = np.atleast_1d(array.astype(np.int32 if whole else np.float32))
    declared = {feature.name for feature in model.spec.description.input}
    results = model.predict({name: array for name, array in feeds.items() if name in declared})
    for name, expected in case.outputs.items():
        difference = _difference(np.asarray(results[written.renamed.get(name, name)]), expected, case)
        if difference:
            return Outcome("wrong", f"output {name!r}: {difference}", constants)
    return Outcome("passed", "", constants)


def _difference(got: NDArray[Any], expected: NDArray[Any], case: Case) -> str:
    """How an output differs from what ONNX expects, by ONNX's own tolerances; "" where it does not."""
    wanted = expected.shape or (1,)
    if got.shape != wanted and got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    got = got.reshape(expected.shape)
    if expected.dtype.kind in "biu":
        return "" if np.array_equal(got, expected) or _close(got, expected, case) else _worst(got, expected, case)
    return "" if _close(got.astype(expected.dtype), expected, case) else _worst(got, expected, case)


def _close(got: NDArray[Any], expected: NDArray[Any], case: Case) -> bool:
    atol = max(case.atol, _resolution(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(
            np.allclose(got.astype(np.float64), expected.astype(np.float64), rtol=case.rtol, atol=atol, equal_nan=True)
        )


def _resolution(expected: NDArray[Any]) -> float:
    """What float32 resolves of the largest number expected: sums of such numbers are expected with that much noise.

    test_dft_inverse expects 1.9e-7 next to 47 where the exact number is 0.
    """
    if expected.dtype.kind != "f":
        return 0.0
    finite = np.abs(expected[np.isfinite(expected)])
    return float(np.finfo(np.float32).eps * finite.max()) if finite.size else 0.0


def _worst(got: NDArray[Any], expected: NDArray[Any], case: Case) -> str:
    one, other = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        excess = np.abs(one - other) - case.atol - case.rtol * np.abs(other)
    excess = np.where(np.isnan(one) != np.isnan(other), np.inf, np.nan_to_num(excess, nan=-np.inf))
    place = np.unravel_index(int(np.argmax(excess)), excess.shape)
    where = tuple(int(index) for index in place)
    return f"{one[place]:.6g} instead of {other[place]:.6g} at {where}"


def _reason(error: MLToolkitError) -> str:
    if isinstance(error, UnsupportedLayersError):
        return "; ".join(dict.fromkeys(f"{layer.class_name}: {layer.reason}" for layer in error.layers))
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: MLToolkitError) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]


def _last_lines(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-2:]).strip()[-500:]
