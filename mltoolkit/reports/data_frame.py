"""Records as a pandas table (extra 'dataframe')."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd


def data_frame(records: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a record.

    Args:
        records: values by column.
        columns: the columns in order; by default those of the records, so that without records there are none.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("pandas", "dataframe", "a report as a DataFrame") from error
    return pd.DataFrame(list(records), columns=None if columns is None else list(columns))
