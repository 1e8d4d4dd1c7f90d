"""Quantization of a model's message: a new one in which nothing but the weights differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError, UnsupportedModelError
from mltoolkit.formats.networks import iter_models, iter_network_layers, network_of
from mltoolkit.formats.weight_fields import WeightField, layer_weights
from mltoolkit.formats.weights import Encoding, bits_per_weight, read_weight, stored_bytes
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import FLOAT16, Job, read_back, write
from mltoolkit.quantization.plan import Decision, keep, plan_layer
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.spec_copy import copy_without_weights, serialized_bytes
from mltoolkit.quantization.sqnr import sqnr_db

logger = logging.getLogger(__name__)

# Called after each layer that has weights: layers done, layers in all, the layer's name.
Progress = Callable[[int, int, str], None]

# The specification version that first allowed a way to store weights (Core ML of iOS 11.2 and 12).
_SPECIFICATION_VERSIONS = {Encoding.FLOAT16: 2, Encoding.LINEAR: 3, Encoding.LOOKUP_TABLE: 3}
_LARGEST_FLOAT16 = 65504.0
# The smallest float16 of full precision; below it bits are lost, and 6e-8 is the smallest of all.
_SMALLEST_NORMAL_FLOAT16 = 2.0**-14


def quantize_spec(
    spec: Any, config: QuantizationConfig, *, progress: Progress | None = None
) -> tuple[Any, QuantizationReport]:
    """Quantize a ``Model`` message; see :func:`mltoolkit.quantize_weights`.

    Args:
        spec: the message; not changed.
        config: what to do.
        progress: called after each layer.

    Returns:
        A new message and the report.

    Raises:
        QuantizationError, InvalidModelError, UnsupportedModelError: as for ``quantize_weights``.
    """
    networks = [(path, model) for path, model in iter_models(spec) if network_of(model) is not None]
    if not networks:
        raise UnsupportedModelError(
            f"a model of the kind {spec.WhichOneof('Type')} holds no neural network to quantize"
        )
    result = copy_without_weights(spec)
    copies = [model for _, model in iter_models(result) if network_of(model) is not None]
    layers = [
        (path, model, layer, copy)
        for (path, model), model_copy in zip(networks, copies, strict=True)
        for layer, copy in zip(
            iter_network_layers(network_of(model)), iter_network_layers(network_of(model_copy)), strict=True
        )
        if next(layer_weights(path, layer), None) is not None
    ]
    records: list[WeightRecord] = []
    for done, (path, model, layer, copy) in enumerate(layers, start=1):
        records += _quantize_layer(path, layer, copy, config, model.isUpdatable)
        logger.debug("layer %r of type %s: %d of %d", layer.name, layer.WhichOneof("layer"), done, len(layers))
        if progress is not None:
            progress(done, len(layers), layer.name)
    _raise_specification_versions(result, records, config)
    report = QuantizationReport(
        mode=config.mode.name,
        nbits=config.nbits or 32,
        records=tuple(records),
        model_bytes_before=serialized_bytes(spec),
        model_bytes_after=serialized_bytes(result),
    )
    if not report.changed:
        logger.warning("no weight was changed: %s", report.reasons_text)
    return result, report


def _quantize_layer(
    path: tuple[str, ...], layer: Any, copy: Any, config: QuantizationConfig, updatable_network: bool
) -> list[WeightRecord]:
    decisions = plan_layer(layer, layer_weights(path, layer), config, updatable_network=updatable_network)
    if config.mode is FLOAT16:
        reason = next(filter(None, map(_beyond_float16, decisions)), "")
        decisions = keep(decisions, reason) if reason else decisions
    targets = layer_weights(path, copy)
    return [_apply(decision, target.params, config) for decision, target in zip(decisions, targets, strict=True)]


def _beyond_float16(decision: Decision) -> str:
    """Why float16 cannot hold the values of a weight that is to become float16, or ""."""
    if decision.mode is None:
        return ""
    field = decision.field
    values = _values(field)
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if largest > _LARGEST_FLOAT16:
        return f"{field.name} reaches {largest:g}, beyond float16 (65504)"
    if field.role == "weight" and 0 < largest < _SMALLEST_NORMAL_FLOAT16:
        return f"{field.name} is nowhere above {largest:g}, too small for float16's precision"
    return ""


def _values(field: WeightField) -> NDArray[np.float32]:
    values = read_weight(field.params, field.shape, field.where, field.channel_axis)
    # NaN and infinity show in the extremes.
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise QuantizationError(
            f"{bad} of {values.size} values are NaN or infinite",
            where=field.where,
            fix="Leave the weight out with selector=, or repair the model",
        )
    return values


def _apply(decision: Decision, target: Any, config: QuantizationConfig) -> WeightRecord:
    """Fill the copy's empty ``WeightParams`` message."""
    field = decision.field
    sqnr = None
    if decision.mode is None:
        target.CopyFrom(field.params)
    else:
        job = Job(
            values=_values(field),
            nbits=config.nbits or 32,
            channel_axis=field.channel_axis,
            per_channel=config.per_channel and field.per_channel,
            lut_function=config.lut_function,
            where=field.where,
        )
        stored = decision.mode.quantize(job)
        write(target, stored)
        sqnr = sqnr_db(job.values, read_back(stored, job))
    return WeightRecord(
        stage="/".join(field.path),
        layer=field.layer,
        layer_type=field.layer_type,
        weight=field.name,
        shape=field.shape,
        mode=decision.mode.name if decision.mode else "",
        bits_before=bits_per_weight(field.params),
        bits_after=bits_per_weight(target),
        bytes_before=stored_bytes(field.params),
        bytes_after=stored_bytes(target),
        sqnr_db=sqnr,
        reason=decision.reason,
    )


def _raise_specification_versions(result: Any, records: list[WeightRecord], config: QuantizationConfig) -> None:
    """Raise the version of each network that changed, and of the pipelines around it."""
    version = _SPECIFICATION_VERSIONS.get(config.mode.encoding, 0)
    changed = {record.stage for record in records if record.mode}
    for path, model in iter_models(result):
        stage = "/".join(path)
        if any(not stage or name == stage or name.startswith(stage + "/") for name in changed):
            model.specificationVersion = max(model.specificationVersion, version)
