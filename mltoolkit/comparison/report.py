"""The result of a comparison."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.intervals import wilson_interval
from mltoolkit.comparison.records import InputComparison, UnreadableInput
from mltoolkit.comparison.summary import OutputSummary, mean_kl, summarise_outputs, worst_inputs
from mltoolkit.reports.data_frame import data_frame
from mltoolkit.reports.finite import finite

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComparisonReport:
    """How much a second model differs from a first on some inputs.

    The fields on classes are None where the models are no classifiers. Printed, it is a text; in a notebook
    a table.

    Attributes:
        source: what the inputs came from: a folder, or "the given list".
        count: inputs compared.
        top1_agreements: inputs for which both models give the same class.
        top1_agreement: the same as a fraction, 0..1.
        top1_interval: its 95 % Wilson interval.
        top_k: the k of ``top_k_agreement``.
        top_k_agreement: fraction of inputs for which the first model's answer is among the second's k best.
        mean_kl: mean Kullback-Leibler divergence of the probabilities in nats, the first model being the
            reference; None too where the scores are not probabilities or the class lists differ in their
            labels.
        class_count: classes of the first model.
        compared_by: "index", or "label" where the two models list their classes differently.
        outputs: the differences of all other outputs: SNR, PSNR and, for pictures, SSIM.
        unreadable: files and folders left out because they could not be read.
        worst: the inputs on which the models disagree most, worst first.
        inputs: the result of every input, in order.
    """

    source: str
    count: int
    top1_agreements: int | None
    top1_agreement: float | None
    top1_interval: tuple[float, float] | None
    top_k: int
    top_k_agreement: float | None
    mean_kl: float | None
    class_count: int | None
    compared_by: str | None
    outputs: tuple[OutputSummary, ...]
    unreadable: tuple[UnreadableInput, ...]
    worst: tuple[InputComparison, ...]
    inputs: tuple[InputComparison, ...]

    @property
    def top5_agreement(self) -> float | None:
        """``top_k_agreement`` where k is 5, the default."""
        return self.top_k_agreement if self.top_k == 5 else None

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and finite numbers; infinities and NaN become None.

        ``identical`` of an output tells equal outputs (+inf dB) from broken ones (-inf dB).
        """
        plain = dataclasses.asdict(self)
        plain["top5_agreement"] = self.top5_agreement
        return dict(finite(plain))

    def to_json(self, *, indent: int | None = 2) -> str:
        """``to_dict`` as strict JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def to_dataframe(self) -> pd.DataFrame:
        """One row an input, in order; the columns of an output begin with its name. Infinities stay.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return data_frame(map(_flat, self.inputs))

    def __str__(self) -> str:
        from mltoolkit.comparison.report_text import report_text

        return report_text(self)

    def _repr_html_(self) -> str:
        from mltoolkit.comparison.report_html import report_html

        return report_html(self)


def make_report(
    inputs: Sequence[InputComparison],
    unreadable: Sequence[UnreadableInput],
    *,
    source: str,
    top_k: int,
    max_worst: int,
    class_count: int | None,
    compared_by: str | None,
) -> ComparisonReport:
    """The report on these inputs, at least one; pass None for the classes of models that have none."""
    agreements = sum(row.agree is True for row in inputs) if class_count is not None else None
    count = len(inputs)
    return ComparisonReport(
        source=source,
        count=count,
        top1_agreements=agreements,
        top1_agreement=None if agreements is None else agreements / count,
        top1_interval=None if agreements is None else wilson_interval(agreements, count),
        top_k=top_k,
        top_k_agreement=None if agreements is None else sum(row.in_top_k is True for row in inputs) / count,
        mean_kl=None if agreements is None else mean_kl(inputs),
        class_count=class_count,
        compared_by=compared_by,
        outputs=summarise_outputs(inputs),
        unreadable=tuple(unreadable),
        worst=worst_inputs(inputs, max_worst),
        inputs=tuple(inputs),
    )


def _flat(row: InputComparison) -> dict[str, Any]:
    """The fields that hold something, the outputs' as columns of their own."""
    plain = dataclasses.asdict(row)
    outputs = plain.pop("outputs")
    flat = {key: value for key, value in plain.items() if value is not None or key == "kl"}
    if row.agree is None:
        del flat["kl"]
    for output in outputs:
        name = output.pop("name")
        flat |= {f"{name}.{key}": value for key, value in output.items() if value is not None}
    return flat
