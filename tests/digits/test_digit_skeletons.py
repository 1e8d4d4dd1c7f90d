"""The table of writing styles."""

from __future__ import annotations

import numpy as np
import pytest

from mltoolkit.digits.skeletons import STYLES, strokes

EVERY = [(label, style) for label, styles in STYLES.items() for style in styles]


def test_every_digit_has_several_styles() -> None:
    assert sorted(STYLES) == list(range(10))
    assert min(len(styles) for styles in STYLES.values()) >= 4


@pytest.mark.parametrize(("label", "style"), EVERY)
def test_a_style_fills_its_box(label: int, style: str) -> None:
    points = np.concatenate([stroke.points for stroke in strokes(label, style)])
    assert points.min() >= 0 and points.max() <= 1
    assert np.ptp(points[:, 1]) > 0.85, "from top to bottom"


@pytest.mark.parametrize(("label", "style"), EVERY)
def test_a_stroke_moves(label: int, style: str) -> None:
    for stroke in strokes(label, style):
        assert len(stroke.points) >= 2 and stroke.sharp.shape == (len(stroke.points),)
        assert (np.abs(np.diff(stroke.points, axis=0)).sum(axis=1) > 0).all(), "two equal points in turn"


def test_sharp_points_are_marked() -> None:
    (stroke,) = strokes(7, "plain")
    assert stroke.sharp.tolist() == [False, True, False, False]
    assert stroke.points[1].tolist() == [0.9, 0.05]
    assert len(strokes(7, "barred")) == 2
