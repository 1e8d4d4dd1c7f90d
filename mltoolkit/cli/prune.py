"""``mltoolkit prune MODEL -o OUT``"""

from __future__ import annotations

from typing import Annotated

import typer

from mltoolkit.cli.options import Json, ModelPath, examples, free_path, target_option
from mltoolkit.cli.printing import print_json
from mltoolkit.errors import ArgumentError
from mltoolkit.markup.text import bytes_text

_EXAMPLES = examples(
    "mltoolkit prune model.mlpackage -o sparse.mlpackage --sparsity 0.75",
    'mltoolkit prune model.mlpackage -o sparse.mlpackage --n-of-m 2:4 --only "conv*"',
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("prune", epilog=_EXAMPLES)(prune)


def prune(
    model: ModelPath,
    output: Annotated[str, typer.Option("--output", "-o", help="The .mlpackage to write.")],
    sparsity: Annotated[
        float | None, typer.Option(help="The share of each weight that becomes zero, 0 to 1: the least magnitudes.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Weights of at most this magnitude become zero.")] = None,
    n_of_m: Annotated[
        str | None, typer.Option("--n-of-m", metavar="N:M", help="The N of least magnitude of every M become zero.")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option(help="With --sparsity: so many output channels become zero together.")
    ] = None,
    dim: Annotated[int | None, typer.Option(help="0 for output channels, 1 for input channels.")] = None,
    nbits: Annotated[int | None, typer.Option("--nbits", "-n", help="Bits for the weights that stay (iOS 18).")] = None,
    mode: Annotated[
        str, typer.Option("--mode", "-m", help="kmeans, linear_lut, linear or linear_symmetric.")
    ] = "kmeans",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Prune only operations whose name matches this pattern (* and ?); may be repeated."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave alone operations whose name matches this pattern; may be repeated.")
    ] = None,
    minimum_deployment_target: Annotated[
        str | None,
        target_option("The oldest system that the model shall run on.", metavar="iOS18"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output, or even the model itself.")] = False,
    as_json: Json = False,
) -> None:
    """Set an ML Program's smallest weights to zero, and store which they are."""
    from mltoolkit.cli.selection import layer_selector
    from mltoolkit.formats.model_writing import check_target
    from mltoolkit.model import load
    from mltoolkit.quantization import prune_weights

    target = free_path(output, force)
    ratio = None if n_of_m is None else _ratio(n_of_m)
    source = load(model)
    check_target(source.spec, target)
    pruned = prune_weights(
        source,
        threshold=threshold,
        target_sparsity=sparsity,
        n_m_ratio=ratio,
        block_size=block_size,
        dim=dim,
        nbits=nbits,
        quantization_mode=mode,
        selector=layer_selector(source, only or [], skip or []),
        minimum_deployment_target=minimum_deployment_target,
    )
    pruned.save(target)
    report = pruned.quantization_report
    assert report is not None  # prune_weights sets it
    if as_json:
        print_json({**report.to_dict(), "output": output})
        return
    typer.echo(str(report))
    typer.echo(f"{output}: {bytes_text(report.model_bytes_before)} → {bytes_text(report.model_bytes_after)}")


def _ratio(text: str) -> tuple[int, int]:
    n, colon, m = text.partition(":")
    if not (colon and n.isdigit() and m.isdigit()):
        raise ArgumentError(f"--n-of-m is {text!r}", fix="Give two whole numbers such as 2:4")
    return int(n), int(m)
