"""Draws digits that look handwritten: a writing style, a shaky hand, a pen.

The skeleton of a style (``skeletons``) is varied as a curve, not as pixels: control points move, proportions
and the whole plane bend smoothly, then width, slant and rotation are drawn at random. Only then is the curve
inked (``pen``), by the distance of every pixel to it, which gives smooth edges at any size.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from mltoolkit.digits.pen import ink
from mltoolkit.digits.skeletons import STYLES, Stroke, strokes
from mltoolkit.errors import ArgumentError

Points = npt.NDArray[np.float64]

_STEPS = 4  # straight pieces per control point: about two pixels each at 28 × 28
_SMALLEST = 8


def draw_digit(label: int, rng: np.random.Generator, size: int = 28) -> npt.NDArray[np.uint8]:
    """Draw one digit, white on black.

    Args:
        label: the digit, 0..9.
        rng: every choice is drawn from it; the same state gives the same picture.
        size: width and height in pixels, at least 8.

    Returns:
        uint8 array of shape (size, size), 0 is paper and 255 full ink.

    Raises:
        ArgumentError: ``label`` is not a digit, or ``size`` is too small.
    """
    if label not in STYLES:
        raise ArgumentError(f"{label!r} is not a digit", fix="Give an integer from 0 to 9")
    if size < _SMALLEST:
        raise ArgumentError(f"a digit of {size!r} pixels cannot be read", fix=f"Give at least {_SMALLEST}")
    style = rng.choice(list(STYLES[label]))
    lines = [_curve(stroke) for stroke in _shaken(strokes(label, str(style)), rng)]
    lines = [_ended(line, rng) for line in lines]
    lines = _bent(lines, rng)
    lines = _leaning(lines, rng)
    return ink(lines, rng, size)


def digit_dataset(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw ``count`` digits, the ten classes in turn.

    Picture i depends on ``seed`` and i alone, so a longer data set begins with the shorter one.

    Args:
        count: number of pictures.
        seed: not negative; different seeds give independent pictures.

    Returns:
        images, uint8 of shape (count, 28, 28), and labels, uint8 of shape (count,).

    Raises:
        ArgumentError: ``count`` or ``seed`` is negative.
    """
    if count < 0 or seed < 0:
        raise ArgumentError(f"count {count!r} and seed {seed!r} must not be negative")
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = np.empty((count, 28, 28), dtype=np.uint8)
    for index, label in enumerate(labels):
        images[index] = draw_digit(int(label), np.random.default_rng((seed, index)))
    return images, labels


def _shaken(skeleton: tuple[Stroke, ...], rng: np.random.Generator) -> list[Stroke]:
    """Move every control point a little; points that coincide stay together, so that joints hold."""
    everything = np.concatenate([stroke.points for stroke in skeleton])
    unique, inverse = np.unique(everything, axis=0, return_inverse=True)
    moved = unique + rng.normal(0, rng.uniform(0.008, 0.045), unique.shape)
    pieces = np.split(moved[inverse.ravel()], np.cumsum([len(stroke.points) for stroke in skeleton])[:-1])
    return [stroke._replace(points=points) for stroke, points in zip(skeleton, pieces, strict=True)]


def _curve(stroke: Stroke) -> Points:
    """The stroke as a fine polyline: a Catmull-Rom spline between each two sharp points."""
    ends = [0, *(int(i) for i in np.flatnonzero(stroke.sharp) if 0 < i < len(stroke.points) - 1)]
    ends.append(len(stroke.points) - 1)
    pieces = [_spline(stroke.points[a : b + 1]) for a, b in itertools.pairwise(ends)]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])


def _spline(points: Points) -> Points:
    """Uniform Catmull-Rom spline through ``points``; the ends are continued by reflection."""
    p = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    t = (np.arange(_STEPS) / _STEPS)[None, :, None]
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def _ended(line: Points, rng: np.random.Generator) -> Points:
    """Start and stop a little early or late, as a hand does: loops stay open or overlap."""
    late, early = rng.normal(0, 0.035, 2)
    start = (line[0] - line[1]) / max(float(np.hypot(*(line[0] - line[1]))), 1e-9)
    stop = (line[-1] - line[-2]) / max(float(np.hypot(*(line[-1] - line[-2]))), 1e-9)
    drop_start = int(max(late, 0) * len(line))
    drop_stop = int(max(early, 0) * len(line))
    kept = line[drop_start : len(line) - drop_stop]
    before = [line[0] - start * late] if late < 0 else []
    after = [line[-1] - stop * early] if early < 0 else []
    return np.vstack([*before, kept, *after])


def _bent(lines: list[Points], rng: np.random.Generator) -> list[Points]:
    """Shift the proportions (upper against lower half) and bend the plane by a few slow waves."""
    gamma = np.exp(rng.normal(0, (0.10, 0.16), 2))
    waves = rng.uniform(-1.3, 1.3, (3, 2)) * 2 * np.pi
    phases = rng.uniform(0, 2 * np.pi, 3)
    shifts = rng.normal(0, 0.027, (3, 2))

    def bend(points: Points) -> Points:
        points = np.sign(points) * np.abs(points) ** gamma
        return points + np.sin(points @ waves.T + phases) @ shifts

    return [bend(line) for line in lines]


def _leaning(lines: list[Points], rng: np.random.Generator) -> list[Points]:
    """Width, slant and rotation."""
    width = float(np.clip(np.exp(rng.normal(-0.33, 0.27)), 0.5, 1.4))
    slant = float(np.clip(rng.normal(0.15, 0.22), -0.35, 0.75))
    angle = rng.normal(0, 0.10)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[width, -slant], [0.0, 1.0]])
    return [line @ matrix.T for line in lines]
