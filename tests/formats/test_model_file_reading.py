"""Whatever is not a readable Core ML file is refused with its reason."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import SMALL_MODELS, image_classifier

from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats import model_file
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.varint import varint
from mltoolkit.formats.weights import write_float16


def write(folder: Path, data: bytes, name: str = "model.mlmodel") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_model_comes_back(tmp_path: Path, name: str) -> None:
    spec = SMALL_MODELS[name]()
    path = write(tmp_path, spec.SerializeToString())
    assert read_spec(path) == spec
    assert read_spec(str(path)) == spec


def test_the_message_outlives_the_mapping_and_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, image_classifier().SerializeToString())
    spec = read_spec(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    path.unlink()
    assert spec == image_classifier()


@pytest.mark.skipif(sys.platform != "linux", reason="counts open descriptors in /proc")
def test_neither_success_nor_failure_leaves_the_file_open(tmp_path: Path) -> None:
    good = write(tmp_path, image_classifier().SerializeToString(), "good.mlmodel")
    bad = write(tmp_path, image_classifier().SerializeToString()[:-9], "bad.mlmodel")
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        read_spec(good)
        with pytest.raises(ModelFileError):
            read_spec(bad)
    assert len(list(descriptors.iterdir())) == before
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


PEAK = """
import sys
from mltoolkit.formats.model_file import new_model, read_spec
def peak():
    # Not ru_maxrss, which starts with the peak of the process that started this one.
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
new_model()
before = peak()
spec = read_spec(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory in /proc")
def test_memory_peaks_at_twice_the_file(tmp_path: Path) -> None:
    spec = new_model()
    network = spec.neuralNetwork
    for _ in range(8):
        write_float16(network.layers.add().innerProduct.weights, np.ones(4 << 20, np.float32))
    path = write(tmp_path, spec.SerializeToString())
    command = [sys.executable, "-c", PEAK, str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    ratio = int(output.stdout) / path.stat().st_size
    # The message and the mapped pages; 10 % for the parser's arenas.
    assert 1 < ratio <= 2.1, f"{ratio:.2f} times the file"


def test_a_missing_file_names_those_like_it(tmp_path: Path) -> None:
    write(tmp_path, b"", "SqueezeNet.mlmodel")
    write(tmp_path, b"", "notes.txt")
    with pytest.raises(ModelFileError, match=r"there is no file .*SqueezNet.*Did you mean 'SqueezeNet\.mlmodel'"):
        read_spec(tmp_path / "SqueezNet.mlmodel")


def test_a_missing_file_in_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"holds no \.mlmodel"):
        read_spec(tmp_path / "a.mlmodel")


@pytest.mark.parametrize("between", ["missing", "file"])
def test_a_missing_folder_is_named(tmp_path: Path, between: str) -> None:
    write(tmp_path, b"", "file")
    with pytest.raises(ModelFileError, match=r"The folder .* does not exist"):
        read_spec(tmp_path / between / "a.mlmodel")


def test_the_home_folder_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path, image_classifier().SerializeToString())
    assert read_spec("~/model.mlmodel") == image_classifier()


@pytest.mark.parametrize("path", ["", "a\0b.mlmodel", 3, None, b"bytes.mlmodel"])
def test_what_is_no_path_is_an_argument_error(path: Any) -> None:
    with pytest.raises(ArgumentError, match="is not a path"):
        read_spec(path)


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="the file is empty"):
        read_spec(write(tmp_path, b""))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_sockets_are_refused_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.mlmodel")
    with pytest.raises(ModelFileError, match="neither a file nor a folder"):
        read_spec(tmp_path / "pipe.mlmodel")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(ModelFileError, match="neither a file nor a folder"):
            read_spec("s")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path, image_classifier().SerializeToString())
    path.chmod(0)
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        read_spec(path)


def test_errors_of_the_system_become_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, image_classifier().SerializeToString())

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(model_file.mmap, "mmap", fail)
    with pytest.raises(ModelFileError, match="cannot be read: Input/output error") as caught:
        read_spec(path)
    assert caught.value.where == str(path)


def test_a_truncated_model_says_how_much_is_missing(tmp_path: Path) -> None:
    data = image_classifier().SerializeToString()
    with pytest.raises(ModelFileError, match="truncated: at least 100 of its bytes are missing"):
        read_spec(write(tmp_path, data[:-100]))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = image_classifier().SerializeToString()
    for length in range(len(data)):
        with pytest.raises(ModelFileError):
            read_spec(write(tmp_path, data[:length]))


def test_a_model_cut_behind_its_description(tmp_path: Path) -> None:
    spec = image_classifier()
    spec.ClearField("neuralNetworkClassifier")
    with pytest.raises(ModelFileError, match=r"specification version 3 but holds none.*truncated"):
        read_spec(write(tmp_path, spec.SerializeToString()))


def test_a_kind_of_model_from_the_future(tmp_path: Path) -> None:
    spec = image_classifier()
    spec.ClearField("neuralNetworkClassifier")
    spec.specificationVersion = 99
    data = spec.SerializeToString() + bytes([0x82, 0xFA, 0x01, 0x00])  # field 4000, an empty message
    with pytest.raises(ModelFileError, match=r"version 99 but holds none.*newer coremltools"):
        read_spec(write(tmp_path, data))


def test_a_damaged_model(tmp_path: Path) -> None:
    data = bytearray(image_classifier().SerializeToString())
    start = data.index(b"probabilities")
    data[start - 1] = 0xFF
    with pytest.raises(ModelFileError, match="damaged Core ML model"):
        read_spec(write(tmp_path, bytes(data)))


