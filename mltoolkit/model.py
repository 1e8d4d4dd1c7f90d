"""A Core ML model in memory: load it, look at it, run it, save it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mltoolkit.custom_layers import CustomLayer, CustomLayerSet, layers_given
from mltoolkit.errors import ArgumentError, ModelFileError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.features import ImageFeature
from mltoolkit.formats.ml_program import weight_references
from mltoolkit.formats.model_file import path_of, to_spec, weights_folder
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.networks import custom_class_names, iter_models, pipeline_stages
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.model_description import ModelDescription
from mltoolkit.runtime.cores import available_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mltoolkit.conversion.report import ConversionReport
    from mltoolkit.graph.model_graph import ModelGraph
    from mltoolkit.quantization.report import QuantizationReport
    from mltoolkit.runtime.images import Crop, PreparedImage
    from mltoolkit.runtime.predictor import Prediction, Predictor
    from mltoolkit.runtime.state import ModelState

CustomLayers = Iterable[type[CustomLayer]] | Mapping[str, type[CustomLayer]]


def load(source: Any, *, custom_layers: CustomLayers = (), function_name: str = "") -> Model:
    """Load a Core ML model.

    Args:
        source: path of a .mlmodel file or .mlpackage folder, a coremltools ``MLModel``, a ``Model`` protobuf message,
            or a :class:`Model`, which is returned as it is unless another function of it is wanted.
        custom_layers: Python classes of the model's custom layers; those registered with
            ``register_custom_layer`` need not be given.
        function_name: which function of an ML Program that has several; by default the one that the model (or the
            ``MLModel``) names.

    Returns:
        The model. It is prepared for running at its first prediction.

    Raises:
        ModelFileError: the file is missing, damaged or no model.
        InvalidModelError: the model contradicts itself.
        ArgumentError: ``source`` is none of these, or the model has no such function.

    >>> from mltoolkit.digits import digit_model_path
    >>> load(digit_model_path()).kind
    'neuralNetworkClassifier'
    """
    if isinstance(source, Model):
        if function_name in ("", source.function_name):
            return source
        functions = source.functions
        if function_name not in functions:
            raise ArgumentError(
                f"the model has no function {function_name!r}", fix=did_you_mean(function_name, functions)
            )
        return functions[function_name]
    name = Path(source).name if isinstance(source, (str, os.PathLike)) else ""
    model = Model(
        to_spec(source),
        name=name,
        custom_layers=custom_layers,
        weights_dir=weights_folder(source),
        function_name=function_name or getattr(source, "function_name", None) or "",
    )
    if function_name and not model.function_names:
        raise ArgumentError(
            f"the model has no function {function_name!r}: only ML Programs have functions", fix="Leave the name out"
        )
    return model


class Model(ModelDescription):
    """A Core ML model. Make one with :func:`load` or :meth:`from_spec`.

    What it is made of is described by :class:`~mltoolkit.model_description.ModelDescription`. Weight files are
    mapped when the model is made: their folder, which coremltools keeps in a temporary place, may go away later.

    Attributes:
        name: the file's name, or "".
        quantization_report: what quantization did to each weight, for a model that it made.
        conversion_report: what conversion did and how well it agrees, for a model that it made.
    """

    def __init__(
        self,
        spec: Any,
        *,
        name: str = "",
        custom_layers: CustomLayers = (),
        weights_dir: Path | WeightFolder | None = None,
        function_name: str = "",
    ) -> None:
        super().__init__(spec, name, weights_dir, function_name)
        self._given_layers = layers_given(custom_layers)
        self._custom_layers = CustomLayerSet(self._given_layers)
        self._predictor: Predictor | None = None
        self._lock = threading.Lock()
        self.quantization_report: QuantizationReport | None = None
        self.conversion_report: ConversionReport | None = None

    @classmethod
    def from_spec(
        cls,
        spec: Any,
        *,
        name: str = "",
        custom_layers: CustomLayers = (),
        weights_dir: str | os.PathLike[str] | None = None,
    ) -> Model:
        """A model around a ``Model`` protobuf message, which it keeps (and does not change).

        Args:
            spec: the message.
            name: what :attr:`name` says.
            custom_layers: as for :func:`load`.
            weights_dir: the folder of an ML Program's weight files.

        Raises:
            ArgumentError: it is no such message.
            InvalidModelError: the message contradicts itself.
        """
        if isinstance(spec, (str, os.PathLike)):
            raise ArgumentError(f"{spec!r} is no protobuf message", fix="Give the path to load()")
        spec = to_spec(spec)
        folder = path_of(weights_dir) if weights_dir is not None else None
        return cls(spec, name=name, custom_layers=custom_layers, weights_dir=folder)

    @property
    def custom_layers(self) -> CustomLayers:
        """The Python classes given for this model's custom layers, besides the registered ones."""
        return self._given_layers

    @property
    def stages(self) -> dict[str, Model]:
        """The models of a pipeline by name; empty for other kinds."""
        return {
            name: Model(spec, name=name, custom_layers=self._given_layers, weights_dir=self._weights)
            for name, spec in pipeline_stages(self._spec).items()
        }

    @property
    def functions(self) -> dict[str, Model]:
        """The functions of an ML Program by name, each as a model that runs it; empty for other kinds."""
        return {
            function: Model(self._spec, name=self.name, weights_dir=self._weights, function_name=function)
            for function in self.function_names
        }

    @property
    def predictor(self) -> Predictor:
        """What runs the model; made when first needed.

        Raises:
            UnsupportedModelError: models of this kind cannot be run.
        """
        from mltoolkit.runtime.predictor import make_predictor

        with self._lock:
            if self._predictor is None:
                self._predictor = make_predictor(
                    self._spec, self._interface, self._custom_layers, self._weights, self._function
                )
            return self._predictor

    def graph(self, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> ModelGraph:
        """The network or program as an ONNX graph.

        Args:
            input_shapes: shapes of array inputs, and (height, width) of image inputs, other than the described ones.

        Raises:
            UnsupportedModelError: the model is neither neural network nor ML Program, or has a layer that
                cannot be converted.
        """
        from mltoolkit.runtime.ml_program import MLProgramPredictor
        from mltoolkit.runtime.network import NetworkPredictor

        predictor = self.predictor
        if not isinstance(predictor, (NetworkPredictor, MLProgramPredictor)):
            raise UnsupportedModelError(
                f"a model of kind {self.kind} is not one graph", fix="Take the graph of one of model.stages"
            )
        if input_shapes is not None and not isinstance(input_shapes, Mapping):
            raise ArgumentError(f"input_shapes is {input_shapes!r}", fix="Give {'input': (1, 3, 224, 224)}, say")
        shapes = dict(input_shapes or {})
        names = [feature.name for feature in self.inputs]
        for name in shapes:
            if name not in names:
                raise ArgumentError(f"the model has no input {name!r}", fix=did_you_mean(name, names))
        return predictor.graph(tuple((name, tuple(shapes[name])) for name in names if name in shapes))

    def make_state(self) -> ModelState:
        """New contents for what the model keeps from one prediction to the next, all zeros.

        Raises:
            ArgumentError: the model keeps nothing.
        """
        from mltoolkit.runtime.ml_program import MLProgramPredictor

        predictor = self.predictor
        if not isinstance(predictor, MLProgramPredictor) or not self._interface.states:
            raise ArgumentError("the model has no states", fix="Call predict() without a state")
        return predictor.make_state()

    @overload
    def predict(
        self, data: Mapping[str, Any], *, threads: int | None = None, state: ModelState | None = None
    ) -> dict[str, Any]: ...

    @overload
    def predict(
        self,
        data: Sequence[Mapping[str, Any]],
        *,
        threads: int | None = None,
        state: ModelState | None = None,
    ) -> list[dict[str, Any]]: ...

    def predict(
        self,
        data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        threads: int | None = None,
        state: ModelState | None = None,
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Run the model.

        Args:
            data: input name → value, or a list of such dictionaries. A picture is a path, a PIL image or an array
                (uint8, or floats from 0 to 255; (height, width) or (height, width, 3) in RGB order); it is resized to
                the size the model takes. An array has the described shape.
            threads: threads for one operation; all cores by default. The dictionaries of a list run side by side.
            state: for a model with states, what :meth:`make_state` made; the prediction changes it. The
                dictionaries of a list run one after the other then.

        Returns:
            Output name → value, as coremltools gives them on a Mac: the label, the dictionary label → probability,
            PIL images (colours in mode RGBA, gray in L, float16 in F), NumPy arrays of the described type (float16
            ones too, which coremltools widens to float32). A list of dictionaries for a list.

        Raises:
            InputError: an input is missing, misspelt or of the wrong form.
            MissingCustomLayerError: a custom layer has no Python class.
            UnsupportedModelError: the model cannot be run here.
            PredictionError: it failed while it ran.
        """
        if isinstance(data, (list, tuple)):
            if len(data) < 2 or state is not None:
                return [self._run(item, threads, state=state).present() for item in data]
            with ThreadPoolExecutor(min(available_cores(), len(data))) as pool:
                return list(pool.map(lambda item: self._run(item, threads or 1).present(), data))
        return self._run(data, threads, state=state).present()  # type: ignore[arg-type]  # checked where inputs are bound

    def predict_raw(
        self,
        data: Mapping[str, Any],
        *,
        threads: int | None = None,
        taps: Sequence[str] = (),
        state: ModelState | None = None,
    ) -> dict[str, NDArray[np.generic]]:
        """Run the model and return arrays before they become labels, dictionaries and pictures.

        Args:
            data: as for :meth:`predict`.
            threads: as for :meth:`predict`.
            taps: names of values of :meth:`graph` to return as well, such as activations inside the network.
            state: as for :meth:`predict`.

        Returns:
            Name → array: a classifier's probabilities (classes,) by class index, images as float32 (C, H, W).
        """
        if isinstance(taps, str) or not isinstance(taps, Sequence):
            raise ArgumentError(f"taps is {taps!r}", fix="Give a list of names")
        return self._run(data, threads, taps, state).raw

    def _run(
        self,
        data: Mapping[str, Any],
        threads: int | None,
        taps: Sequence[str] = (),
        state: ModelState | None = None,
    ) -> Prediction:
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 0):
            raise ArgumentError(f"threads is a whole number from 0 (all cores), not {threads!r}")
        predictor, options = self.predictor, {}
        if self._interface.states:
            options["state"] = state
        elif state is not None:
            raise ArgumentError("the model has no states", fix="Call predict() without a state")
        try:
            return predictor.run(data, threads=threads or 0, taps=taps, **options)
        except MemoryError as error:
            raise UnsupportedModelError("the model needs more memory than there is", where=self.name or None) from error

    def prepare_image(self, feature: ImageFeature | str, image: Any, crop: Crop = "whole") -> PreparedImage:
        """A picture as :meth:`predict` needs it, to give it to several models without decoding it again.

        Args:
            feature: the image input, or its name.
            image: as for :meth:`predict`.
            crop: ``whole`` resizes the whole picture, ``center`` first cuts it to the input's aspect ratio.

        Raises:
            InputError: it is no picture.
            ArgumentError: the model has no such image input.
        """
        from mltoolkit.runtime.images import prepare_image

        if not isinstance(feature, ImageFeature):
            images = {item.name: item for item in self.inputs if isinstance(item, ImageFeature)}
            if not isinstance(feature, str) or feature not in images:
                raise ArgumentError(f"the model has no image input {feature!r}", fix=did_you_mean(str(feature), images))
            feature = images[feature]
        return prepare_image(feature, image, crop)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a .mlmodel file or, with the weights of its ML Programs, to a .mlpackage folder.

        What is there already is replaced only once the new file or package is complete. That may be the package
        that the model was loaded from.

        Raises:
            ArgumentError: the suffix is not one that the model can have: ML Programs are packages, other models
                are files or packages.
            InvalidModelError: an ML Program was loaded without weights that it reads.
            ModelFileError: it cannot be written, or what is there is no model.
        """
        write_spec(self._spec, path, weights=self._weights)

    def __reduce__(self) -> tuple[Any, ...]:
        folder = self._weights.folder
        if (
            folder is not None
            and not folder.is_dir()
            and any(weight_references(spec) for _, spec in iter_models(self._spec))
        ):
            raise ModelFileError(
                "the weights of the model are where another process cannot find them: their folder is gone",
                where=str(folder),
                fix="Save the model, and load what was saved",
            )
        # Registered layers go along: another process may not have registered them.
        return _unpickle, (
            self._spec.SerializeToString(),
            self.name,
            self._custom_layers.known(custom_class_names(self._spec)),
            (self.quantization_report, self.conversion_report),
            folder,
            self._function,
        )


def _unpickle(
    data: bytes,
    name: str,
    custom_layers: CustomLayers,
    reports: tuple[Any, Any],
    weights_dir: Path | None,
    function_name: str,
) -> Model:
    spec = new_model()
    spec.ParseFromString(data)
    model = Model(spec, name=name, custom_layers=custom_layers, weights_dir=weights_dir, function_name=function_name)
    model.quantization_report, model.conversion_report = reports
    return model
