"""Inks a curve: fits it into a picture and covers the pixels near it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

_STANDARD = 28  # the size for which pen widths and margins are given, in pixels


def ink(lines: list[Points], rng: np.random.Generator, size: int) -> npt.NDArray[np.uint8]:
    """Draw polylines as one pen would.

    Args:
        lines: one (n, 2) array per stroke, x to the right and y downwards, in any unit.
        rng: decides pen, pressure, size, place and paper noise.
        size: width and height of the picture in pixels.

    Returns:
        uint8 array of shape (size, size), 255 is full ink.
    """
    pixel = size / _STANDARD
    radius = float(np.clip(1.35 * np.exp(rng.normal(0, 0.32)), 0.65, 2.7)) * pixel
    placed = _placed(lines, rng, radius, size)
    starts = np.concatenate([line[:-1] for line in placed])
    stops = np.concatenate([line[1:] for line in placed])
    pressure = [radius * _pressure(len(line), rng) for line in placed]
    start_radii = np.concatenate([radii[:-1] for radii in pressure])
    stop_radii = np.concatenate([radii[1:] for radii in pressure])

    nib = _nib(rng)
    axis = np.arange(size) + 0.5
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    depth = _depth(grid @ nib, starts @ nib, stops @ nib, start_radii, stop_radii)
    edge = rng.uniform(1.0, 1.9) * pixel
    picture = np.clip(0.5 + depth / edge, 0, 1).reshape(size, size)
    picture *= rng.uniform(0.85, 1.0) if rng.random() < 0.3 else 1.0
    if rng.random() < 0.25:
        picture = np.clip(picture + rng.normal(0, rng.uniform(0.005, 0.04), picture.shape), 0, 1)
    return np.round(255 * picture).astype(np.uint8)


def _placed(lines: list[Points], rng: np.random.Generator, radius: float, size: int) -> list[Points]:
    """Scale the longest side to about 20 of 28 pixels, put the centre of the ink near the centre."""
    every = np.concatenate(lines)
    low, high = every.min(axis=0), every.max(axis=0)
    pixel = size / _STANDARD
    length = rng.uniform(17.5, 21.0) * pixel - 2 * radius
    scale = length / max(float((high - low).max()), 1e-9)
    middles = np.concatenate([(line[1:] + line[:-1]) / 2 for line in lines])
    lengths = np.concatenate([np.hypot(*np.diff(line, axis=0).T) for line in lines])
    centre = (middles * lengths[:, None]).sum(axis=0) / lengths.sum()
    offset = size / 2 - centre * scale + rng.normal(0, 0.8 * pixel, 2)
    # A digit may touch the rim, but not cross it.
    rim = radius + 0.5 * pixel
    offset = np.clip(offset, rim - low * scale, size - rim - high * scale)
    return [line * scale + offset for line in lines]


def _pressure(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Relative pen radius along a stroke: a slow wave, thinner at one end now and then."""
    along = np.linspace(0, 1, count)
    wave = 1 + rng.uniform(0, 0.18) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * along + rng.random()))
    taper = 1 - rng.uniform(0, 0.35) * along if rng.random() < 0.4 else 1.0
    return np.asarray(wave * taper)


def _nib(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """2 × 2 metric of the pen's tip: round, or up to a third wider along one direction."""
    ratio = np.sqrt(1 + rng.uniform(0, 0.35))
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(turn @ np.diag([ratio, 1 / ratio]) @ turn.T)


def _depth(
    grid: Points,
    starts: Points,
    stops: Points,
    start_radii: npt.NDArray[np.float64],
    stop_radii: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """How far each grid point lies inside the ink (negative: outside), the deepest over all segments."""
    along = stops - starts
    squared = np.maximum((along**2).sum(axis=1), 1e-12)
    share = (along / squared[:, None]) @ grid.T - ((starts * along).sum(axis=1) / squared)[:, None]
    np.clip(share, 0, 1, out=share)
    dx = grid[:, 0] - (starts[:, :1] + share * along[:, :1])
    dy = grid[:, 1] - (starts[:, 1:] + share * along[:, 1:])
    radii = start_radii[:, None] + share * (stop_radii - start_radii)[:, None]
    return np.asarray((radii - np.sqrt(dx * dx + dy * dy)).max(axis=0))
