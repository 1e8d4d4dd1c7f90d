"""A seeded part of ONNX's node tests through both Core ML formats; run.py runs all of them."""

from __future__ import annotations

import random

import pytest
from case_check import FORMATS, check_case
from cases import load_cases

# In all, nine tests in ten pass; a part of them may have bad luck.
SHARE = 0.8
COUNT = 60


@pytest.mark.filterwarnings("ignore")
def test_no_conversion_that_succeeds_is_wrong() -> None:
    """One test of each of some operators: passed, or refused by an error of ours."""
    by_operator = {}
    cases = [case for case in load_cases() if not case.excluded]
    rng = random.Random(4)
    rng.shuffle(cases)
    for case in cases:
        by_operator.setdefault(case.operator, case)
    chosen = rng.sample(sorted(by_operator.values(), key=lambda case: case.name), COUNT)
    outcomes = {(case.name, name): check_case(case, name) for case in chosen for name in FORMATS}
    broken = {key: outcome for key, outcome in outcomes.items() if outcome.status not in ("passed", "refused")}
    assert not broken, "\n".join(f"{key}: {outcome.status}: {outcome.reason}" for key, outcome in broken.items())
    passed = sum(outcome.status == "passed" for outcome in outcomes.values())
    assert passed >= SHARE * len(outcomes), f"{passed} of {len(outcomes)} passed"


def test_excluded_tests_are_few_and_have_a_reason() -> None:
    cases = load_cases()
    excluded = [case for case in cases if case.excluded]
    assert len(cases) > 1500
    assert 0.1 < len(excluded) / len(cases) < 0.25, len(excluded)
