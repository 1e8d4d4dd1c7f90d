"""One page on two models: agreement, confusions, the worst pictures, errors layer by layer, sizes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.confusion import Disagreement, disagreements
from mltoolkit.comparison.harness import compare_models
from mltoolkit.comparison.layer_errors import compare_layers
from mltoolkit.comparison.layer_report import LayerReport
from mltoolkit.comparison.pictures import WorstPicture, worst_pictures
from mltoolkit.comparison.progress import ProgressCallback
from mltoolkit.comparison.report import ComparisonReport
from mltoolkit.comparison.sizes import SizeTable, compare_sizes
from mltoolkit.comparison.sources import read_again
from mltoolkit.errors import ArgumentError, MLToolkitError, ModelFileError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.model_file import path_of
from mltoolkit.runtime.images import Crop

if TYPE_CHECKING:
    from mltoolkit.model import Model


@dataclass(frozen=True)
class ComparisonPage:
    """What the page on two models holds.

    Attributes:
        first: name of the model taken for right.
        second: name of the model measured against it.
        comparison: agreement and differences of outputs.
        disagreements: which class became which, the most frequent first.
        layers: the errors of every layer; None where layers cannot be compared.
        no_layers: why not, else "".
        sizes: what both take, layer by layer.
        pictures: the inputs that differ most, as small pictures.
    """

    first: str
    second: str
    comparison: ComparisonReport
    disagreements: tuple[Disagreement, ...]
    layers: LayerReport | None
    no_layers: str
    sizes: SizeTable
    pictures: tuple[WorstPicture, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures as dictionaries, lists, strings and finite numbers."""
        return {
            "first": self.first,
            "second": self.second,
            "comparison": self.comparison.to_dict(),
            "disagreements": [
                {"first": item.first, "second": item.second, "count": item.count, "example": item.example}
                for item in self.disagreements
            ],
            "layers": self.layers.to_dict() if self.layers else None,
            "layers_missing_because": self.no_layers or None,
            "sizes": self.sizes.to_dict(),
        }

    def to_html(self) -> str:
        """The page: one file, without scripts, that reaches for nothing outside itself; light and dark.

        Raises:
            MissingExtraError: matplotlib, which draws the plots, is not installed.
        """
        from mltoolkit.comparison.page_html import page_html

        return page_html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, and beside it the figures as JSON (``report.html`` and ``report.json``).

        Raises:
            ArgumentError: the file's name does not end in .html.
            MissingExtraError: matplotlib is not installed.
            ModelFileError: a file cannot be written.
        """
        target = check_page_path(path)
        # Names of files that are not UTF-8: what a backslash makes of them is right in JSON too.
        page = self.to_html().encode(errors="backslashreplace")
        figures = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        for file, data in (
            (target, page),
            (target.with_suffix(".json"), figures.encode(errors="backslashreplace")),
        ):
            try:
                write_atomically(file, data)
            except OSError as error:
                raise ModelFileError(f"the report cannot be written: {error.strerror}", where=str(file)) from error


def check_page_path(path: str | os.PathLike[str]) -> Path:
    """The path of a page.

    Raises:
        ArgumentError: it is no path, the file's name does not end in .html, or its folder does not exist.
    """
    target = path_of(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"a report is an .html file, not {target.name!r}", fix=f"Call it {target.stem}.html")
    if not target.parent.is_dir():
        raise ArgumentError(f"there is no folder {str(target.parent)!r}", fix="Make it first")
    return target


def comparison_page(
    full_precision_model: Any,
    other_model: Any,
    sample_data: Any,
    *,
    crop: Crop = "whole",
    max_worst: int = 12,
    layer_samples: int = 16,
    names: tuple[str, str] | None = None,
    progress: bool | ProgressCallback | None = None,
) -> ComparisonPage:
    """Compare two models in every respect, for a page that shows it.

    Args:
        full_precision_model: the reference: a Model, or anything that ``mltoolkit.load`` takes.
        other_model: the model to measure, with inputs and outputs of the same names.
        sample_data: as for ``compare_models``; an iterator is read into memory.
        crop: how pictures are fitted: "whole" or "center".
        max_worst: how many of the worst inputs are shown.
        layer_samples: on how many of the samples the layers are compared.
        names: what the page calls the two models; by default their paths or names.
        progress: as for ``compare_models``.

    Returns:
        The page, to be written with :meth:`ComparisonPage.save`.

    Raises:
        ArgumentError, ComparisonError, InputError, PredictionError: as for ``compare_models``.
    """
    from mltoolkit.model import load

    if names is not None and not (
        isinstance(names, (list, tuple)) and len(names) == 2 and all(isinstance(name, str) for name in names)
    ):
        raise ArgumentError(f"names is {names!r}", fix='Give two texts, such as ("original", "quantized")')
    a, b = load(full_precision_model), load(other_model)
    samples = read_again(sample_data)
    comparison = compare_models(a, b, samples, crop=crop, max_worst=max_worst, progress=progress)
    layers: LayerReport | None = None
    reason = ""
    try:
        layers = compare_layers(a, b, samples, crop=crop, max_samples=layer_samples, progress=progress)
    except MLToolkitError as error:
        # The two agree or not whatever is inside them: classical models have no layers.
        reason = str(error)
    return ComparisonPage(
        first=names[0] if names else _name(a, full_precision_model),
        second=names[1] if names else _name(b, other_model),
        comparison=comparison,
        disagreements=disagreements(comparison),
        layers=layers,
        no_layers=reason,
        sizes=compare_sizes(a, b),
        pictures=tuple(worst_pictures(a, b, samples, comparison, crop)),
    )


def _name(model: Model, given: Any) -> str:
    return os.fsdecode(given) if isinstance(given, str | os.PathLike) else model.name or model.kind
