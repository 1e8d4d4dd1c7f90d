"""Registering custom layers."""

from __future__ import annotations

import pytest

from mltoolkit.custom_layers import CustomLayer, CustomLayerSet, register_custom_layer
from mltoolkit.errors import ArgumentError, MissingCustomLayerError


class Known(CustomLayer):
    class_name = "Known"


class Other(CustomLayer):
    class_name = "Known"


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mltoolkit.custom_layers.registry._registered", {})


def test_registered_layers_are_found() -> None:
    assert register_custom_layer(Known) is Known
    assert CustomLayerSet().find("Known", "layer 'x'") is Known


def test_given_layers_go_first() -> None:
    register_custom_layer(Known)
    assert CustomLayerSet([Other]).find("Known", "") is Other
    assert CustomLayerSet({"Known": Other}).find("Known", "") is Other


def test_another_class_of_the_same_name_is_refused() -> None:
    register_custom_layer(Known)
    register_custom_layer(Known)
    with pytest.raises(ArgumentError, match="already registered"):
        register_custom_layer(Other)


def test_missing_layers_name_the_close_match() -> None:
    register_custom_layer(Known)
    with pytest.raises(MissingCustomLayerError, match="Did you mean 'Known'"):
        CustomLayerSet().find("Knwon", "layer 'x'")


@pytest.mark.parametrize("wrong", [int, "Known", CustomLayer])
def test_what_is_no_layer_is_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError):
        register_custom_layer(wrong)  # type: ignore[type-var]
    with pytest.raises(ArgumentError):
        CustomLayerSet([wrong])  # type: ignore[list-item]


def test_unfinished_layers_say_so() -> None:
    with pytest.raises(NotImplementedError, match="Known must define evaluate"):
        Known({}, []).evaluate([])
