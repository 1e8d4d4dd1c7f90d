"""Confidence intervals of a measured fraction."""

from __future__ import annotations

import math
from statistics import NormalDist

from mltoolkit.errors import ArgumentError


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a fraction: inside 0..1, and honest for fractions near the ends.

    The set of all p with |successes/trials - p| <= z * sqrt(p (1 - p) / trials), where z is the exact
    two-sided normal quantile (1.959963984540054 for 95 %). E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", Journal of the American Statistical Association 22 (1927),
    209-212.

    Args:
        successes: how many trials succeeded, 0..trials.
        trials: how many trials there were, at least 1.
        confidence: two-sided confidence, strictly between 0 and 1.

    Returns:
        The lower and upper end, fractions in 0..1.

    Raises:
        ArgumentError: counts or confidence outside their range.

    >>> [round(end, 4) for end in wilson_interval(474, 500)]
    [0.9249, 0.9643]
    >>> wilson_interval(10, 10)[1]
    1.0
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ArgumentError(
            f"an interval of {successes} successes in {trials} trials does not exist",
            fix="Give at least one trial and 0 <= successes <= trials",
        )
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence is {confidence}", fix="Give a value between 0 and 1, such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    fraction = successes / trials
    spread = z * z / trials
    centre = fraction + spread / 2
    reach = math.sqrt(spread * (fraction * (1 - fraction) + spread / 4))
    # Exact at the ends, where the formula only rounds to 0 and 1.
    lower = 0.0 if successes == 0 else (centre - reach) / (1 + spread)
    upper = 1.0 if successes == trials else (centre + reach) / (1 + spread)
    return lower, upper
