"""How digits are written: the pen's path for every style of every digit, before any variation.

A path is text in a 100 × 100 box, x to the right and y downwards: points ``x,y`` in writing order, ``|`` where the
pen is lifted, ``*`` behind a point at which the pen turns sharply. Between sharp points the path is a smooth curve
through all its points. The box is stretched later, so the paths say nothing about how wide a digit is.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Stroke(NamedTuple):
    """One pen movement.

    Attributes:
        points: float64 of shape (n, 2), x and y in 0..1.
        sharp: bool of shape (n,), where the pen turns sharply.
    """

    points: npt.NDArray[np.float64]
    sharp: npt.NDArray[np.bool_]


STYLES: dict[int, dict[str, str]] = {
    0: {
        "round": "55,0 22,10 4,50 20,90 52,100 82,88 97,48 82,12 55,0",
        "overlapping": "62,8 36,3 10,40 12,80 42,100 76,85 92,45 80,10 52,0 36,9",
        "open": "70,9 40,0 8,35 10,80 45,100 85,80 95,35 80,5",
        "clockwise": "28,14 60,0 95,35 88,80 50,100 10,78 5,35 32,5 52,2",
    },
    1: {
        "bar": "52,0 50,50 48,100",
        "bent bar": "50,0 53,35 47,70 50,100",
        "flag": "20,28 52,0* 50,50 50,100",
        "flag and foot": "22,26 50,0* 50,100 | 12,100 88,100",
        "foot": "50,0 50,100 | 18,100 82,99",
    },
    2: {
        "plain": "8,22 30,2 70,2 88,25 70,55 8,98* 50,95 95,98",
        "looped": "10,20 35,2 72,5 82,30 60,62 22,94 5,92 12,79 35,80 60,94 95,92",
        "wavy": "5,25 35,0 75,10 75,40 45,75 10,97* 35,88 65,98 95,88",
        "angular": "8,10 45,2 85,8* 50,50 8,98* 92,98",
        "sweeping": "15,30 40,3 80,15 70,50 30,85 10,88 15,76 40,84 70,100 98,90",
    },
    3: {
        "round": "12,12 45,0 82,14 78,36 42,47* 85,58 92,80 55,100 8,88",
        "flat": "12,4 85,4* 42,42* 85,55 90,82 50,100 8,90",
        "looped": "12,12 50,0 85,18 65,42 38,50 40,43 58,47 90,62 85,90 45,100 8,88",
        "shallow": "15,10 52,0 85,20 64,45 62,49 90,74 55,100 10,90",
    },
    4: {
        "open": "20,2 10,55* 92,52 | 72,15 66,100",
        "closed": "72,100 70,0* 5,66* 98,66",
        "cup": "15,5 10,42 38,56 82,45 | 86,0 78,55 72,100",
        "joined cup": "12,6 8,40 35,54 84,42* 90,2* 76,100",
        "tall": "35,0 5,60* 95,58 | 62,32 60,100",
        "pointed": "76,0 12,44* 80,46 | 80,2 72,100",
    },
    5: {
        "two strokes": "18,5 14,45* 50,38 90,65 70,95 10,95 | 18,4 88,2",
        "one stroke": "88,3 22,4* 15,45* 55,38 90,68 60,100 8,90",
        "s": "85,5 45,3 18,25 45,45 80,62 75,92 35,100 8,90",
        "angular": "85,2 25,2* 20,48* 70,48 88,75 60,100 10,97",
    },
    6: {
        "curved": "72,0 30,25 8,65 25,97 65,98 88,75 65,55 28,62 12,75",
        "straight": "60,0 12,60 15,92 50,100 82,85 78,62 45,55 15,72",
        "round": "78,5 40,10 8,50 18,92 60,100 92,70 70,45 30,50 10,68",
        "curled": "65,0 25,35 10,75 35,100 70,88 68,62 40,60 25,80",
    },
    7: {
        "plain": "8,6 90,5* 60,45 40,100",
        "straight": "8,8 45,5 90,3* 45,55 38,100",
        "barred": "8,6 90,5* 60,45 40,100 | 30,50 80,48",
        "serif": "8,22 10,4* 90,4* 45,100",
        "serif and bar": "8,20 10,5* 90,4* 45,100 | 32,55 82,50",
        "wavy": "5,15 25,3 60,12 90,3* 55,50 40,100",
    },
    8: {
        "s": "78,12 45,0 15,20 45,45 85,70 55,100 15,80 40,52 80,25 78,8",
        "two turns": "50,48 18,30 25,4 55,0 82,12 75,38 50,48 15,65 15,90 50,100 85,88 80,62 50,48",
        "crossed": "80,10 30,4 20,28 80,72 60,100 20,92 25,68 85,18 76,4",
        "two rings": "50,0 22,10 25,38 50,46 78,36 78,10 50,0 | 50,46 12,62 15,92 50,100 88,90 88,62 50,46",
    },
    9: {
        "straight": "85,20 60,2 20,12 12,40 40,55 75,42 86,15* 82,100",
        "tailed": "82,22 55,0 15,15 15,45 50,52 82,25 88,10 84,60 65,92 20,98",
        "leaning": "88,8 45,2 10,28 35,52 75,38 88,8* 70,55 55,100",
        "ring and bar": "80,25 50,0 12,22 25,50 60,50 82,22 | 84,5 78,100",
    },
}
"""Writing styles of each digit: name → path."""


@functools.cache
def strokes(label: int, style: str) -> tuple[Stroke, ...]:
    """The pen movements of one style of a digit.

    Raises:
        KeyError: there is no such digit or style.
    """
    return tuple(_parse_stroke(text) for text in STYLES[label][style].split("|"))


def _parse_stroke(text: str) -> Stroke:
    words = text.split()
    points = np.array([[float(number) for number in word.rstrip("*").split(",")] for word in words]) / 100
    return Stroke(points, np.array([word.endswith("*") for word in words]))
