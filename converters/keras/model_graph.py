"""The graph of calls of a model: that of a functional or sequential one, or a trace of a subclassed one."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.keras.interface import InputShapes
from mltoolkit.converters.keras.keras_module import keras_class
from mltoolkit.errors import ArgumentError, UnsupportedModelError


def graph_of_model(keras: Any, model: Any, input_shapes: InputShapes | None) -> Any:
    """A ``keras.Function``.

    Raises:
        ArgumentError: this is no Keras model; an unbuilt model without input_shapes.
        UnsupportedModelError: a subclassed model whose call cannot be traced.
    """
    if not isinstance(model, keras.layers.Layer):
        raise ArgumentError(f"{type(model).__name__} is not a Keras model or the path of one")
    kind = keras_class(model)
    if kind is not None and kind.__name__ == "Functional":
        return model
    if kind is not None and kind.__name__ == "Sequential":
        return _graph_of_sequential(model, input_shapes)
    return _graph_of_subclass(keras, model, input_shapes)


def _graph_of_sequential(model: Any, input_shapes: InputShapes | None) -> Any:
    if model._functional is None and isinstance(input_shapes, (list, tuple)):
        model.build(tuple(input_shapes))
    if model._functional is None:
        raise ArgumentError(
            f"the sequential model {model.name!r} does not know its input's shape yet",
            fix="Give input_shapes=(1, …), or start the model with keras.Input(shape)",
        )
    return model._functional


def _graph_of_subclass(keras: Any, model: Any, input_shapes: InputShapes | None) -> Any:
    """Run ``call`` on symbolic inputs."""
    shapes = input_shapes if input_shapes is not None else _built_shapes(model)
    if shapes is None:
        raise ArgumentError(
            f"{type(model).__name__} is a subclassed model, whose inputs are only known when it is called",
            fix="Give input_shapes: one shape with the batch, or a dictionary by names of the arguments of call",
        )
    if isinstance(shapes, dict):
        arguments = {name: _symbol(keras, shape, name) for name, shape in shapes.items()}
        symbols, args, kwargs = list(arguments.values()), (), arguments
    else:
        symbols = [_symbol(keras, shapes, "input")]
        args, kwargs = tuple(symbols), {}
    try:
        return keras.Function(symbols, model.call(*args, **kwargs))
    except Exception as error:  # a user's code, on values that it may not be made for
        raise UnsupportedModelError(
            f"{type(model).__name__} is a subclassed model, and its call cannot be followed "
            f"({type(error).__name__}: {error})",
            where=f"Keras model {model.name!r}",
            fix="Let call use keras.layers and keras.ops only, or build the model with the functional API",
        ) from error


def _symbol(keras: Any, shape: Any, name: str) -> Any:
    return keras.Input(batch_shape=tuple(shape), name=name)


def _built_shapes(model: Any) -> Any:
    """The shapes that a model was built for, as far as it remembers them."""
    config = model.get_build_config() or {}
    if "shapes_dict" in config:
        return {name.removesuffix("_shape"): shape for name, shape in config["shapes_dict"].items()}
    return config.get("input_shape")
