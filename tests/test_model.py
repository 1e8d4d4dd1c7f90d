"""The Model: loading from every source, predicting, batches, saving, pickling, pipelines."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.custom_layers.kraken import Dropout
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError, InputError, InvalidModelError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model

SEVEN = sorted((digit_images_path() / "7").glob("*.png"))[0]


def digits() -> mlt.Model:
    return mlt.load(digit_model_path())


def pipeline_classifier() -> Any:
    """A network that passes the picture on, then the digit classifier."""
    classifier = digits().spec
    first = new_model()
    first.specificationVersion = 1
    first.description.input.add().CopyFrom(classifier.description.input[0])
    first.description.input[0].name = "photo"
    first.description.output.add().CopyFrom(classifier.description.input[0])
    layer = first.neuralNetwork.layers.add(name="same", input=["photo"], output=["image"])
    layer.activation.linear.alpha = 1
    spec = new_model()
    spec.specificationVersion = 1
    spec.description.CopyFrom(classifier.description)
    spec.description.input[0].name = "photo"
    pipeline = spec.pipelineClassifier.pipeline
    pipeline.models.add().CopyFrom(first)
    pipeline.models.add().CopyFrom(classifier)
    pipeline.names.extend(["prepare", "classify"])
    return spec


def test_every_source_gives_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "digits.mlmodel"
    digits().save(path)

    class LikeCoremltools:
        def get_spec(self) -> Any:
            return digits().spec

    for source in (path, str(path), digits().spec, LikeCoremltools(), digits()):
        assert mlt.load(source).predict({"image": SEVEN})["classLabel"] == "7"


@pytest.mark.parametrize("wrong", [None, 3, [], b"bytes"])
def test_other_sources_are_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError):
        mlt.load(wrong)


def test_lists_are_batches_in_order() -> None:
    pictures = sorted(digit_images_path().glob("*/*.png"))[::25]
    model = digits()
    batch = model.predict([{"image": picture} for picture in pictures])
    assert batch == [model.predict({"image": picture}) for picture in pictures]
    assert model.predict([]) == []
    assert model.predict([{"image": SEVEN}])[0]["classLabel"] == "7"


def test_raw_outputs_are_arrays_by_class_index() -> None:
    model = digits()
    raw = model.predict_raw({"image": SEVEN})["labelProbabilities"]
    assert model.class_labels is not None
    assert model.class_labels[int(raw.argmax())] == "7"
    assert model.predict({"image": SEVEN})["labelProbabilities"] == pytest.approx(
        dict(zip(model.class_labels, raw.tolist(), strict=True))
    )


def test_taps_give_activations() -> None:
    model = digits()
    layer = next(item for item in model.graph().layers if item.type == "convolution")
    (blob,) = layer.outputs
    tapped = model.predict_raw({"image": SEVEN}, taps=[blob.value])[blob.value]
    assert tapped.shape == blob.shape


@pytest.mark.parametrize("threads", [1, 2, 0, None])
def test_threads_do_not_change_the_answer(threads: int | None) -> None:
    raw = digits().predict_raw({"image": SEVEN}, threads=threads)["labelProbabilities"]
    # Other orders of float32 additions.
    np.testing.assert_allclose(raw, digits().predict_raw({"image": SEVEN})["labelProbabilities"], atol=1e-6)


@pytest.mark.parametrize("threads", [-1, 1.5, True, "2"])
def test_wrong_threads_are_refused(threads: Any) -> None:
    with pytest.raises(ArgumentError, match="threads"):
        digits().predict({"image": SEVEN}, threads=threads)


def test_wrong_inputs_are_named() -> None:
    with pytest.raises(InputError, match="Did you mean 'image'"):
        digits().predict({"imge": SEVEN})
    with pytest.raises(InputError, match="dictionary"):
        digits().predict("seven.png")  # type: ignore[call-overload]
    with pytest.raises(ArgumentError, match="Did you mean 'image'"):
        digits().prepare_image("imge", SEVEN)
    with pytest.raises(ArgumentError, match="no input 'x'"):
        digits().graph({"x": (1,)})


def test_saved_models_are_the_same_bytes(tmp_path: Path) -> None:
    model = digits()
    model.save(tmp_path / "a.mlmodel")
    mlt.load(tmp_path / "a.mlmodel").save(tmp_path / "b.mlmodel")
    assert (tmp_path / "a.mlmodel").read_bytes() == (tmp_path / "b.mlmodel").read_bytes()


def test_quantized_models_survive_saving_and_pickling(tmp_path: Path) -> None:
    small = mlt.quantize_weights(digits(), 4, "kmeans")
    small.save(tmp_path / "small.mlmodel")
    copies = [mlt.load(tmp_path / "small.mlmodel"), pickle.loads(pickle.dumps(small))]
    expected = small.predict_raw({"image": SEVEN})["labelProbabilities"]
    for copy in copies:
        np.testing.assert_array_equal(copy.predict_raw({"image": SEVEN})["labelProbabilities"], expected)
    assert copies[1].quantization_report == small.quantization_report


def test_registered_custom_layers_are_pickled_along(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = new_model()
    spec.specificationVersion = 2
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        array = features.add(name=name).type.multiArrayType
        array.shape.append(3)
        array.dataType = 65568
    layer = spec.neuralNetwork.layers.add(name="drop", input=["x"], output=["y"])
    layer.custom.className = "dropout"
    monkeypatch.setattr("mltoolkit.custom_layers.registry._registered", {"dropout": Dropout})
    pickled = pickle.dumps(mlt.Model.from_spec(spec))
    monkeypatch.setattr("mltoolkit.custom_layers.registry._registered", {})
    assert pickle.loads(pickled).predict({"x": [1, 2, 3]})["y"].tolist() == [1, 2, 3]


def test_pipelines_run_stage_by_stage() -> None:
    model = mlt.Model.from_spec(pipeline_classifier())
    assert model.class_labels == digits().class_labels
    outputs = model.predict({"photo": SEVEN})
    assert outputs == digits().predict({"image": SEVEN})
    raw = model.predict_raw({"photo": SEVEN})["labelProbabilities"]
    np.testing.assert_array_equal(raw, digits().predict_raw({"image": SEVEN})["labelProbabilities"])
    assert list(model.stages) == ["prepare", "classify"]


def test_pipelines_are_quantized_and_compared() -> None:
    model = mlt.Model.from_spec(pipeline_classifier())
    small = mlt.quantize_weights(model, 8, "kmeans")
    assert small.spec.ByteSize() < 0.5 * model.spec.ByteSize()
    report = mlt.compare_models(model, small, [{"photo": SEVEN}], progress=False)
    assert report.top1_agreement == 1


def test_pipeline_errors_name_the_stage() -> None:
    spec = pipeline_classifier()
    spec.pipelineClassifier.pipeline.models[0].neuralNetwork.layers[0].input[0] = "phto"
    with pytest.raises(InvalidModelError, match=r"'phto'.*stage 'prepare'"):
        mlt.Model.from_spec(spec).predict({"photo": SEVEN})
    with pytest.raises(InputError, match="no value is given for 'photo'"):
        mlt.Model.from_spec(pipeline_classifier()).predict({})
    with pytest.raises(UnsupportedModelError, match=r"model\.stages"):
        mlt.Model.from_spec(pipeline_classifier()).graph()


def test_repr_names_inputs_and_outputs() -> None:
    assert repr(digits()) == "<mltoolkit.Model digits.mlmodel: image → labelProbabilities, classLabel>"
