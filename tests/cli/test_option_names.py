"""Errors of the library name options, not Python arguments, when the command line shows them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from program_zoo import chain

import mltoolkit as mlt
from mltoolkit.cli import app
from mltoolkit.cli.option_names import RENAMED, in_options, options_of
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError

Run = Callable[..., tuple[int, str, str]]
MODEL, PICTURES = digit_model_path(), digit_images_path() / "8"
GROUP: Any = typer.main.get_command(app)

# Arguments of Python that the command line has no option for, or gives in another way.
WITHOUT_OPTION = {
    "quantize": {
        *("full_precision_model", "sample_data", "lut_function", "only_if_smaller"),
        *("agreement", "curve", "rows"),
        *("per_channel", "signed"),  # --per-tensor and --unsigned say the opposite
    },
    "prune": {"model", "minimum_sparsity", "only_if_smaller", "progress"},
    "sweep": {"model", "sample_data", "folder", "recipes"},
    "compare": {
        *("full_precision_model", "other_model", "quantized_model", "sample_data", "executor", "names", "max_worst"),
        *("top_k", "layer_samples"),
    },
    "visualize": {"model", "path"},
    "convert": {
        *("source", "model", "path", "inputs", "outputs", "user_defined", "custom_objects", "quantize_dequantize"),
    },
}


@pytest.mark.parametrize(
    ("command", "message", "fix", "expected"),
    [
        ("quantize", "x", "Give minimum_deployment_target='iOS16' or later", "x. Give --target iOS16 or later."),
        ("quantize", "x", "Give max_bytes=6416 or more", "x. Give --max-bytes 6416 or more."),
        (
            "quantize",
            "x",
            "Choose the mode 'kmeans', or cluster_dim=1",
            "x. Choose the mode 'kmeans', or --cluster-dim 1.",
        ),
        ("quantize", "x", "Leave the weight out with selector=", "x. Leave the weight out with --only or --skip."),
        (
            "quantize",
            "nbits and max_bytes are given",
            "Give one of nbits, max_bytes and settings",
            "--nbits and --max-bytes are given. Give one of --nbits, --max-bytes and --settings.",
        ),
        ("prune", "threshold is a number, not nan", "", "--threshold is a number, not nan."),
        ("prune", "one rule, not threshold and target_sparsity", "", "one rule, not --threshold and --sparsity."),
        ("prune", "x", "Convert it with mlt.convert", "x. Convert it with mltoolkit convert."),
        ("sweep", "workers is 0", "", "--workers is 0."),
        ("convert", "x", "lower tolerance_db or give verify=False", "x. lower --tolerance-db or give --no-verify."),
        ("convert", "x", "Give input_shapes={'a': (1, 3)}, say", "x. Give --input-shape a=1,3, say."),
        # What is no argument here stays: another command's, a model's own name, a file, English.
        ("compare", "x", "Give minimum_deployment_target='iOS16'", "x. Give minimum_deployment_target='iOS16'."),
        ("quantize", "no layer 'max_bytes' in max_bytes.json, the limit and mode", "", None),
        ("nothing", "max_bytes is -1", "", None),
    ],
)
def test_words(command: str, message: str, fix: str, expected: str | None) -> None:
    error = ArgumentError(message, fix=fix or None)
    assert in_options(error, GROUP, command) == (expected or str(error))


def test_the_table_has_only_options_that_exist() -> None:
    there = {option for command in GROUP.commands.values() for one in command.params for option in one.opts}
    for argument, option in RENAMED.items():
        assert there.issuperset(option.split(" or ")), (argument, option)


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        ("quantize", [mlt.quantize_weights, mlt.quantize_calibrated]),
        ("prune", [mlt.prune_weights]),
        ("sweep", [mlt.sweep]),
        ("compare", [mlt.compare_models, mlt.comparison_page]),
        ("visualize", [mlt.visualize]),
        ("convert", [mlt.convert, mlt.export_onnx]),
    ],
)
def test_every_argument_has_its_option(command: str, functions: list[Callable[..., Any]]) -> None:
    arguments = {name for function in functions for name in inspect.signature(function).parameters}
    without = arguments - set(options_of(GROUP.commands[command]))
    assert without == WITHOUT_OPTION[command], "an argument got no option, or one got it and is still listed here"


def test_a_package_for_an_old_system(run: Run, tmp_path: Path) -> None:
    chain().save(tmp_path / "model.mlpackage")
    code, _, err = run("quantize", tmp_path / "model.mlpackage", "-o", tmp_path / "small.mlpackage", "-n", 4)
    assert code == 1 and "--target iOS18" in err and "minimum_deployment_target" not in err, err


def test_forms_that_networks_lack_are_refused(run: Run, tmp_path: Path) -> None:
    for options in (
        ["--granularity", "per_block"],
        ["-m", "kmeans", "--granularity", "per_grouped_channel"],
        ["-m", "kmeans", "--cluster-dim", 2],
        ["-m", "kmeans", "--per-channel-scale"],
        ["-m", "linear", "--granularity", "per_block", "-n", 4, "--calibrate", PICTURES],
    ):
        code, _, err = run("quantize", MODEL, "-o", tmp_path / "small.mlmodel", *options)
        assert code == 1, (options, err)
        assert "neural networks have one scale or table" in err and "Leave out --granularity" in err, err
    assert not list(tmp_path.iterdir())
