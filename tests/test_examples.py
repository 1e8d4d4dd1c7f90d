"""The notebooks in examples/ run, and print what they promise."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run_notebook(path: Path, project: Path) -> str:
    """Everything that the notebook's cells print or show as text."""
    notebook = nbformat.read(path, as_version=4)
    # The notebook's kernel must find the same mltoolkit as this process, installed or not.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def test_quantize_notebook(project: Path) -> None:
    text = run_notebook(project / "examples" / "quantize.ipynb", project)
    assert "neuralNetworkClassifier" in text
    agreement = re.search(r"Top 1 Agreement: (\d+\.\d) %|Top 1 Agreement: (\d+\.\d)%", text)
    assert agreement, text
    assert float(agreement[1] or agreement[2]) >= 97
    lines = re.findall(r"^(linear|kmeans)\s+(\d) bits\s+([\d,]+) bytes\s+([\d.]+)%$", text, re.MULTILINE)
    assert [(mode, int(bits)) for mode, bits, *_ in lines] == [
        (mode, bits) for mode in ("linear", "kmeans") for bits in (8, 4, 2, 1)
    ]
    sizes = [int(size.replace(",", "")) for _, _, size, _ in lines[:4]]
    assert sizes == sorted(sizes, reverse=True)
