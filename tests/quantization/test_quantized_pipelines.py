"""Pipelines whose stages are neural networks and ML Programs, quantized in one go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from program_zoo import SIZE, chain

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float32
from mltoolkit.quantization.rewriting import open_rewriter


def mixing_network() -> Any:
    """A neural network that multiplies the last axis by a matrix."""
    spec = new_model()
    spec.specificationVersion = 4
    spec.neuralNetwork.arrayInputShapeMapping = 1
    for features, name in ((spec.description.input, "given"), (spec.description.output, "x")):
        feature = features.add(name=name)
        feature.type.multiArrayType.dataType = 65568
        feature.type.multiArrayType.shape.extend(SIZE)
    layer = spec.neuralNetwork.layers.add(name="mix", input=["given"], output=["x"])
    layer.batchedMatmul.weightMatrixFirstDimension = layer.batchedMatmul.weightMatrixSecondDimension = 12
    write_float32(layer.batchedMatmul.weights, np.random.default_rng(5).normal(size=(12, 12)))
    return spec


def pipeline() -> mlt.Model:
    """The network, and a program behind it."""
    program = chain()
    spec = new_model()
    spec.specificationVersion = 7
    spec.pipeline.names.extend(["network", "program"])
    spec.pipeline.models.add().CopyFrom(mixing_network())
    spec.pipeline.models.add().CopyFrom(program.spec)
    spec.description.input.add().CopyFrom(spec.pipeline.models[0].description.input[0])
    spec.description.output.add().CopyFrom(spec.pipeline.models[1].description.output[0])
    return mlt.Model(spec, weights_dir=program.weights)


def given() -> dict[str, np.ndarray]:
    return {"given": np.random.default_rng(0).normal(0, 0.02, SIZE).astype(np.float32)}


@pytest.mark.parametrize(
    "options",
    [{"nbits": 8}, {"nbits": 4, "quantization_mode": "kmeans"}, {"nbits": 4, "minimum_deployment_target": "iOS18"}],
    ids=str,
)
def test_every_stage_is_quantized_and_the_whole_runs(options: dict[str, Any], tmp_path: Any) -> None:
    source = pipeline()
    small = mlt.quantize_weights(source, **options)
    report = small.quantization_report
    assert report is not None
    assert {record.stage for record in report.changed} == {"network", "program"}
    assert {record.bits_after for record in report.changed} == {options["nbits"]}
    version = 9 if "minimum_deployment_target" in options else 7
    assert small.spec.specificationVersion == version
    assert [model.specificationVersion for model in small.spec.pipeline.models] == [4, version]
    small.save(tmp_path / "small.mlpackage")
    loaded = mlt.load(tmp_path / "small.mlpackage")
    np.testing.assert_array_equal(loaded.predict(given())["y"], small.predict(given())["y"])
    stages = small.stages
    middle = stages["network"].predict(given())
    np.testing.assert_array_equal(stages["program"].predict(middle)["y"], small.predict(given())["y"])


def test_a_stage_is_skipped_by_its_name_and_stays() -> None:
    source = pipeline()
    settings = {"defaults": {"nbits": 8}, "layers": {"program/*": {"skip": True}}}
    small = mlt.quantize_weights(source, None, settings=settings)
    report = small.quantization_report
    assert report is not None and {record.stage for record in report.changed} == {"network"}
    assert small.spec.pipeline.models[1] == source.spec.pipeline.models[1]
    assert small.weights is source.weights
    again = mlt.quantize_weights(source, None, settings=mlt.quantization_settings(small))
    assert again.spec == small.spec


def test_a_raised_stage_raises_the_pipeline() -> None:
    settings = {"defaults": {"skip": True}, "minimum_deployment_target": "iOS18"}
    raised = mlt.quantize_weights(pipeline(), None, settings=settings)
    assert [raised.spec.specificationVersion, *(m.specificationVersion for m in raised.spec.pipeline.models)] == [
        9,
        4,
        9,
    ]
    np.testing.assert_array_equal(raised.predict(given())["y"], pipeline().predict(given())["y"])


def test_bits_that_only_one_kind_of_stage_has() -> None:
    with pytest.raises(ArgumentError, match=r"stage 'program'.*nbits=4 or nbits=6"):
        mlt.quantize_weights(pipeline(), 5, "kmeans")
    settings = {"layers": {"program/*": {"nbits": 6}}}
    small = mlt.quantize_weights(pipeline(), 5, "kmeans", settings=settings)
    bits = {record.stage: record.bits_after for record in small.quantization_report.changed}  # type: ignore[union-attr]
    assert bits == {"network": 5, "program": 6}


def test_slots_of_all_stages_are_numbered_through() -> None:
    slots = open_rewriter(pipeline()).slots
    assert [slot.index for slot in slots] == list(range(len(slots)))
    layers = [slot.layer_index for slot in slots]
    assert layers == sorted(layers) and set(layers) == set(range(layers[-1] + 1))
    assert [slot.in_program for slot in slots] == sorted(slot.in_program for slot in slots)
