"""Collecting what the report of a conversion says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.report import ConversionReport
from mltoolkit.conversion.verification import Verification
from mltoolkit.model import Model

# Layers and operations that only reorder axes, in either format.
_TRANSPOSES = ("transpose", "permute")


class StopWatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def make_report(
    imported: Imported, model: Model, options: Options, seconds: dict[str, float], verification: Verification
) -> ConversionReport:
    """The report of a conversion."""
    summary = model.summary()
    parts = [summary, *(stage.summary() for stage in model.stages.values())]
    counted = sum((Counter(part.layer_types) for part in parts), Counter[str]())
    operations = {kind: count for kind, count in counted.most_common() if kind != "const"}
    hooks = options.hooks
    return ConversionReport(
        source=imported.title,
        source_kind=imported.kind,
        way=imported.way,
        format=options.target.format,
        precision=options.target.precision,
        seconds={name: round(time_taken, 3) for name, time_taken in seconds.items()},
        layers_in=imported.layers,
        operations_out=operations,
        transposes=sum(operations.get(kind, 0) for kind in _TRANSPOSES),
        bytes=_size(model),
        notes=(*imported.notes, *verification.notes),
        custom_layers=dict(Counter(layer.class_name for layer in summary.custom_layers)),
        hooks_used={_key_text(key): names for key, names in hooks.used.items()},
        hooks_unused={_key_text(key): hint for key, hint in hooks.unused.items()},
        checks=verification.checks,
    )


def _key_text(key: str | tuple[str, str]) -> str:
    return key if isinstance(key, str) else "::".join(key)


def _size(model: Model) -> int:
    """Bytes of the message and of the weights that its ML Programs have beside it."""
    programs = [part for part in (model, *model.stages.values()) if part.kind == "mlProgram"]
    return int(model.spec.ByteSize()) + sum(part.summary().total.bytes for part in programs)
