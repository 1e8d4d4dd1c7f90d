"""Errors cross process borders unchanged."""

from __future__ import annotations

import pickle

import pytest

from mltoolkit import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.MLToolkitError) and kind is not errors.MissingExtraError
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_pickles_with_its_parts(kind: type[errors.MLToolkitError]) -> None:
    error = kind("the mode is 'kmeens'", where="layer 'conv1'", fix="Did you mean 'kmeans'?")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.what, again.where, again.fix) == (
        kind,
        str(error),
        error.what,
        error.where,
        error.fix,
    )


def test_a_missing_extra_pickles() -> None:
    error = errors.MissingExtraError("pandas", "dataframe", "a DataFrame")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
