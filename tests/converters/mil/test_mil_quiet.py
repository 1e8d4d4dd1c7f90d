"""Writing a model prints nothing, and leaves coremltools as it was."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checking import one_node, source_of

from mltoolkit.converters.mil.quiet import quiet_coremltools
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.errors import UnsupportedModelError

SCRIPT = """
import numpy as np
from checking import check_onnx, one_node
x = np.ones((2, 3), np.float32)
check_onnx(one_node("Softmax", {"input:0": x}), {"input:0": x})
"""


def test_nothing_is_printed(project):
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_coremltools_is_left_as_it_was():
    from coremltools.converters.mil.backend.nn import load, op_mapping
    from coremltools.converters.mil.mil.passes import pass_pipeline

    before = (pass_pipeline.tqdm, op_mapping._tqdm, load.convert_ops, logging.getLogger("coremltools").disabled)
    model = one_node("Reshape", {"x": np.ones((1, 2), np.float32)}, {"s": np.array([1, 1, 1, 1, 1, 2])})
    for format in ("mlmodel", "mlpackage"):
        with pytest.raises(UnsupportedModelError):
            write_core_ml(source_of(model), CoreMLTarget(format=format))
    after = (pass_pipeline.tqdm, op_mapping._tqdm, load.convert_ops, logging.getLogger("coremltools").disabled)
    assert before == after


def test_nested_use():
    with quiet_coremltools(), quiet_coremltools():
        assert logging.getLogger("coremltools").disabled
    assert not logging.getLogger("coremltools").disabled
