"""kraken's group normalization."""

from __future__ import annotations

from mltoolkit.custom_layers.group_norm.layer import GroupNorm


class KrakenGroupNorm(GroupNorm):
    """:class:`GroupNorm` under kraken's name; its further parameter ``in_channels`` repeats the weights' length."""

    class_name = "groupnorm"
    description = "normalizes over groups of channels"
