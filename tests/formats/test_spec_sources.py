"""Everything a model may be given as."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from small_models import image_classifier

from mltoolkit.errors import ArgumentError
from mltoolkit.formats.model_file import to_spec
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.protobuf import new_model, proto_module
from mltoolkit.model import Model


def test_a_message_is_taken_as_it_is() -> None:
    spec = image_classifier()
    assert to_spec(spec) is spec


def test_paths_are_read(tmp_path: Path) -> None:
    write_spec(image_classifier(), tmp_path / "m.mlmodel")
    assert to_spec(tmp_path / "m.mlmodel") == to_spec(str(tmp_path / "m.mlmodel")) == image_classifier()


def test_a_model_of_ours_gives_its_message() -> None:
    model = Model(image_classifier())
    assert to_spec(model) is model.spec


def test_a_coremltools_model_gives_its_message(tmp_path: Path) -> None:
    import coremltools

    model = coremltools.models.MLModel(image_classifier(), skip_model_load=True)
    assert to_spec(model) == image_classifier()
    assert type(to_spec(model)) is type(new_model())


def test_a_message_of_another_descriptor_pool_is_copied() -> None:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name not in added:
            added.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            proto = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(proto)
            pool.Add(proto)

    add(proto_module("Model_pb2").DESCRIPTOR)
    foreign_class = message_factory.GetMessageClass(pool.FindMessageTypeByName("CoreML.Specification.Model"))
    foreign = foreign_class.FromString(image_classifier().SerializeToString())
    assert not isinstance(foreign, type(new_model()))
    found = to_spec(foreign)
    assert found == image_classifier() and isinstance(found, type(new_model()))


class Fake:
    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def get_spec(self) -> Any:
        return self.spec


def test_whatever_has_get_spec_is_taken() -> None:
    spec = image_classifier()
    assert to_spec(Fake(spec)) is spec


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (None, "NoneType"),
        (3, "int"),
        (b"\x08\x01", "bytes"),
        ({}, "dict"),
        (Fake(None), "Fake"),
        (Fake(Fake), "Fake"),
        (Model, r"Model \(the class itself\)"),
        (type(new_model()), r"Model \(the class itself\)"),
        (new_model().neuralNetwork, "NeuralNetwork"),
    ],
)
def test_anything_else_is_named(source: Any, kind: str) -> None:
    with pytest.raises(ArgumentError, match=f"cannot be made from {kind}.*mlmodel.*MLModel.*protobuf"):
        to_spec(source)


ORDERS = {
    "ours first": "from mltoolkit.formats.protobuf import new_model; ours = new_model();"
    "import coremltools; from coremltools.proto import Model_pb2; coremltools.models.MLModel",
    "coremltools first": "import coremltools; from coremltools.proto import Model_pb2;"
    "from mltoolkit.formats.protobuf import new_model; ours = new_model()",
}


@pytest.mark.parametrize("order", ORDERS)
def test_both_import_orders_give_the_same_classes(order: str, tmp_path: Path) -> None:
    code = (
        f"{ORDERS[order]}\n"
        "theirs = Model_pb2.Model()\n"
        "assert type(ours) is type(theirs), (type(ours), type(theirs))\n"
        "theirs.neuralNetwork.layers.add(name='x')\n"
        "ours.CopyFrom(theirs)\n"
        "from mltoolkit.formats.model_file import to_spec\n"
        "assert to_spec(theirs) is theirs\n"
        "print('the same')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip().endswith("the same"), run.stderr


def test_reading_a_model_imports_neither_coremltools_nor_numpy(tmp_path: Path) -> None:
    write_spec(image_classifier(), tmp_path / "m.mlmodel")
    code = (
        "import sys; from mltoolkit.formats.model_file import to_spec; to_spec(sys.argv[1]);"
        "print(sorted({'coremltools', 'numpy', 'onnx', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m.mlmodel")]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]" and not run.stderr
