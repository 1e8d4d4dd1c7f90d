"""Packing and unpacking n-bit codes against coremltools, n = 1..8, and that both give the same bits.

    python benchmarks/bit_packing.py [--codes 262144] [--many 16777216] [--rounds 5] [--write]

Both sides get the same codes in the same run; CPU nanoseconds a code, the least of several interleaved
rounds, since noise of the machine only ever adds. "many" shows ours on more codes than caches hold.
Eight bits are a plain copy (packing) and no work at all (unpacking) on both sides, so there is no ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measured_pages import benchmark_parser, measured

from mltoolkit.formats.bit_packing import pack_codes, unpack_codes

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from coremltools.models.neural_network.quantization_utils import (
        _convert_array_to_nbit_quantized_bytes,
        _unpack_to_bytes,
    )

PACK_TARGET, UNPACK_TARGET = 500, 150
# coremltools takes seconds a round; its time varies little.
_REFERENCE_ROUNDS = 2


def reference_pack(codes: np.ndarray, nbits: int) -> bytes:
    """What coremltools does with the codes of a quantized weight."""
    if nbits == 8:
        return codes.tobytes()
    return bytes(_convert_array_to_nbit_quantized_bytes(codes, nbits).tobytes())


def reference_unpack(packed: bytes, nbits: int, count: int) -> np.ndarray:
    """What coremltools does with the stored bytes."""
    stored = np.frombuffer(packed, dtype=np.uint8)
    return stored if nbits == 8 else _unpack_to_bytes(stored, count, nbits)


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of one call, over ``repeats`` calls."""
    start = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - start) / repeats


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The least CPU seconds of either, measured in turns."""
    repeats = max(1, round(0.02 / max(seconds(ours, 3), 1e-7)))
    mine, reference = [], []
    for number in range(rounds):
        mine.append(seconds(ours, repeats))
        if number < _REFERENCE_ROUNDS:
            reference.append(seconds(theirs, 1))
    return min(mine), min(reference)


def least(function: Callable[[], Any], rounds: int) -> float:
    """The least CPU seconds of a call."""
    return min(seconds(function, 1) for _ in range(rounds))


def row(nbits: int, options: argparse.Namespace) -> tuple[str, bool]:
    """A line of the table, and whether both sides agree on every bit."""
    rng = np.random.default_rng(nbits)
    codes = rng.integers(0, 1 << nbits, options.codes, dtype=np.uint8)
    many = rng.integers(0, 1 << nbits, options.many, dtype=np.uint8)
    packed, packed_many = pack_codes(codes, nbits), pack_codes(many, nbits)
    same = packed == reference_pack(codes, nbits) and np.array_equal(
        unpack_codes(packed, nbits, codes.size), reference_unpack(packed, nbits, codes.size)
    )
    packing = compare(lambda: pack_codes(codes, nbits), lambda: reference_pack(codes, nbits), options.rounds)
    unpacking = compare(
        lambda: unpack_codes(packed, nbits, codes.size),
        lambda: reference_unpack(packed, nbits, codes.size),
        options.rounds,
    )
    packing_many = least(lambda: pack_codes(many, nbits), options.rounds)
    unpacking_many = least(lambda: unpack_codes(packed_many, nbits, many.size), options.rounds)
    cells = cell(packing, packing_many, nbits, options), cell(unpacking, unpacking_many, nbits, options)
    return f" {nbits} | {' | '.join(cells)} | {'identical' if same else 'DIFFERENT'}", same


def cell(pair: tuple[float, float], many: float, nbits: int, options: argparse.Namespace) -> str:
    """coremltools, ours, ratio, and ours on many codes."""
    mine, theirs = (1e9 * value / options.codes for value in pair)
    ratio = "  (copy)" if nbits == 8 else f"{theirs / mine:7,.0f}x"
    return f"{theirs:8.1f} {mine:7.3f} {ratio} {1e9 * many / options.many:9.3f}"


def main() -> None:
    """Print one table, and write it if asked to; exit with 1 where bits differ."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--codes", type=int, default=1 << 18)
    parser.add_argument("--many", type=int, default=1 << 24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.quick:
        options.codes, options.many, options.rounds = 1 << 14, 1 << 18, 2
    with measured(options, "benchmarks.md"):
        _print_table(options)


def _print_table(options: argparse.Namespace) -> None:
    print(f"{options.codes:,} codes, CPU ns a code; many: ours on {options.many:,} codes")
    print(f"targets: packing {PACK_TARGET}x, unpacking {UNPACK_TARGET}x\n")
    names = f"{'theirs':>8} {'ours':>7} {'ratio':>8} {'many':>9}"
    print(f" n | {'packing':<35} | {'unpacking':<35} |\n   | {names} | {names} | bits")
    identical = True
    for nbits in range(1, 9):
        line, same = row(nbits, options)
        identical &= same
        print(line, flush=True)
    if not identical:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
