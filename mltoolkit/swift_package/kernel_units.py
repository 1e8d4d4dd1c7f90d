"""C++ units around .metal files, so that a processor can run their kernels (stand_ins/KernelRunner)."""

from __future__ import annotations

import re

_ENTRY = re.compile(r"^\s*kernel void (\w+)\(", re.MULTILINE)


def kernel_names(metal: str) -> list[str]:
    """The kernels that a .metal text defines."""
    return _ENTRY.findall(metal)


def kernel_unit(metal: str, file_name: str) -> str:
    """C++ that includes a .metal file and registers its kernels.

    Args:
        metal: the file's text.
        file_name: what the unit includes it as.
    """
    registrations = "".join(f"REGISTER_KERNEL({name})\n" for name in kernel_names(metal))
    return f'#include "dispatch.h"\n#include "{file_name}"\n\n{registrations}'
