"""Top-1 agreement of SqueezeNet on 500 pictures, by quantization mode and bits.

    python benchmarks/squeezenet_bits.py                  # prints the table
    python benchmarks/squeezenet_bits.py --write          # and puts it into docs/quantization.md

Needs the shared data (../shared, or $MLTOOLKIT_SHARED): SqueezeNet_fp32_meanfix.mlmodel and images/imagenet.
"""

from __future__ import annotations

from collections.abc import Iterator

from measured_pages import DATA, benchmark_parser, measured

import mltoolkit as mlt

MODES = ("linear", "linear_symmetric", "kmeans", "linear_lut")
BITS = (8, 6, 5, 4, 3, 2, 1)


def rows(bits: tuple[int, ...], limit: int | None) -> Iterator[str]:
    """Lines of the table, as they are measured."""
    model = mlt.load(DATA / "coreml" / "SqueezeNet_fp32_meanfix.mlmodel")
    pictures = sorted((DATA / "images" / "imagenet").glob("*.JPEG"))[:limit]
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
    options = benchmark_parser(__doc__).parse_args()
    with measured(options, "quantization.md", markdown=True, packages=("pillow",)):
        for row in rows((8, 2), 20) if options.quick else rows(BITS, None):
            print(row)


if __name__ == "__main__":
    main()
