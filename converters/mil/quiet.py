"""Keeping coremltools quiet: it logs, warns and draws progress bars on stderr whatever the caller wants."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mltoolkit.converters.mil.blob_writer import blob_writer
from mltoolkit.converters.mil.coremltools_fixes import put_right

# coremltools keeps names, symbols and the current block in globals: one conversion at a time.
_lock = threading.RLock()


@contextmanager
def quiet_coremltools() -> Iterator[None]:
    """Let no other thread use coremltools meanwhile, and nothing reach stderr."""
    log = logging.getLogger("coremltools")
    with _lock, ExitStack() as stack:
        was_disabled, log.disabled = log.disabled, True
        stack.callback(setattr, log, "disabled", was_disabled)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        from coremltools.converters.mil import converter
        from coremltools.converters.mil.backend.nn import op_mapping
        from coremltools.converters.mil.mil.passes import pass_pipeline

        for module, name in ((pass_pipeline, "tqdm"), (op_mapping, "_tqdm")):
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, _no_bar)
        stack.enter_context(put_right())
        stack.enter_context(blob_writer())
        # Symbols of a conversion that failed must not meet those of the next.
        stack.callback(converter._reset_conversion_state)
        yield


def _no_bar(items: Any, **_options: Any) -> Any:
    return items
