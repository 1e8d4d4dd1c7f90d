"""Weights as quantization sees them, whatever the format of their file: where each stands, and how it is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mltoolkit.formats.weight_fields import Role

FormKind = Literal["table", "linear", "float16", "float32", "sparse"]


@dataclass(frozen=True)
class Form:
    """A way to store a weight.

    Attributes:
        kind: codes of a lookup table, codes with a scale, plain floats, or floats between zeros.
        nbits: bits of a code; 16 and 32 for floats.
        per_channel: one scale for each output channel; linear codes only.
        block_size: linear codes with one scale for so many values along the input channels (and for each output
            channel), or for blocks with a size along each axis, 0 meaning all of it; 0 for none.
        group_size: tables for so many output channels each; 0 for one table.
        symmetric: linear codes over a range symmetric about 0.
        signed: linear codes of an ML Program that may be negative.
        cluster_dim: how many values along the output channels one entry of a table stands for.
        channel_scale: a table of values that every output channel multiplies by a scale of its own.
        channel_axis: the axis of the groups, where it is not that of the output channels.
    """

    kind: FormKind
    nbits: int
    per_channel: bool = False
    block_size: int | tuple[int, ...] = 0
    group_size: int = 0
    symmetric: bool = False
    signed: bool = True
    cluster_dim: int = 1
    channel_scale: bool = False
    channel_axis: int | None = None


@dataclass(frozen=True)
class WeightSlot:
    """One weight of a file.

    Attributes:
        index: its place among all weights, in the order of the file.
        stage: names of the pipeline stages joined by "/"; "" for a plain model.
        layer: the layer's or operation's name.
        layer_type: the layer's or operation's type.
        name: the field or input that it is.
        shape: as the format states it.
        channel_axis: the axis of the output channels.
        role: what the numbers are.
        bits: what a value takes now; 0 where it has no values.
        bytes: what it takes now, with scales and tables.
        per_channel: whether Core ML takes a scale for each output channel.
        form: how it is stored now; None where that is none of the forms.
        layer_index: which of the layers with weights it belongs to; names may repeat.
        where: stage, layer and weight, for messages.
        in_program: whether it belongs to an ML Program, not to a neural network.
        half: whether the program computes it in float16: scales and tables are float16 then.
        aliases: other names that it goes by: an ML Program's constant's, and those of other operations that use it.
        input_axis: the axis of the input channels.
    """

    index: int
    stage: str
    layer: str
    layer_type: str
    name: str
    shape: tuple[int, ...]
    channel_axis: int
    role: Role
    bits: int
    bytes: int
    per_channel: bool
    form: Form | None
    layer_index: int
    where: str
    in_program: bool = False
    half: bool = False
    aliases: tuple[str, ...] = ()
    input_axis: int = 1

    @property
    def key(self) -> str:
        """What settings call it: stage, layer and weight."""
        stage = f"{self.stage}/" if self.stage else ""
        return f"{stage}{self.layer}.{self.name}"

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return self.shape[self.channel_axis] if self.shape else 1
