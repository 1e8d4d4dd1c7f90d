"""Saving: complete or not at all, whatever interrupts it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from google.protobuf.message import EncodeError
from small_models import SMALL_MODELS, image_classifier, vector_regressor

from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats import atomic_file, package_writing
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.model_writing import write_spec

SUFFIXES = (".mlmodel", ".mlpackage")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_saved_model_comes_back(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    write_spec(SMALL_MODELS[name](), path)
    assert read_spec(path) == SMALL_MODELS[name]()
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_coremltools_reads_it(tmp_path: Path, suffix: str) -> None:
    from coremltools.models.utils import load_spec

    path = tmp_path / f"model{suffix}"
    write_spec(image_classifier(), path)
    assert load_spec(str(path)) == image_classifier()


def test_packages_of_coremltools_are_read(tmp_path: Path) -> None:
    from coremltools.models.utils import save_spec

    save_spec(image_classifier(), str(tmp_path / "theirs.mlpackage"))
    assert read_spec(tmp_path / "theirs.mlpackage") == image_classifier()


def test_the_bytes_are_the_serialised_message(tmp_path: Path) -> None:
    write_spec(image_classifier(), tmp_path / "m.mlmodel")
    assert (tmp_path / "m.mlmodel").read_bytes() == image_classifier().SerializeToString(deterministic=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_models_give_equal_files_however_their_maps_were_filled(tmp_path: Path, suffix: str) -> None:
    names = [f"key {index}" for index in range(20)]
    for copy, order in enumerate((names, names[::-1])):
        spec = image_classifier()
        for name in order:
            spec.description.metadata.userDefined[name] = name
        write_spec(spec, tmp_path / f"{copy}{suffix}")

    def content(folder: Path) -> dict[str, bytes]:
        files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    assert content(tmp_path / f"0{suffix}") == content(tmp_path / f"1{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_model_is_replaced_or_not_as_asked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_spec(image_classifier(), path)
    with pytest.raises(ModelFileError, match="there is a file of that name already"):
        write_spec(vector_regressor(), path, overwrite=False)
    assert read_spec(path) == image_classifier()
    write_spec(vector_regressor(), path)
    assert read_spec(path) == vector_regressor()


@pytest.mark.parametrize("name", ["m.onnx", "m", "m.mlmodelc", ".mlmodel", "m.mlmodel.txt"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match=r"saved as \.mlmodel or \.mlpackage"):
        write_spec(image_classifier(), tmp_path / name)
    assert not names(tmp_path)


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    write_spec(image_classifier(), tmp_path / "M.MLMODEL")
    assert read_spec(tmp_path / "M.MLMODEL") == image_classifier()


@pytest.mark.parametrize("path", [None, 3, "", "a\0.mlmodel"])
def test_what_is_no_path_is_an_argument_error(path: Any) -> None:
    with pytest.raises(ArgumentError, match="is not a path"):
        write_spec(image_classifier(), path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_folder_is_not_made(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ModelFileError, match="there is no such folder"):
        write_spec(image_classifier(), tmp_path / "nowhere" / f"m{suffix}")
    assert not names(tmp_path)


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.mlmodel").mkdir()
    with pytest.raises(ModelFileError, match="the path is a folder"):
        write_spec(image_classifier(), tmp_path / "m.mlmodel")


def test_a_folder_that_is_no_package_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "m.mlpackage").mkdir()
    (tmp_path / "m.mlpackage" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFileError, match="not a model package"):
        write_spec(image_classifier(), tmp_path / "m.mlpackage")
    assert names(tmp_path / "m.mlpackage") == ["thesis.txt"]


def test_a_package_that_holds_more_than_a_model_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "m.mlpackage"
    write_spec(image_classifier(), path)
    (path / "Data" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFileError, match=r"holds more than a model and its weights.*Data/thesis\.txt"):
        write_spec(vector_regressor(), path)
    assert read_spec(path) == image_classifier()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_permissions_are_those_of_the_replaced_file_or_of_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "m.mlmodel"
    previous = os.umask(0o027)
    try:
        write_spec(image_classifier(), path)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_spec(vector_regressor(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write_spec(image_classifier(), tmp_path / "real" / "m.mlmodel")
    (tmp_path / "link.mlmodel").symlink_to(tmp_path / "real" / "m.mlmodel")
    write_spec(vector_regressor(), tmp_path / "link.mlmodel")
    assert (tmp_path / "link.mlmodel").is_symlink()
    assert read_spec(tmp_path / "real" / "m.mlmodel") == vector_regressor()


def test_a_write_protected_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.mlmodel"
    write_spec(image_classifier(), path)
    # root may write everything, so the answer is given here
    monkeypatch.setattr(atomic_file.os, "access", lambda *args: False)
    with pytest.raises(ModelFileError, match="the file is write-protected"):
        write_spec(vector_regressor(), path)
    assert read_spec(path) == image_classifier()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ModelFileError, match="cannot be written: Permission denied"):
        write_spec(image_classifier(), tmp_path / "m.mlmodel")


class TooLarge:
    """Stands for a message above 2 GB, of which protobuf says no more than this."""

    def WhichOneof(self, name: str) -> str:  # noqa: N802
        return "neuralNetwork"

    def SerializeToString(self, deterministic: bool) -> bytes:  # noqa: N802
        raise EncodeError("Failed to serialize proto")


def test_a_model_above_two_gigabytes_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="2 GB or more, which protobuf cannot serialise"):
        write_spec(TooLarge(), tmp_path / "m.mlmodel")
    assert not names(tmp_path)


class Interrupted(BaseException):
    """Like KeyboardInterrupt, but surely ours."""


WRITERS = {atomic_file.__file__, package_writing.__file__}


def interrupt_at(line: int, strike: Callable[[], None]) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that strikes before the given line (by count) that the writing modules execute."""
    passed = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal passed
        if frame.f_code.co_filename not in WRITERS:
            return None
        if event == "line":
            passed += 1
            if passed == line:
                strike()
        return trace

    return trace


