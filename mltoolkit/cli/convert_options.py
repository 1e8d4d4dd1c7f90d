"""What ``mltoolkit convert`` is given as text: hooks, images, shapes, names."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import ArgumentError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltoolkit.converters.mil.target import ArrayInput, ImageInput


def read_hooks(text: str | None) -> Mapping[Any, Any] | None:
    """The dictionary ``module:name`` or ``file.py:name``; a module is also looked for in the current folder.

    Raises:
        ArgumentError: there is no such module or file, it fails, or it has no such dictionary.
    """
    if text is None:
        return None
    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise ArgumentError(f"{text!r} is not module:dictionary", where="--hooks", fix="Give hooks:FUNCTIONS, say")
    module = _run_file(Path(where)) if where.endswith(".py") else _import(where)
    if not hasattr(module, name):
        names = [key for key, value in vars(module).items() if isinstance(value, Mapping) and not key.startswith("_")]
        raise ArgumentError(f"{where!r} has no {name!r}", where="--hooks", fix=did_you_mean(name, names))
    found = getattr(module, name)
    if not isinstance(found, Mapping):
        raise ArgumentError(f"{text!r} is {type(found).__name__}, not a dictionary", where="--hooks")
    return found


def _import(name: str) -> ModuleType:
    with _current_folder_first():
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                raise ArgumentError(f"there is no module {name!r}", where="--hooks") from error
            raise ArgumentError(f"the module {name!r} fails: {error}", where="--hooks") from error
        except Exception as error:  # a user's code
            raise ArgumentError(
                f"the module {name!r} fails: {type(error).__name__}: {error}", where="--hooks"
            ) from error


@contextmanager
def _current_folder_first() -> Iterator[None]:
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.remove(str(Path.cwd()))


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ArgumentError(f"there is no file {str(path)!r}", where="--hooks")
    spec = importlib.util.spec_from_file_location("mltoolkit_hooks", path)
    assert spec is not None and spec.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules["mltoolkit_hooks"] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's code
        raise ArgumentError(f"{str(path)!r} fails: {type(error).__name__}: {error}", where="--hooks") from error
    return module


def read_inputs(
    images: Sequence[str],
    shapes: Sequence[str],
    *,
    scale: str,
    bias: str,
    color: str | None,
    layout: str | None,
) -> dict[str, ImageInput | ArrayInput] | None:
    """How inputs are declared.

    Args:
        images: names of inputs that are pictures.
        shapes: ``NAME=1,3,224,224`` each; ``2..8`` is a range, ``?`` what the source says.
        scale: a number such as ``1/255``, or one a channel, by commas.
        bias: likewise.
        color: the pictures' colour space.
        layout: where the source's pictures have their channels.

    Raises:
        ArgumentError: a text cannot be read.
    """
    from mltoolkit.converters.mil.target import ArrayInput, ImageInput

    for option, is_given in (
        ("--scale", scale != "1"),
        ("--bias", bias != "0"),
        ("--color", color),
        ("--layout", layout),
    ):
        if is_given and not images:
            raise ArgumentError(f"{option} is for inputs that are pictures", fix="Say which with --image NAME")
    sizes = dict(_shape(text) for text in shapes)
    inputs: dict[str, ImageInput | ArrayInput] = {}
    for name in images:
        shape = sizes.pop(name, None)
        if shape is not None and len(shape) < 2:
            raise ArgumentError(f"the picture {name!r} needs a height and a width", where="--input-shape")
        inputs[name] = ImageInput(
            scale=_numbers(scale, "--scale"),
            bias=_numbers(bias, "--bias"),
            color=color,  # type: ignore[arg-type]  # ImageInput checks it
            layout=layout,  # type: ignore[arg-type]  # likewise
            size=None if shape is None else (shape[-2], shape[-1]),
        )
    for name, shape in sizes.items():
        inputs[name] = ArrayInput(tuple(shape))
    return inputs or None


def read_fixed_shapes(shapes: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """``NAME=1,3,224,224`` each, for an .onnx file: an array's shape, or a picture's height and width.

    Raises:
        ArgumentError: a text cannot be read, or leaves a size open.
    """
    fixed = {}
    for text in shapes:
        name, shape = _shape(text)
        if not all(isinstance(size, int) for size in shape):
            raise ArgumentError(
                f"{text!r} leaves sizes open", where="--input-shape", fix="Give whole numbers for .onnx"
            )
        fixed[name] = tuple(shape)
    return fixed or None


def refuse_for_onnx(**options: Any) -> None:
    """Say which options an .onnx file has no use for, rather than leaving them out.

    Args:
        options: their values by name; those not given are None, "" or empty.

    Raises:
        ArgumentError: one is given.
    """
    for name, value in options.items():
        if value:
            raise ArgumentError(
                f"--{name.replace('_', '-')} is for Core ML models, not for .onnx files", fix="Leave it out"
            )


def _shape(text: str) -> tuple[str, list[Any]]:
    from mltoolkit.converters.mil.target import SizeRange

    name, equals, sizes = text.rpartition("=")
    parts = [part.strip() for part in sizes.split(",")]
    if not equals or not all(re.fullmatch(r"\?|\d+|\d+\.\.\d*", part) for part in parts):
        raise ArgumentError(f"{text!r} is no shape", where="--input-shape", fix="Give NAME=1,3,224,224 or NAME=1..8,10")
    shape: list[Any] = []
    for part in parts:
        lower, dots, upper = part.partition("..")
        if dots:
            shape.append(SizeRange(int(lower), int(upper) if upper else None))
        else:
            shape.append(None if part == "?" else int(part))
    return name, shape


def _numbers(text: str, option: str) -> float | list[float]:
    numbers = []
    for part in text.split(","):
        top, slash, bottom = part.partition("/")
        try:
            numbers.append(float(top) / float(bottom) if slash else float(top))
        except (ValueError, ZeroDivisionError) as error:
            raise ArgumentError(f"{part!r} is no number", where=option, fix="Give 1/255, or three by commas") from error
    return numbers[0] if len(numbers) == 1 else numbers


def read_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """``OLD=NEW`` each.

    Raises:
        ArgumentError: a text has no equals sign.
    """
    pairs = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise ArgumentError(f"{text!r} is not OLD=NEW", where=option)
        pairs[old] = new
    return pairs


def read_arrays(file: str | None) -> dict[str, Any] | None:
    """The arrays of an .npz file by input name.

    Raises:
        ArgumentError: it is none.
    """
    if file is None:
        return None
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ArgumentError(
            f"{file!r} is no .npz file of arrays by input name: {error}", where="--verification-inputs"
        ) from error
