"""Weight files written record by record, and read back; the folder's life."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import ArgumentError, InvalidModelError
from mltoolkit.formats.deployment import opset_name, opset_version, release_name, target_version
from mltoolkit.formats.mil_types import element_named
from mltoolkit.formats.mil_value_writing import array_bytes, array_value
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.formats.weight_blob_writing import REFERENCE, WeightFileWriter
from mltoolkit.formats.weight_record_writing import record_bytes

_TYPES = ["float16", "float32", "int8", "uint8", "int4", "uint1", "uint2", "uint3", "uint4", "uint6"]


def array_of(element: str, count: int, seed: int) -> np.ndarray[Any, Any]:
    described, rng = element_named(element)[1], np.random.default_rng(seed)
    if described.kind == "float":
        return rng.normal(size=count).astype(element)
    low, high = (
        (-(1 << (described.bits - 1)), 1 << (described.bits - 1)) if described.signed else (0, 1 << described.bits)
    )
    return rng.integers(low, high, count).astype(described.dtype)


@settings(deadline=None)  # a temporary folder for each
@given(st.lists(st.tuples(st.sampled_from(_TYPES), st.integers(10, 300)), min_size=1, max_size=6), st.integers(0, 99))
def test_what_is_written_is_read(records: list[tuple[str, int]], seed: int) -> None:
    writer = WeightFileWriter()
    arrays = [array_of(element, count, seed + place) for place, (element, count) in enumerate(records)]
    offsets = []
    for (element, count), array in zip(records, arrays, strict=True):
        before = writer.size
        offsets.append(writer.append(array, element_named(element)[1]))
        assert writer.size - before == record_bytes(count, element_named(element)[1].bits)
    folder = writer.finish()
    for (element, count), array, offset in zip(records, arrays, offsets, strict=True):
        found = folder.read(REFERENCE, offset, element_named(element)[1], count)
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("element", [*_TYPES, "int32", "uint32", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (4, 5)], ids=str)
def test_values_are_read_as_they_were_written(element: str, shape: tuple[int, ...]) -> None:
    writer, count = WeightFileWriter(), int(np.prod(shape))
    array = array_of(element, count, 1).reshape(shape) if element != "bool" else np.ones(shape, dtype=bool)
    message = array_value(array, element, writer)
    in_file = message.WhichOneof("value") == "blobFileValue"
    assert in_file == (count >= 10 and element != "bool")
    found = read_value(message, writer.finish())
    np.testing.assert_array_equal(found, array)
    assert array_bytes(count, 8) == (record_bytes(count, 8) if count >= 10 else count)


def test_records_are_copied_byte_for_byte() -> None:
    first, second = WeightFileWriter(), WeightFileWriter()
    codes = array_of("uint3", 77, 0)
    offset = first.append(codes, element_named("uint3")[1])
    source = first.finish().file(REFERENCE)
    second.append(np.zeros(100, dtype=np.float32), element_named("float32")[1])
    copied = second.copy(source, offset)
    folder = second.finish()
    assert folder.file(REFERENCE).record(copied)[:2] == source.record(offset)[:2]
    np.testing.assert_array_equal(folder.read(REFERENCE, copied, element_named("uint3")[1], 77), codes)
    for wrong in (copied + 1, copied + 64, -64, 1 << 40):
        with pytest.raises(InvalidModelError):
            folder.file(REFERENCE).record(wrong)


def test_the_folder_goes_with_what_needs_it() -> None:
    writer = WeightFileWriter()
    writer.append(np.zeros(16, dtype=np.float32), element_named("float32")[1])
    unfinished = writer._folder
    del writer
    gc.collect()
    assert not unfinished.exists()
    writer = WeightFileWriter()
    writer.append(np.zeros(16, dtype=np.float32), element_named("float32")[1])
    folder: WeightFolder | None = writer.finish()
    assert folder is not None and folder.folder is not None
    path = folder.folder
    del writer
    gc.collect()
    assert path.is_dir()
    folder = None
    gc.collect()
    assert not path.exists()


def test_targets_and_sets_of_operations() -> None:
    assert {target_version(name) for name in ("iOS18", "macOS15", "watchOS11", "tvOS18")} == {9}
    assert all(opset_version(opset_name(version)) == version for version in range(6, 11))
    assert (release_name(7), release_name(99)) == ("iOS16", "specification version 99")
    assert opset_version("Other") == 0
    with pytest.raises(ArgumentError, match="Did you mean"):
        target_version("iOs17")
