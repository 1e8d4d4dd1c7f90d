"""The installed Keras, imported when a model is first converted."""

from __future__ import annotations

from typing import Any

from mltoolkit.custom_layers.keras_module import load_keras as load_keras_for


def load_keras() -> Any:
    """The module ``keras``.

    Raises:
        MissingExtraError: Keras, or the backend it is set to, is not installed.
    """
    return load_keras_for("Converting a Keras model")


def is_own_class(kind: type) -> bool:
    """Whether a class is one of Keras' own, not one that a user derived from it."""
    return kind.__module__ == "keras" or kind.__module__.startswith(("keras.src.", "keras."))


# What a derived class may set without changing what the layer computes.
_HARMLESS = frozenset(
    (
        *("__annotations__", "__doc__", "__firstlineno__", "__init__", "__module__", "__qualname__"),
        *("__static_attributes__", "from_config", "get_config", "get_build_config", "build_from_config"),
        *("compute_output_shape", "compute_output_spec", "compile", "fit", "metrics"),
        *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"),
    )
)


def keras_class(instance: Any) -> type | None:
    """The class of Keras' own whose computation an instance does; None where a user's class does another one.

    A derived class that only adds a constructor or a configuration computes what its base does.
    """
    for kind in type(instance).__mro__:
        if is_own_class(kind):
            return kind
        if set(vars(kind)) - _HARMLESS:
            return None
    return None
