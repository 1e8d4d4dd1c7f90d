"""onnxruntime on ONNX models as they are, for comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import PredictionError, UnsupportedModelError


def open_session(source: Path | onnx.ModelProto | ir.Model) -> Any:
    """A session that runs a model without optimising it.

    Raises:
        UnsupportedModelError: onnxruntime refuses the model; an operator of a foreign domain, say.
    """
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    # The plainest run there is: what is converted shall not be compared with another optimiser's work.
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def session(model: str | bytes) -> Any:
        return ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])

    try:
        if isinstance(source, Path):
            return session(str(source))
        proto = ir.to_proto(source) if isinstance(source, ir.Model) else source
        if proto.ByteSize() < onnx.checker.MAXIMUM_PROTOBUF:
            return session(proto.SerializeToString())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            onnx.save(proto, path, save_as_external_data=True)
            return session(str(path))
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise UnsupportedModelError(f"onnxruntime refuses the original: {_line(error)}") from error


def run_session(
    session: Any, feeds: Mapping[str, NDArray[Any]], inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Outputs by name.

    Args:
        session: what :func:`open_session` made.
        feeds: arrays by the names in ``inputs``.
        inputs: those names, in the order of the model's inputs.
        outputs: the values to give.

    Raises:
        PredictionError: onnxruntime fails.
    """
    own = [item.name for item in session.get_inputs()]
    # By name where the names agree, which onnxruntime may list in another order.
    names = dict(zip(own, own, strict=True)) if set(own) <= set(inputs) else dict(zip(own, inputs, strict=True))
    try:
        results = session.run(list(outputs), {name: feeds[key] for name, key in names.items()})
    except Exception as error:  # see above
        raise PredictionError(f"the original failed while it ran: {_line(error)}") from error
    return dict(zip(outputs, results, strict=True))


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
