"""The bias of an ML Program's operation: the constant that it is given, or the place for one."""

from __future__ import annotations

from typing import Any

from mltoolkit.quantization.program_scan import Constant, Use

# Operations whose bias is added to what a weight gives: the weight's input → the bias's.
_BIASES = {
    "conv": {"weight": "bias"},
    "conv_transpose": {"weight": "bias"},
    "linear": {"weight": "bias"},
    "lstm": {
        **dict.fromkeys(("weight_ih", "weight_hh"), "bias"),
        **dict.fromkeys(("weight_ih_back", "weight_hh_back"), "bias_back"),
    },
    "rnn": {"weight_ih": "bias", "weight_hh": "bias"},
}
# Of these, one bias more than before changes nothing else.
_ADDED_TO = ("conv", "conv_transpose", "linear")


def bias_constant(uses: list[Use]) -> Constant | None:
    """The bias that belongs to a weight alone; None where there is none, others use it too, or each use has its own."""
    found = [use.constants.get(_BIASES.get(use.operation.type, {}).get(use.input, "")) for use in uses]
    first = found[0]
    keys = {constant.key() if constant is not None else None for constant in found}
    if first is None or len(keys) > 1:
        return None
    own = {id(use.operation) for use in uses}
    shared = any(id(use.operation) not in own for constant in found if constant for use in constant.uses)
    return None if shared or first.is_output else first


def bias_input(uses: list[Use]) -> str:
    """Why the operations that use a weight cannot be given a bias: "" where they can."""
    for use in uses:
        kind = use.operation.type
        if kind not in _ADDED_TO or use.input != "weight":
            return "the operation takes no bias for these weights"
        if "bias" in use.operation.inputs:
            return "the operation's bias is no constant, or it does not go with these weights alone"
    if len({use.operation.outputs[0].name for use in uses}) > 1:
        return "several operations use the weights"
    return ""


def bias_length(uses: list[Use], channels: int) -> int:
    """How many values a new bias has, given the output channels of the weight's file: those of every group."""
    use = uses[0]
    return channels * use.flag("groups", 1) if use.operation.type == "conv_transpose" else channels


def give_bias(operation: Any, name: str) -> None:
    """Let an operation use the constant of that name as its bias."""
    operation.inputs["bias"].arguments.add().name = name
