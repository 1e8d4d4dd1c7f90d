"""Run benchmarks one after the other, each in a process of its own, and put their tables into the documentation.

    python benchmarks/all.py --write             # docs/benchmarks.md and docs/visualization.md, a quarter of an hour
    python benchmarks/all.py --write runtime     # those named
    python benchmarks/all.py --write --long      # also the tables of the other pages: hours
    python benchmarks/all.py --quick --write --docs /tmp/pages/docs    # whether they all run

On a machine that does nothing else. Needs the shared data (../shared, or $MLTOOLKIT_SHARED) and the dependency groups
test and benchmark. One that fails does not stop the others. Exits with 1 then.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from measured_pages import DOCS, PROJECT, benchmark_parser

FOLDER = Path(__file__).resolve().parent
# Scripts and their options: those of docs/benchmarks.md in its order, and the pages' speed.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "loading": (),
    "packages": (),
    "basic_pitch": (),
    "quantize": (),
    "quantize_memory": (),
    "kmeans": (),
    "bit_packing": (),
    "compare_overhead": (),
    "conversion": (),
    "custom_layers": (),
    "visualization": (),
}
# Of the other pages; several keep finished rows and begin anew with --fresh.
LONG: dict[str, tuple[str, ...]] = {
    "half_precision": (),
    "upgrade": (),
    "upgrade ResNet50": ("--resnet50",),
    "squeezenet_bits": (),
    "style_transfer_bits": (),
    "keras_applications": ("--fresh",),
    "calibrated": ("--fresh",),
    "calibrated_others": ("--fresh",),
}


def main() -> int:
    """Run them; 1 where one fails."""
    known = BENCHMARKS | LONG
    parser = benchmark_parser(__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(known)}")
    parser.add_argument("--long", action="store_true", help="also those of the other pages")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    shared = ["--docs", str(options.docs.resolve())] if options.docs != DOCS else []
    shared += [f"--{name}" for name in ("quick", "write") if getattr(options, name)]
    failed = []
    for name in options.names or (known if options.long else BENCHMARKS):
        print(f"== {name}", flush=True)
        started = time.monotonic()
        command = [sys.executable, str(FOLDER / f"{name.split()[0]}.py"), *known[name], *shared]
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        print(f"== {name}: {time.monotonic() - started:.0f} s, exit code {code}\n", flush=True)
        failed += [name] if code else []
    print(f"failed: {', '.join(failed)}" if failed else "all ran")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
