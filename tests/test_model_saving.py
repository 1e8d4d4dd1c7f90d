"""ML Programs on disk: saved as packages, whatever they were made from and wherever their weights lie."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_packages import adding_program

import mltoolkit as mlt
from mltoolkit.errors import ModelFileError
from mltoolkit.formats.protobuf import new_model

X = np.arange(40, dtype=np.float32)


def output(model: Any) -> np.ndarray:
    return mlt.load(model).predict({"x": X})["y"]


def weights_of(package: Path) -> dict[str, bytes]:
    folder = package / "Data" / "com.apple.CoreML" / "weights"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def pipeline(folder: Path) -> tuple[Any, np.ndarray]:
    """Two programs after one another, each with its own weight file, and the sum of their weights."""
    first, weight = adding_program(folder, seed=1, file="0-weight.bin", names=("x", "middle"))
    second, other = adding_program(folder, seed=2, file="1-weight.bin", names=("middle", "y"))
    spec = new_model()
    spec.specificationVersion = 8
    spec.description.input.add().CopyFrom(first.description.input[0])
    spec.description.output.add().CopyFrom(second.description.output[0])
    for name, stage in (("first", first), ("second", second)):
        spec.pipeline.names.append(name)
        spec.pipeline.models.add().CopyFrom(stage)
    return spec, weight + other


def test_a_saved_program_is_the_same(tmp_path: Path) -> None:
    from coremltools.models import MLModel

    spec, weight = adding_program(tmp_path / "weights")
    model, path = mlt.Model.from_spec(spec, weights_dir=tmp_path / "weights"), tmp_path / "m.mlpackage"
    model.save(path)
    assert weights_of(path) == {"weight.bin": (tmp_path / "weights" / "weight.bin").read_bytes()}
    for copy in (model, path, str(path), MLModel(str(path), skip_model_load=True)):
        np.testing.assert_array_equal(output(copy), X + weight)


def test_a_model_in_coremltools_memory_outlives_its_temporary_folder(tmp_path: Path) -> None:
    from coremltools.models import MLModel

    spec, weight = adding_program(tmp_path / "weights")
    theirs = MLModel(spec, weights_dir=str(tmp_path / "weights"), skip_model_load=True)
    model = mlt.load(theirs)
    shutil.rmtree(theirs.package_path)
    shutil.rmtree(tmp_path / "weights")
    assert model.weights_dir is not None and not model.weights_dir.exists()
    model.save(tmp_path / "m.mlpackage")
    np.testing.assert_array_equal(output(model), X + weight)
    np.testing.assert_array_equal(output(tmp_path / "m.mlpackage"), X + weight)
    with pytest.raises(ModelFileError, match=r"their folder is gone.*Save the model"):
        pickle.dumps(model)
    copy = pickle.loads(pickle.dumps(mlt.load(tmp_path / "m.mlpackage")))
    np.testing.assert_array_equal(output(copy), X + weight)


def test_a_model_may_be_saved_over_itself_and_over_another(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.mlpackage" for seed in (1, 2)]
    weights = []
    for seed, path in enumerate(paths, start=1):
        spec, weight = adding_program(tmp_path / f"weights {seed}", seed=seed)
        weights.append(weight)
        mlt.Model.from_spec(spec, weights_dir=tmp_path / f"weights {seed}").save(path)
    first, second = (mlt.load(path) for path in paths)
    first.save(paths[0])
    np.testing.assert_array_equal(output(paths[0]), X + weights[0])
    second.save(paths[0])
    # What was loaded before keeps its weights, although their file is gone.
    np.testing.assert_array_equal(output(first), X + weights[0])
    np.testing.assert_array_equal(output(paths[0]), X + weights[1])
    first.save(paths[1])
    np.testing.assert_array_equal(output(paths[1]), X + weights[0])


def test_pipelines_of_programs_and_their_stages(tmp_path: Path) -> None:
    spec, weight = pipeline(tmp_path / "weights")
    model, path = mlt.Model.from_spec(spec, weights_dir=tmp_path / "weights"), tmp_path / "p.mlpackage"
    model.save(path)
    assert sorted(weights_of(path)) == ["0-weight.bin", "1-weight.bin"]
    # Two float32 additions in one order and in the other.
    np.testing.assert_allclose(output(path), X + weight, rtol=1e-6)
    np.testing.assert_array_equal(output(path), output(model))
    stage = mlt.load(path).stages["second"]
    stage.save(tmp_path / "second.mlpackage")
    assert list(weights_of(tmp_path / "second.mlpackage")) == ["1-weight.bin"]
    alone = mlt.load(tmp_path / "second.mlpackage").predict({"middle": X})["y"]
    np.testing.assert_array_equal(alone, stage.predict({"middle": X})["y"])


def test_a_real_package_is_copied_bit_by_bit(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "coreml" / "basic_pitch_nmp.mlpackage"
    mlt.load(source).save(tmp_path / "copy.mlpackage")
    assert weights_of(tmp_path / "copy.mlpackage") == weights_of(source)
    assert mlt.load(tmp_path / "copy.mlpackage").spec == mlt.load(source).spec