def test_a_newer_specification_is_logged_and_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = image_classifier()
    spec.specificationVersion = 11
    with caplog.at_level(logging.WARNING):
        assert read_spec(write(tmp_path, spec.SerializeToString())) == spec
    assert "specification version 11" in caplog.text
    caplog.clear()
    spec.specificationVersion = 10
    read_spec(write(tmp_path, spec.SerializeToString()))
    assert not caplog.records


def nested_pipelines(depth: int) -> bytes:
    """Model.pipeline is field 202 and Pipeline.models field 1, both messages."""
    spec = b""
    for _ in range(depth):
        pipeline = b"\x0a" + varint(len(spec)) + spec
        spec = b"\xd2\x0c" + varint(len(pipeline)) + pipeline
    return spec


def test_nested_pipelines_are_what_they_are_meant_to_be() -> None:
    spec = new_model()
    spec.pipeline.models.add().pipeline.models.add()
    assert nested_pipelines(2) == spec.SerializeToString()


@pytest.mark.parametrize("depth", [60, 10_000])
def test_a_recursion_bomb(tmp_path: Path, depth: int) -> None:
    with pytest.raises(ModelFileError, match="nests messages deeper"):
        read_spec(write(tmp_path, nested_pipelines(depth)))


def test_more_than_protobuf_can_read(tmp_path: Path) -> None:
    path = write(tmp_path, image_classifier().SerializeToString())
    try:
        os.truncate(path, 1 << 31)  # a hole, which takes no room
    except OSError:
        pytest.skip("the file system has no such large files")
    with pytest.raises(ModelFileError, match=r"2\.1 GB.*limit of protobuf"):
        read_spec(path)


def zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def hdf5() -> bytes:
    return b"\x89HDF\r\n\x1a\n" + bytes(100)


def picture(kind: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def onnx_model(producer: str) -> bytes:
    import onnx

    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "graph", [info("x", 1, [1])], [info("y", 1, [1])]
    )
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(100_000, np.float32), "large"))
    return onnx.helper.make_model(graph, producer_name=producer).SerializeToString()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def pickled() -> bytes:
    import pickle

    return pickle.dumps({"weight": [1.0]}, protocol=2)


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


FOREIGN = {
    "ONNX": (onnx_model("pytorch"), "an ONNX model"),
    "ONNX without producer": (onnx_model(""), "an ONNX model"),
    "Keras HDF5": (hdf5(), "an HDF5 file"),
    "Keras 3": (zip_of("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "TorchScript": (zip_of("m/data.pkl", "m/constants.pkl", "m/code/x.py"), "a PyTorch TorchScript model"),
    "checkpoint": (zip_of("archive/data.pkl", "archive/data/0"), "a PyTorch checkpoint"),
    "zipped package": (zip_of("M.mlpackage/Manifest.json"), "a zip archive of a model package"),
    "zipped compiled model": (zip_of("M.mlmodelc/coremldata.bin"), "a zip archive with a compiled model"),
    "zipped model": (zip_of("folder/M.mlmodel"), "a zip archive with a model inside"),
    "npz": (zip_of("x.npy"), "a NumPy archive"),
    "zip": (zip_of("a.txt"), "a zip archive,"),
    "broken zip": (zip_of("a.txt")[:-30], "a damaged zip archive"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
    "safetensors": (safetensors(), "a safetensors file"),
    "pickle": (pickled(), "a Python pickle"),
    "npy": (npy(), "a NumPy array"),
    "JPEG": (picture("JPEG"), "a JPEG picture"),
    "PNG": (picture("PNG"), "a PNG picture"),
    "GIF": (picture("GIF"), "a GIF picture"),
    "BMP": (picture("BMP"), "a BMP picture"),
    "TIFF": (picture("TIFF"), "a TIFF picture"),
    "WebP": (picture("WEBP"), "a WebP picture"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "a gzip archive"),
    "web page": (b"<!DOCTYPE html><html></html>", "a web page"),
    "LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a Git LFS pointer",
    ),
    "JSON": (b'{"layers": []}', "a JSON document"),
    "text": ("Süßer Text.\n".encode() * 9000, "a text"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_named_whatever_they_are_called(tmp_path: Path, kind: str) -> None:
    data, what = FOREIGN[kind]
    with pytest.raises(ModelFileError, match=f"the file is {what}") as caught:
        read_spec(write(tmp_path, data))
    assert caught.value.fix


def test_noise_is_nothing_that_is_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        with pytest.raises(ModelFileError, match=r"not a Core ML model|damaged|truncated"):
            read_spec(write(tmp_path, rng.bytes(int(rng.integers(1, 300)))))


def test_shared_models_are_read(shared_data: Path) -> None:
    models = sorted((shared_data / "coreml").iterdir())
    kinds = {path.name: read_spec(path).WhichOneof("Type") for path in models}
    assert kinds["SqueezeNetFP16.mlmodel"] == "neuralNetworkClassifier"
    assert kinds["basic_pitch_nmp.mlpackage"] == "mlProgram"
    assert kinds["UpdatableDrawingClassifier.mlmodel"] == "pipelineClassifier"
    assert None not in kinds.values()


def test_shared_files_of_other_kinds_are_named(shared_data: Path) -> None:
    for path in sorted((shared_data / "onnx").glob("*.onnx")):
        with pytest.raises(ModelFileError, match="an ONNX model"):
            read_spec(path)
    for path in sorted((shared_data / "keras").glob("*.hdf5")):
        with pytest.raises(ModelFileError, match="an HDF5 file"):
            read_spec(path)