def raise_interrupted() -> None:
    raise Interrupted


def raise_disk_full() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("strike", [raise_interrupted, raise_disk_full])
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_or_interruption_at_any_line_leaves_old_or_new_and_no_litter(
    tmp_path: Path, suffix: str, existing: bool, strike: Callable[[], None]
) -> None:
    path = tmp_path / f"m{suffix}"
    outcomes = []
    for line in range(1, 200):
        if existing:
            write_spec(image_classifier(), path)
        else:
            remove(path)
        previous = sys.gettrace()
        sys.settrace(interrupt_at(line, strike))
        try:
            write_spec(vector_regressor(), path)
        except (Interrupted, ModelFileError) as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("complete")
        finally:
            sys.settrace(previous)
        left = read_spec(path) if path.exists() else None
        assert left in (image_classifier() if existing else None, vector_regressor()), f"line {line}"
        assert names(tmp_path) in ([path.name], []), f"litter after line {line}"
        if outcomes[-1] == "complete" and left == vector_regressor() and outcomes[-3:] == ["complete"] * 3:
            break
    struck = sum(outcome != "complete" for outcome in outcomes)
    assert struck >= 8 and outcomes[-1] == "complete", outcomes


def remove(path: Path) -> None:
    if path.is_dir():
        for inner in sorted(path.rglob("*"), reverse=True):
            inner.rmdir() if inner.is_dir() else inner.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


CRASH = """
import os, sys
sys.path.insert(0, {tests!r})
from test_model_file_writing import interrupt_at
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.model_writing import write_spec
from small_models import image_classifier, vector_regressor
path = sys.argv[1]
for line in range(1, 200):
    write_spec(image_classifier(), path)
    child = os.fork()
    if not child:
        sys.settrace(interrupt_at(line, lambda: os._exit(9)))
        write_spec(vector_regressor(), path)
        os._exit(0)
    crashed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    spec = read_spec(path)
    states = {{"old": image_classifier(), "new": vector_regressor()}}
    print(line, crashed, next((state for state in states if spec == states[state]), "broken"))
    if not crashed:
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_crash_at_any_line_leaves_old_or_new(tmp_path: Path, suffix: str) -> None:
    code = CRASH.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / f"m{suffix}")]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = [line.split() for line in output.splitlines()]
    states = [state for _, _, state in lines]
    assert lines[-1][1:] == ["False", "new"], output
    assert len(states) >= 10 and "broken" not in states, output
    # Once the new file is there, it stays: old, old, …, new, new.
    assert states == sorted(states, reverse=True) and states[0] == "old", output
