"""Top-1 agreement of SqueezeNet on 500 pictures, by quantization mode and bits.

    python benchmarks/squeezenet_bits.py                  # prints the table
    python benchmarks/squeezenet_bits.py --write          # and puts it into docs/quantization.md

Needs the shared data (../shared, or $MLTOOLKIT_SHARED): SqueezeNet_fp32_meanfix.mlmodel and images/imagenet.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import mltoolkit as mlt

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "data"
DOCUMENT = PROJECT / "docs" / "quantization.md"
BEGIN, END = "<!-- squeezenet_bits: begin -->", "<!-- squeezenet_bits: end -->"
MODES = ("linear", "linear_symmetric", "kmeans", "linear_lut")
BITS = (8, 6, 5, 4, 3, 2, 1)


def rows(bits: tuple[int, ...]) -> Iterator[str]:
    """Lines of the table, as they are measured."""
    model = mlt.load(DATA / "coreml" / "SqueezeNet_fp32_meanfix.mlmodel")
    pictures = DATA / "images" / "imagenet"
    yield "| mode | bits | bytes | top-1 agreement | 95 % interval | top-5 | KL, nats |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| float32 | 32 | {model.spec.ByteSize():,} | | | | |"
    for mode, nbits in [("float16", 16), *((mode, nbits) for mode in MODES for nbits in bits)]:
        if mode == "linear_symmetric" and nbits == 1:
            continue
        small = mlt.quantize_weights(model, nbits, "linear" if mode == "float16" else mode)
        report = mlt.compare_models(model, small, pictures, progress=False)
        assert report.top1_interval is not None
        low, high = report.top1_interval
        yield (
            f"| {mode} | {nbits} | {small.spec.ByteSize():,} | {report.top1_agreement:.1%} "
            f"| {low:.1%} .. {high:.1%} | {report.top5_agreement:.1%} | {report.mean_kl:.3g} |"
        )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/quantization.md")
    parser.add_argument("--quick", action="store_true", help="8, 4 and 2 bits only")
    arguments = parser.parse_args()
    lines = []
    for line in rows((8, 4, 2) if arguments.quick else BITS):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
