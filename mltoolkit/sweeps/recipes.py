"""The ways of making a model smaller that a sweep can try, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import ArgumentError, did_you_mean

if TYPE_CHECKING:
    from mltoolkit.model import Model
    from mltoolkit.runtime.images import Crop

#: Makes the smaller model from the model, the bits a weight, the calibration data (None for methods without), how
#: pictures are fitted, and the oldest system that it shall run on (None for the model's own).
Quantize = Callable[["Model", int, Any, "Crop", "str | None"], "Model"]


@dataclass(frozen=True)
class Method:
    """A way to quantize, at several numbers of bits.

    Attributes:
        name: what tables, plots and ``--mode`` call it.
        bits: the numbers of bits that it knows.
        quantize: makes the smaller model.
        options: what else decides about its result; finished rows count only for the same.
        calibrated: whether it needs calibration data.
    """

    name: str
    bits: Sequence[int]
    quantize: Quantize
    options: tuple[tuple[str, str | int | float | bool], ...] = ()
    calibrated: bool = False


def _quantize_weights(
    mode: str, model: Model, nbits: int, calibration_data: Any, crop: Crop, target: str | None
) -> Model:
    from mltoolkit.quantization import quantize_weights

    return quantize_weights(model, nbits, mode, minimum_deployment_target=target)


def _quantize_calibrated(
    mode: str, model: Model, nbits: int, calibration_data: Any, crop: Crop, target: str | None
) -> Model:
    from mltoolkit.calibration.quantize import quantize_calibrated

    return quantize_calibrated(
        model,
        calibration_data,
        nbits=nbits,
        quantization_mode=mode,
        crop=crop,
        minimum_deployment_target=target,
    )


def _weights(mode: str, bits: Sequence[int]) -> Method:
    return Method(mode, bits, functools.partial(_quantize_weights, mode))


def _calibrated(mode: str, bits: Sequence[int]) -> Method:
    return Method(f"calibrated_{mode}", bits, functools.partial(_quantize_calibrated, mode), calibrated=True)


#: Every method there is; a new one is one line here.
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        _weights("linear", range(1, 9)),
        _weights("linear_symmetric", range(2, 9)),
        _weights("kmeans", range(1, 9)),
        _weights("linear_lut", range(1, 9)),
        Method("float16", (16,), functools.partial(_quantize_weights, "linear")),
        _calibrated("linear", range(1, 9)),
        _calibrated("linear_symmetric", range(2, 9)),
        _calibrated("kmeans", range(1, 9)),
        _calibrated("linear_lut", range(1, 9)),
    )
}


@dataclass(frozen=True)
class Recipe:
    """One smaller model: a method at a number of bits.

    Attributes:
        mode: the method's name.
        nbits: bits a weight.
        make: makes it from the model and the calibration data.
        options: see :class:`Method`.
        calibrated: whether calibration data is needed.
    """

    mode: str
    nbits: int
    make: Callable[[Model, Any], Model] = field(compare=False)
    options: tuple[tuple[str, str | int | float | bool], ...] = ()
    calibrated: bool = False

    @property
    def name(self) -> str:
        """``linear 4 bits``."""
        return f"{self.mode} {self.nbits} bit{'s' * (self.nbits != 1)}"


def recipes_of(
    modes: Iterable[str],
    bits: Iterable[int],
    crop: Crop = "whole",
    minimum_deployment_target: str | None = None,
) -> tuple[Recipe, ...]:
    """Every mode at every number of bits that it knows.

    Args:
        modes: names in ``METHODS``.
        bits: numbers of bits.
        crop: how calibrated modes fit pictures: "whole" or "center".
        minimum_deployment_target: the oldest system that ML Programs shall run on; their own by default.

    Raises:
        ArgumentError: one of them is no list, there is no such mode, or no mode knows one of the numbers.

    >>> [recipe.name for recipe in recipes_of(["linear", "linear_symmetric"], [4, 1])]
    ['linear 4 bits', 'linear 1 bit', 'linear_symmetric 4 bits']
    """
    for name, several, example in (("modes", modes, "['linear', 'kmeans']"), ("bits", bits, "[8, 4, 2]")):
        if not isinstance(several, Iterable) or isinstance(several, str | bytes):
            raise ArgumentError(f"{name} is {several!r}", fix=f"Give a list such as {example}")
    found = []
    wanted = list(dict.fromkeys(int(nbits) if hasattr(nbits, "__index__") else nbits for nbits in bits))
    for mode in dict.fromkeys(modes):
        if mode not in METHODS:
            raise ArgumentError(f"there is no mode {mode!r} to sweep", fix=did_you_mean(mode, METHODS))
        method = METHODS[mode]
        # What has one number of bits only, such as float16, needs not be asked for by that number.
        numbers = [nbits for nbits in wanted if nbits in method.bits] if len(method.bits) > 1 else method.bits
        found += [_recipe(method, nbits, crop, minimum_deployment_target) for nbits in numbers]
    known = {recipe.nbits for recipe in found}
    for nbits in wanted:
        if nbits not in known:
            raise ArgumentError(f"none of the chosen modes takes {nbits!r} bits", fix="Give numbers from 1 to 8")
    return tuple(found)


def _recipe(method: Method, nbits: int, crop: Crop, target: str | None) -> Recipe:
    def make(model: Model, calibration_data: Any) -> Model:
        return method.quantize(model, nbits, calibration_data, crop, target)

    options = method.options if target is None else (*method.options, ("minimum_deployment_target", target))
    return Recipe(method.name, nbits, make, options, method.calibrated)
