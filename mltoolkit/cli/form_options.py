"""``mltoolkit quantize``: the options for the forms that weights of ML Programs can have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mltoolkit.cli.options import target_option
from mltoolkit.errors import ArgumentError

_PANEL = "Forms of ML Programs"

Granularity = Annotated[
    str | None,
    typer.Option(
        help="per_tensor, per_channel or per_block for linear modes; per_tensor or per_grouped_channel for tables.",
        rich_help_panel=_PANEL,
    ),
]
BlockSize = Annotated[
    int | None,
    typer.Option(help="For per_block: values along the input channels that share a scale.", rich_help_panel=_PANEL),
]
GroupSize = Annotated[
    int | None,
    typer.Option(help="For per_grouped_channel: output channels that share a table.", rich_help_panel=_PANEL),
]
ChannelAxis = Annotated[
    int | None, typer.Option(help="The axis of these groups, where it is another one.", rich_help_panel=_PANEL)
]
ClusterDim = Annotated[
    int | None,
    typer.Option(help="For kmeans: values along the channels that are one entry of a table.", rich_help_panel=_PANEL),
]
PerChannelScale = Annotated[
    bool,
    typer.Option("--per-channel-scale", help="For tables: a scale for each output channel.", rich_help_panel=_PANEL),
]
Unsigned = Annotated[
    bool, typer.Option("--unsigned", help="For linear modes: codes from 0 on.", rich_help_panel=_PANEL)
]
Target = Annotated[
    str | None,
    target_option(
        "The oldest system that the model shall run on; raising it brings the forms of that system.",
        metavar="iOS18",
        rich_help_panel=_PANEL,
    ),
]


def form_arguments(
    granularity: str | None,
    block_size: int | None,
    group_size: int | None,
    channel_axis: int | None,
    cluster_dim: int | None,
    per_channel_scale: bool,
    unsigned: bool,
    target: str | None,
) -> dict[str, Any]:
    """The arguments of ``quantize_weights`` that were given."""
    given = {
        "granularity": granularity,
        "block_size": block_size,
        "group_size": group_size,
        "channel_axis": channel_axis,
        "cluster_dim": cluster_dim,
        "per_channel_scale": per_channel_scale or None,
        "signed": False if unsigned else None,
        "minimum_deployment_target": target,
    }
    return {name: value for name, value in given.items() if value is not None}


def check_sizes(arguments: dict[str, Any]) -> None:
    """Check that a size goes with the granularity that has it.

    Raises:
        ArgumentError: it would have no effect.
    """
    granularity = arguments.get("granularity")
    for name, needed in (("block_size", "per_block"), ("group_size", "per_grouped_channel")):
        if name in arguments and granularity != needed:
            raise ArgumentError(
                f"--{name.replace('_', '-')} has no effect here", fix=f"Give --granularity {needed}, or leave it out"
            )
    if "channel_axis" in arguments and granularity != "per_grouped_channel" and "cluster_dim" not in arguments:
        raise ArgumentError(
            "--channel-axis has no effect here", fix="Give --granularity per_grouped_channel, or leave it out"
        )


def check_for_calibration(arguments: dict[str, Any]) -> None:
    """Check that calibration knows the forms.

    Raises:
        ArgumentError: it does not know one.
    """
    for name in ("channel_axis", "cluster_dim", "per_channel_scale"):
        if name in arguments:
            raise ArgumentError(
                f"--calibrate does not go with --{name.replace('_', '-')}", fix="Leave one of the two out"
            )
