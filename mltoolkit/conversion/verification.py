"""Source = hub = written file, on the same inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.conversion.array_check import DEFAULT_TOLERANCE, check_arrays
from mltoolkit.conversion.hub_run import HubRunner, missing_classes
from mltoolkit.conversion.imported import Arrays, Imported
from mltoolkit.conversion.index_limits import index_limit
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.report import OutputCheck
from mltoolkit.conversion.samples import Case, SourceInput, flat_case, given_cases, seeded_cases
from mltoolkit.converters.mil.target import ImageInput
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import ArrayFeature, ImageFeature, ScalarFeature
from mltoolkit.graph.builder import known_shape
from mltoolkit.model import Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verification:
    """What was compared.

    Attributes:
        checks: the result for every output, stage and case.
        notes: what was not compared, and why.
        case: the first case in which something differs, else the first of all; None if nothing ran.
    """

    checks: tuple[OutputCheck, ...]
    notes: tuple[str, ...]
    case: Case | None

    @property
    def failed(self) -> tuple[OutputCheck, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.passed is False)


NOTHING_VERIFIED = Verification((), (), None)


def verify(imported: Imported, model: Model, renamed: Mapping[str, str], options: Options) -> Verification:
    """Compare the outputs of the source, the hub and the written model.

    Args:
        imported: the source.
        model: the written model, read back.
        renamed: the source's (or hub's) name of an input or output → the written model's, where they differ.
        options: inputs, seed and tolerance.

    Raises:
        ArgumentError: the given inputs have wrong names.
        InputError: a given input does not fit.
    """
    verifier = _Verifier(imported, model, renamed, options)
    if verifier.skipped:
        return verifier.nothing()
    inputs = source_inputs(imported, model, renamed)
    images = {name: item for name, item in options.target.inputs.items() if isinstance(item, ImageInput)}
    if options.verification_inputs is not None:
        cases = given_cases(inputs, model, images, options.verification_inputs)
    else:
        cases = seeded_cases(inputs, model, images, options.seed)
    return verifier.run(cases, seeded=options.verification_inputs is None)


def source_inputs(imported: Imported, model: Model, renamed: Mapping[str, str]) -> list[SourceInput]:
    """The source's inputs beside the written model's."""
    features = {
        feature.name: feature
        for feature in model.inputs
        if isinstance(feature, (ArrayFeature, ImageFeature, ScalarFeature))
    }
    if imported.hub is None:
        return [
            SourceInput(name, features[renamed.get(name, name)], dtype, None) for name, dtype in imported.inputs.items()
        ]
    inputs = []
    for value in imported.hub.model.graph.inputs:
        name = value.name or ""
        dtype = value.dtype.numpy() if value.dtype is not None else np.dtype(np.float32)
        feature = features[renamed.get(name, name)]
        inputs.append(SourceInput(name, feature, dtype, known_shape(value), index_limit(value)))
    return inputs


# Where values are rounded to 8 bits while the model runs, another order of float32 sums moves some by a whole step, and
# onnxruntime's integer kernels round on their own. Measured on a detector of 42 convolutions: 47 dB, as far as its
# quantization is from the float model.
ROUNDED_TOLERANCE = 30.0


def _rounds_values(model: ir.Model) -> bool:
    """Whether a model quantizes what it computes, not only its weights."""
    return any(
        node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear")
        and node.inputs[0] is not None
        and node.inputs[0].const_value is None
        for node in model.graph
    )


class _Verifier:
    def __init__(self, imported: Imported, model: Model, renamed: Mapping[str, str], options: Options) -> None:
        self._imported = imported
        self._model = model
        self._renamed = renamed
        self._tolerance = options.tolerance_db or DEFAULT_TOLERANCE[options.target.precision]
        self._hub_tolerance = options.tolerance_db or DEFAULT_TOLERANCE["float32"]
        if options.tolerance_db is None and imported.hub is not None and _rounds_values(imported.hub.model):
            self._tolerance, self._hub_tolerance = (
                min(tolerance, ROUNDED_TOLERANCE) for tolerance in (self._tolerance, self._hub_tolerance)
            )
        classifier = options.target.classifier
        self._scores = (classifier.probabilities if classifier is not None else None) or ""
        self._checks: list[OutputCheck] = []
        self._notes: list[str] = []
        self._hub: HubRunner | None = None
        self._skipped_because = ""
        self._prepare(CustomLayerSet(options.custom_layers))

    def _prepare(self, layers: CustomLayerSet) -> None:
        hub = self._imported.hub
        if hub is None:
            if self._imported.reference is None:
                self._skipped_because = self._imported.without_reference
                self._notes.append(f"not verified: {self._skipped_because}")
            return
        missing = missing_classes(hub, layers)
        if missing:
            names = ", ".join(map(repr, missing))
            self._skipped_because = f"no Python class for the custom layer {names}"
            self._notes.append(
                f"not verified: {self._skipped_because}; register one with @mltoolkit.register_custom_layer or give "
                "custom_layers=[...]"
            )
        else:
            self._hub = HubRunner(hub, layers)

    @property
    def skipped(self) -> bool:
        """Whether nothing can be compared."""
        return bool(self._skipped_because)

    def nothing(self) -> Verification:
        """That nothing was compared, and why, for every output."""
        checks = [
            OutputCheck(feature.name, "source = file", "", "SQNR", reason=self._skipped_because)
            for feature in self._model.outputs
        ]
        return Verification(tuple(checks), tuple(self._notes), None)

    def run(self, cases: Sequence[Case], *, seeded: bool) -> Verification:
        """Go through the cases."""
        if self._imported.reference is None:
            self._notes.append(f"the source itself was not run: {self._imported.without_reference}")
        ran = [case for given in cases if (case := self._run_case(given, seeded=seeded)) is not None]
        failed = next((check.inputs for check in self._checks if check.passed is False), None)
        case = next((case for case in ran if failed in (None, case.title)), None)
        return Verification(tuple(self._checks), tuple(self._notes), case)

    def _run_case(self, case: Case, *, seeded: bool) -> Case | None:
        """Compare one case; the case that ran, or None where the source cannot run it."""
        attempts = [case, flat_case(case, 1), flat_case(case, 0)] if seeded else [case]
        trouble: MLToolkitError | None = None
        for attempt in attempts:
            try:
                reference = self._reference(attempt)
            except MLToolkitError as error:
                trouble = trouble or error
                continue
            self._compare(attempt, reference)
            return attempt
        if case.must_run:
            self._notes.append(f"not verified: the source fails on {case.title} inputs: {trouble}")
            advice = "give verification_inputs" if seeded else str(trouble)
            self._checks += [
                OutputCheck(feature.name, "source = file", case.title, "SQNR", reason=f"the source fails: {advice}")
                for feature in self._model.outputs
            ]
        return None

    def _reference(self, case: Case) -> Arrays:
        """The source's outputs; the hub's where the source cannot run here."""
        if self._imported.reference is not None:
            return self._imported.reference.run(case.feeds)
        assert self._hub is not None  # a direct conversion always has a reference
        return self._hub.run(case.feeds)

    def _compare(self, case: Case, reference: Arrays) -> None:
        source = "source"
        if self._imported.reference is None:
            source = "hub"
        elif self._hub is not None:
            hub = self._attempt(lambda: self._hub.run(case.feeds), case, "source = hub")  # type: ignore[union-attr]
            if hub is not None:
                self._check_all(reference, hub, case, "source = hub", self._hub_tolerance)
        written = self._attempt(lambda: self._model.predict_raw(case.data), case, f"{source} = file")
        if written is not None:
            expected = {self._renamed.get(name, name): array for name, array in reference.items()}
            self._check_file(expected, written, case, f"{source} = file")
        if self._imported.reference is not None and any(check.passed is False for check in self._checks):
            self._forgive_random_outputs(case, reference)

    def _attempt(self, run: Callable[[], Arrays], case: Case, stages: str) -> Arrays | None:
        try:
            return run()
        except MLToolkitError as error:
            self._checks.append(OutputCheck("all", stages, case.title, "SQNR", passed=False, reason=str(error)))
            return None

    def _check_all(self, reference: Arrays, other: Arrays, case: Case, stages: str, tolerance: float) -> None:
        for name, array in reference.items():
            self._checks.append(
                check_arrays(name, array, other[name], stages=stages, inputs=case.title, tolerance_db=tolerance)
            )

    def _check_file(self, expected: Arrays, written: Mapping[str, NDArray[Any]], case: Case, stages: str) -> None:
        images = {feature.name for feature in self._model.outputs if isinstance(feature, ImageFeature)}
        left = dict(written)
        labels = self._model.class_labels
        scores = self._renamed.get(self._scores, self._scores) if len(expected) > 1 else next(iter(expected))
        for name, array in expected.items():
            if labels is not None and name == scores:
                self._check_probabilities(name, array, left, case, stages)
            elif name in left:
                found = left.pop(name)
                if name in images and array.ndim == found.ndim + 1:
                    array = array[0]
                self._checks.append(
                    check_arrays(name, array, found, stages=stages, inputs=case.title, tolerance_db=self._tolerance)
                )
            else:
                self._checks.append(
                    OutputCheck(name, stages, case.title, "SQNR", passed=False, reason="the file has no such output")
                )

    def _check_probabilities(
        self, name: str, array: NDArray[Any], left: dict[str, NDArray[Any]], case: Case, stages: str
    ) -> None:
        """A classifier's scores by class index, and the label that they choose."""
        key = name if name in left else next((key for key, found in left.items() if found.size == array.size), "")
        if not key:
            self._checks.append(
                OutputCheck(name, stages, case.title, "SQNR", passed=False, reason="the file has no such output")
            )
            return
        found = left.pop(key)
        flat = array.reshape(-1)
        self._checks.append(
            check_arrays(name, flat, found.reshape(-1), stages=stages, inputs=case.title, tolerance_db=self._tolerance)
        )
        labels, label_name = self._model.class_labels, self._model.predicted_feature_name
        if labels is None or label_name is None or flat.size != len(labels):
            return
        told = self._model.predict(case.data).get(label_name)
        right = labels[int(np.argmax(flat))]
        close = np.sort(flat.astype(np.float64))[-2:]
        # Two classes within the tolerance of each other are no disagreement.
        tie = flat.size > 1 and close[1] - close[0] <= 10 ** (-self._tolerance / 20) * max(abs(close[1]), 1e-30)
        self._checks.append(
            OutputCheck(
                label_name,
                stages,
                case.title,
                "label",
                passed=bool(told == right or tie),
                reason="" if told == right else f"{told!r} in place of {right!r}",
            )
        )

    def _forgive_random_outputs(self, case: Case, reference: Arrays) -> None:
        """An output that the source itself gives another way each time cannot be compared."""
        assert self._imported.reference is not None
        again = self._imported.reference.run(case.feeds)
        random = [
            name
            for name, array in reference.items()
            if not np.array_equal(array, again[name], equal_nan=array.dtype.kind == "f")
        ]
        if not random:
            return
        self._notes.append(
            f"not compared: {', '.join(map(repr, random))}, which the source computes differently each time"
        )
        names = {*random, *(self._renamed.get(name, name) for name in random)}
        self._checks = [
            OutputCheck(check.output, check.stages, check.inputs, check.measure, reason="the source is random")
            if check.passed is False and check.output in names
            else check
            for check in self._checks
        ]
