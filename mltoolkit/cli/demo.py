"""``mltoolkit demo``"""

from __future__ import annotations

import typer

from mltoolkit.cli.options import Json, examples
from mltoolkit.cli.printing import print_json, print_table
from mltoolkit.markup.text import bytes_text

_EXAMPLES = examples("mltoolkit demo")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("demo", epilog=_EXAMPLES)(demo)


def demo(as_json: Json = False) -> None:
    """Quantize the embedded digit classifier to 8 … 1 bits and print how often it still agrees with the original."""
    from mltoolkit.digits.demo import run_demo

    table = run_demo()
    if as_json:
        print_json(table.to_dict())
        return
    typer.echo(
        f"Digit classifier, {bytes_text(table.original_bytes)}, "
        f"{table.original_accuracy:.2%} of {table.pictures} drawn digits right."
    )
    headers = ("mode", "bits", "bytes", "top-1 agreement", "95 % interval", "accuracy")
    rows = [
        (
            row.mode,
            row.nbits,
            f"{row.file_bytes:,}",
            f"{row.top1_agreement:.2%}",
            f"{row.top1_interval[0]:.1%} .. {row.top1_interval[1]:.1%}",
            f"{row.accuracy:.2%}",
        )
        for row in table.rows
    ]
    print_table(headers, rows, numeric=headers[1:])
