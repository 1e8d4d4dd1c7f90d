"""How many numbers a layer may make that it does not get: filled, counted, drawn or one-hot.

A few bytes of a file can ask for any number of them. They are folded into constants when a session is made,
with several intermediate results of 8 bytes each, so the limit is far below that of blobs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension

# 512 MiB of float32; Apple's own tests draw 100 million numbers.
MAX_GENERATED = 1 << 27


def check_generated(where: str, shape: Sequence[Dimension]) -> None:
    """Check that a layer may generate a tensor of this shape (unknown sizes count as 1).

    Args:
        where: the layer, for errors.
        shape: the tensor's sizes.

    Raises:
        InvalidModelError: it has more than :data:`MAX_GENERATED` elements.
    """
    count = math.prod(size for size in shape if isinstance(size, int))
    if count > MAX_GENERATED:
        raise InvalidModelError(
            f"the layer would generate {count:,} numbers; the limit here is {MAX_GENERATED:,}", where=where
        )
