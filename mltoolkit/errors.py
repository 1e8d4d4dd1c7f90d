"""Every error that mltoolkit raises on purpose.

    MLToolkitError
    ├── ArgumentError (ValueError)      a call's argument is wrong: nbits 9, a misspelt mode
    ├── ModelFileError                  a file is not a model, is truncated, cannot be read or written
    ├── InvalidModelError               a model contradicts itself: weights of the wrong size, a missing blob
    ├── UnsupportedModelError           a valid model uses something that cannot run or be changed here
    │   ├── MissingCustomLayerError     a custom layer has no registered Python class
    │   └── UnsupportedLayersError      layers that no conversion knows, all of a model at once
    ├── InputError (ValueError)         data given to a model does not fit its inputs
    │   └── UnreadablePictureError      a picture is missing, damaged or no picture
    ├── PredictionError                 a model failed while it ran
    │   └── CustomLayerError            a custom layer raised or returned something wrong
    ├── QuantizationError               weights cannot be quantized as asked: NaN, a bad lookup table
    ├── ConversionError                 a model cannot be converted as asked
    │   ├── ConversionHookError         a custom conversion function raised or returned something wrong
    │   └── VerificationError           the converted model computes something else than its source
    ├── ComparisonError                 nothing to compare: an empty folder, outputs that do not match
    └── MissingExtraError (ImportError) an optional package is not installed

A message says what is wrong, where (layer, weight, file), and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class MLToolkitError(Exception):
    """Base of every error raised by mltoolkit.

    Args:
        what: what is wrong, one sentence without the final stop.
        where: the file, layer, weight or input concerned.
        fix: what the caller can do about it, one sentence without the final stop.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        place = f" (in {where})" if where else ""
        advice = f" {fix}" + ("" if fix.endswith(("?", ".")) else ".") if fix else ""
        super().__init__(f"{what}{place}.{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling their class with the final message, which would be decorated a second
        # time (or refused, where a subclass takes other arguments). Errors must come back from worker
        # processes unchanged.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[MLToolkitError], args: tuple[Any, ...], state: dict[str, Any]) -> MLToolkitError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ArgumentError(MLToolkitError, ValueError):
    """An argument of a call is wrong."""


class ModelFileError(MLToolkitError):
    """A file is not a model, is truncated, or cannot be read or written."""


class InvalidModelError(MLToolkitError):
    """A model contradicts itself."""


class UnsupportedModelError(MLToolkitError):
    """A valid model uses something that mltoolkit cannot run or change."""


class MissingCustomLayerError(UnsupportedModelError):
    """A custom layer of the model has no registered Python class."""


class UnsupportedLayersError(UnsupportedModelError):
    """A model has layers that no conversion knows.

    Attributes:
        layers: all of them: records with ``name``, ``class_name``, ``domain``, ``reason`` and ``closest``.
    """

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, layers: Iterable[Any] = ()
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.layers = tuple(layers)


class InputError(MLToolkitError, ValueError):
    """Data given to a model does not fit its inputs."""


class UnreadablePictureError(InputError):
    """There is no such picture, or its file cannot be decoded."""


class PredictionError(MLToolkitError):
    """A model failed while it ran."""


class CustomLayerError(PredictionError):
    """A custom layer raised, or returned something other than it announced."""


class QuantizationError(MLToolkitError):
    """Weights cannot be quantized as asked."""


class ConversionError(MLToolkitError):
    """A model cannot be converted as asked."""


class ConversionHookError(ConversionError):
    """A custom conversion function raised, or returned something wrong; what it raised is the cause."""


class VerificationError(ConversionError):
    """A converted model computes something else than its source.

    Attributes:
        report: the conversion's report, with each output's difference.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None, report: Any = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.report = report


class ComparisonError(MLToolkitError):
    """Two models cannot be compared on the given data."""


class MissingExtraError(MLToolkitError, ImportError):
    """An optional package is not installed.

    Args:
        package: its name.
        extra: the extra of mltoolkit that brings it; "" where none does.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}",
            fix=f'Install it with: pip install "mltoolkit[{extra}]"' if extra else f"Install it: pip install {package}",
        )


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """One sentence with the names closest to ``name``, else with all of them (at most ten).

    >>> did_you_mean("kmeens", ["linear", "kmeans"])
    "Did you mean 'kmeans'?"
    >>> did_you_mean("x", ["linear", "kmeans"])
    "Choose one of: 'linear', 'kmeans'"
    >>> did_you_mean("x", [])
    'There is none to choose from'
    """
    names = list(candidates)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    if not names:
        return "There is none to choose from"
    shown = ", ".join(map(repr, names[:10]))
    return f"Choose one of: {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")
