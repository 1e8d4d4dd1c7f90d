"""Keras files: new, old, with code, damaged."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_check import FLOAT32, example_inputs, randomize, run_hub, run_keras, sqnr

from mltoolkit.converters.keras import import_keras
from mltoolkit.converters.keras.code_in_files import refuse_code
from mltoolkit.converters.keras.legacy_config import repair
from mltoolkit.errors import MLToolkitError, ModelFileError, UnsupportedModelError


def network() -> keras.Model:
    x = keras.Input((8, 8, 3), name="image")
    y = layers.BatchNormalization(name="norm")(layers.DepthwiseConv2D(3, name="depthwise")(x))
    model = keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))
    randomize(model, np.random.default_rng(0))
    return model


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_files_agree_with_the_model(tmp_path, suffix):
    model = network()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    arrays = example_inputs(model, np.random.default_rng(1))
    assert sqnr(run_keras(model, arrays)[0], run_hub(import_keras(path), arrays)[0]) >= FLOAT32


def edited(path, edit):
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        edit(config)
        file.attrs["model_config"] = json.dumps(config)


def test_configurations_of_older_releases(tmp_path):
    model = network()
    path = tmp_path / "old.h5"
    model.save(path)

    def age(config):
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "BatchNormalization":
                layer["config"]["axis"] = [3]
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1

    edited(path, age)
    before = path.read_bytes()
    arrays = example_inputs(model, np.random.default_rng(1))
    assert sqnr(run_keras(model, arrays)[0], run_hub(import_keras(path), arrays)[0]) >= FLOAT32
    assert path.read_bytes() == before


def test_repair_changes_only_what_is_old():
    assert not repair({"class_name": "Conv2D", "config": {"groups": 1, "axis": [1]}})
    config = {"class_name": "LSTM", "config": {"time_major": False, "implementation": 2, "units": 3}}
    assert repair([config])
    assert config["config"] == {"units": 3}
    assert not repair({"class_name": "DepthwiseConv2D", "config": {"groups": 2}})


class Doubled(keras.layers.Layer):
    def call(self, x):
        return ops.multiply(x, 2.0)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_custom_objects(tmp_path, suffix):
    x = keras.Input((3,))
    path = tmp_path / f"custom{suffix}"
    keras.Model(x, Doubled()(x)).save(path)
    # A class that is not registered and not importable by its module's name.
    if suffix == ".h5":
        with pytest.raises(UnsupportedModelError, match=r"custom_objects=\{'Doubled': Doubled\}"):
            import_keras(path)
    source = import_keras(path, custom_objects={"Doubled": Doubled})
    assert run_hub(source, [np.ones((1, 3), np.float32)])[0].tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_with_code_are_refused(tmp_path, suffix):
    x = keras.Input((3,))
    path = tmp_path / f"lambda{suffix}"
    keras.Model(x, layers.Lambda(lambda y: y * 2)(x)).save(path)
    with pytest.raises(UnsupportedModelError, match="contains Python code") as caught:
        import_keras(path)
    assert "safe_mode=False" in str(caught.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_files(tmp_path, suffix, share):
    path = tmp_path / f"model{suffix}"
    network().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelFileError):
        import_keras(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files_give_our_errors_only(tmp_path, suffix):
    good = tmp_path / f"good{suffix}"
    network().save(good)
    data = bytearray(good.read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / f"bad{suffix}"
    for _ in range(25):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 8):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(MLToolkitError):
            import_keras(path)


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(ModelFileError, match="there is no file"):
        import_keras(tmp_path / "missing.keras")
    (tmp_path / "text.keras").write_text("not an archive")
    with pytest.raises(ModelFileError, match=r"not a \.keras archive"):
        import_keras(tmp_path / "text.keras")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(ModelFileError, match="not HDF5"):
        import_keras(tmp_path / "text.h5")
    (tmp_path / "model.pb").write_text("")
    with pytest.raises(ModelFileError, match="no format of Keras models"):
        import_keras(tmp_path / "model.pb")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ModelFileError, match="cannot read the file"):
        import_keras(tmp_path / "other.keras")
    network().save_weights(tmp_path / "some.weights.h5")
    with pytest.raises(ModelFileError, match=r"holds no Keras model|only holds weights"):
        import_keras(tmp_path / "some.weights.h5")


@pytest.mark.parametrize("name", ["fer2013_mini_XCEPTION.119-0.65.hdf5", "gender_mini_XCEPTION.21-0.95.hdf5"])
def test_published_files_of_keras_2(shared_data, name):
    path = shared_data / "keras" / name
    model = keras.models.load_model(path, compile=False)
    arrays = [np.random.default_rng(0).uniform(-1, 1, (1, *model.input_shape[1:])).astype(np.float32)]
    assert sqnr(run_keras(model, arrays)[0], run_hub(import_keras(path), arrays)[0]) >= FLOAT32


def test_a_function_that_changed_between_releases_is_named(tmp_path, caplog):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2, activation="hard_sigmoid")(x))
    path = tmp_path / "old.h5"
    model.save(path)
    import_keras(path)
    assert "relu6" not in caplog.text
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.2.4"
    import_keras(path)
    assert "relu6(x + 3) / 6" in caplog.text


@pytest.mark.parametrize(
    "layer",
    [
        # Keras 2, older Keras 3 and the newest; safe_mode of older releases let the first two through in HDF5 files.
        {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}},
        {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}},
        {"class_name": "Activation", "config": {"activation": {"class_name": "__lambda__", "config": {}}}},
    ],
)
def test_code_is_found_before_keras_sees_the_file(layer, tmp_path):
    with pytest.raises(UnsupportedModelError, match="contains Python code"):
        refuse_code({"config": {"layers": [{"class_name": "Dense", "config": {}}, layer]}}, tmp_path / "model.h5")


def test_a_lambda_of_a_named_function_is_no_code(tmp_path):
    layer = {"class_name": "Lambda", "config": {"function": "tanh", "function_type": "function"}}
    refuse_code([layer], tmp_path / "model.h5")


def test_shipped_layers_are_known_in_a_new_process(tmp_path):
    from mltoolkit.custom_layers.swish.keras_layer import Swish

    model = keras.Sequential([keras.Input((4,)), Swish(name="swish")])
    paths = [tmp_path / "model.keras", tmp_path / "model.h5"]
    for path in paths:
        model.save(path)
    code = (
        "import sys\n"
        "from mltoolkit.converters.hooks import HookSet\n"
        "from mltoolkit.converters.keras import import_keras\n"
        "for path in sys.argv[1:]:\n"
        "    print([layer.name for layer in import_keras(path, hooks=HookSet({})).layers])\n"
    )
    found = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("swish") >= 2, found.stdout
