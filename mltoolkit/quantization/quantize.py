"""Quantization from model to model."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mltoolkit.formats.deployment import target_version
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import LutFunction
from mltoolkit.quantization.quantize_spec import Progress, check_progress, make_report, rewrite_weights
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.selectors import LayerSelector, Predicate
from mltoolkit.quantization.settings import QuantizationSettings
from mltoolkit.quantization.settings_record import record_settings, settings_of

if TYPE_CHECKING:
    from mltoolkit.model import Model

SettingsLike = QuantizationSettings | Mapping[str, Any] | str | os.PathLike[str]

_log = logging.getLogger(__name__)


def quantize_weights(
    full_precision_model: Any,
    nbits: int | None,
    quantization_mode: str = "linear",
    sample_data: Any = None,
    *,
    lut_function: LutFunction | None = None,
    selector: Predicate | LayerSelector | None = None,
    per_channel: bool = True,
    include_biases: bool = False,
    include_normalization: bool = False,
    only_if_smaller: bool = True,
    granularity: str | None = None,
    block_size: int | Sequence[int] = 32,
    group_size: int = 32,
    channel_axis: int | None = None,
    cluster_dim: int = 1,
    per_channel_scale: bool = False,
    signed: bool = True,
    settings: SettingsLike | None = None,
    minimum_deployment_target: str | None = None,
    progress: Progress | None = None,
) -> Model:
    """A model with the same inputs, outputs and layers whose weights take fewer bits.

    The weights may be stored as float32, float16 or in fewer bits already; fewer bits are then made from
    the values that those stand for. Every layer that carries weights is covered, inside pipelines, branches
    and loops; the report tells what was done to each weight, and why one was left alone:

    - biases and normalisation statistics, unless they are included;
    - what Core ML itself refuses: codes in 3-D convolutions and layer normalisation, layers it trains on
      the device, and the weights of custom layers, whose code reads the bytes itself;
    - weights already stored that way, and small ones that would take more bytes with their scales or table.

    With 16 bits, the biases of a layer follow its weights (Core ML refuses a layer that mixes float32 and
    float16), and a layer whose values float16 cannot hold stays float32.

    Args:
        full_precision_model: a :class:`mltoolkit.Model`, a path, a coremltools ``MLModel`` or a ``Model``
            message. It is not changed.
        nbits: 1 to 8 bits a weight, or 16 for float16; None where the mode or the settings say it.
        quantization_mode: ``linear`` (scale and bias from the range of the values), ``linear_symmetric``
            (range symmetric about 0; 2 to 8 bits), ``kmeans`` or ``kmeans_lut`` (the table of least squared
            error), ``linear_lut`` or ``uniform`` (a table of even steps), ``unique`` (a table of the weight's own
            values, where it has at most 256 different ones), ``custom_lut``, ``float16``, or ``dequantization`` (to
            floats; nbits is not used and may be None).
        sample_data: taken so that calls written for coremltools work, and not used: comparing is
            ``compare_models``'s job.
        lut_function: for ``custom_lut``: called with the number of bits and the float32 weights, returns a
            table of ``2**nbits`` values and as many codes as weights.
        selector: the weights to quantize: a predicate ``(layer name, weight name) -> bool``, or an object
            with a method ``do_quantize`` as coremltools has them. Default: all.
        per_channel: for the linear modes, one scale per output channel (True) or one per weight.
        include_biases: quantize biases too.
        include_normalization: quantize batch normalisation's parameters too.
        only_if_smaller: leave a weight as it is where its new form would not take fewer bytes.
        granularity: for the linear modes ``per_tensor``, ``per_channel`` or ``per_block``; for tables ``per_tensor`` or
            ``per_grouped_channel``. Given, it counts instead of ``per_channel``.
        block_size: for ``per_block``: so many values along the input channels share a scale, in every output channel;
            or the size of a block along each axis, 0 for all of it.
        group_size: for ``per_grouped_channel``: so many output channels share a table.
        channel_axis: the axis of these groups, where it is not that of the output channels.
        cluster_dim: so many values along the output channels are one entry of a table.
        per_channel_scale: scale each output channel to 1 before a table is made for them.
        signed: whether linear codes of ML Programs may be negative.
        settings: exceptions by layer and weight: a :class:`QuantizationSettings`, what its ``from_dict`` takes, JSON or
            the path of a JSON file. What the other arguments say holds where the settings do not say otherwise.
        minimum_deployment_target: the oldest system that the model shall run on, such as ``iOS18``: an ML Program for
            older ones is raised to it, which brings the forms of that system. By default it stays as it is.
        progress: called after each layer with layers done, layers in all and the layer's name.

    Returns:
        The new model; its attribute ``quantization_report`` holds a :class:`QuantizationReport`. Its metadata say how
        to do the same again: see :func:`quantization_settings`.

    Raises:
        ArgumentError: an argument is wrong, or the system that an ML Program is made for does not have what is asked
            for.
        QuantizationError: a weight holds NaN or infinity, or the caller's table does not fit.
        UnsupportedModelError: the model holds no neural network or ML Program.
        ModelFileError, InvalidModelError: the model cannot be read.

    >>> from mltoolkit.digits import digit_model_path
    >>> small = quantize_weights(digit_model_path(), 8)
    >>> small.quantization_report.nbits
    8
    """
    from mltoolkit.model import load

    if sample_data is not None:
        _log.warning("sample_data is not used: call compare_models(model, quantized, sample_data) on the result")
    config = QuantizationConfig(
        nbits=nbits,
        quantization_mode=quantization_mode,
        per_channel=per_channel,
        lut_function=lut_function,
        selector=selector,
        include_biases=include_biases,
        include_normalization=include_normalization,
        only_if_smaller=only_if_smaller,
        granularity=granularity,
        block_size=block_size,
        group_size=group_size,
        channel_axis=channel_axis,
        cluster_dim=cluster_dim,
        per_channel_scale=per_channel_scale,
        signed=signed,
        settings=None if settings is None else QuantizationSettings.of(settings),
    )
    target = minimum_deployment_target
    if target is None and config.settings is not None:
        target = config.settings.minimum_deployment_target
    check_progress(progress)
    if target is not None:
        target_version(target)  # before the model is read
    rewriter = open_rewriter(load(full_precision_model), minimum_deployment_target=target)
    records, decisions = rewrite_weights(rewriter, config, progress=progress)
    if any(decision.form for decision in decisions):
        record_settings(rewriter, settings_of(decisions, target, rewriter))
    quantized = rewriter.finish()
    quantized.quantization_report = make_report(records, config, rewriter.bytes_before, rewriter.bytes_after)
    return quantized
