"""How the wait falls while the end of turn becomes likelier: LiveKit's two delays, or a curve between them.

LiveKit waits `min_delay` if p >= `unlikely_threshold`, else `max_delay`. With a shape it is, below the
threshold,

    wait(p) = min_delay + (max_delay - min_delay) * share(p / unlikely_threshold)

so that the three knobs keep their meaning, also by language. `share` is piecewise linear through points
(x, y), x not falling and y not rising, both from 0 to 1; before the first point it is the first y, from the
last on the last. Two points of one x are a step, where the lower counts, as p at LiveKit's threshold is
likely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..timeline import Floats

MOST_POINTS = 20
Points = Sequence[tuple[float, float]]


class WaitShape(tuple[tuple[float, float], ...]):
    """Points of a share of the wait; see the module. Made and checked by `wait_shape`."""

    __slots__ = ()

    def shares(self, x: Floats) -> Floats:
        """The share at each x, of the same shape.

        >>> WaitShape([(0.5, 1.0), (0.5, 0.2)]).shares(np.array([0.1, 0.5, 0.9])).tolist()
        [1.0, 0.2, 0.2]
        """
        xs, ys = np.array(self, dtype=np.float64).T
        reached = np.searchsorted(xs, x, side="right")
        left, right = np.maximum(reached - 1, 0), np.minimum(reached, len(xs) - 1)
        width = xs[right] - xs[left]
        part = np.where(width > 0, (x - xs[left]) / np.where(width > 0, width, 1.0), 0.0)
        found: Floats = ys[left] + (ys[right] - ys[left]) * part
        return found

    def __str__(self) -> str:
        named = [name for name, shape in SHAPES.items() if shape == self]
        return named[0] if named else ", ".join(f"{x:g}: {y:g}" for x, y in self)


def _of(share: Mapping[float, float]) -> WaitShape:
    return WaitShape(share.items())


SHAPES: dict[str, WaitShape] = {
    "linear": _of({0.0: 1.0, 1.0: 0.0}),
    "early": _of({0.0: 1.0, 0.25: 0.42, 0.5: 0.125, 1.0: 0.0}),
    "late": _of({0.0: 1.0, 0.5: 0.875, 0.75: 0.58, 1.0: 0.0}),
}
"""By name: a wait that falls evenly, soon (about (1 - x)³), or only near the threshold (about 1 - x³)."""


def wait_shape(value: Any) -> WaitShape | None:
    """A checked shape from a name or from points; None, LiveKit's two delays, stays None. Raises ValueError.

    >>> wait_shape("linear"), wait_shape([[0, 1], [0.5, 0.2]])
    (((0.0, 1.0), (1.0, 0.0)), ((0.0, 1.0), (0.5, 0.2)))
    """
    if value is None or isinstance(value, WaitShape):
        return value
    if isinstance(value, str) and value in SHAPES:
        return SHAPES[value]
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise ValueError(
            f"expected {', '.join(SHAPES)}, or points such as [[0, 1], [0.5, 0.2], [1, 0]], got "
            f"{str(value)[:40]!r}"
        )
    points = _pairs(value)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if not all(0 <= one <= 1 for one in (*xs, *ys)):
        raise ValueError(f"expected points [p / unlikely_threshold, share] from 0 to 1, got {points}")
    if xs != sorted(xs) or ys != sorted(ys, reverse=True):
        raise ValueError(f"expected points of which x never falls and y never rises, got {points}")
    return WaitShape(points)


def _pairs(value: Iterable[Any]) -> list[tuple[float, float]]:
    """1 to `MOST_POINTS` pairs of numbers. Raises ValueError."""
    points = [tuple(one) if isinstance(one, Sequence) and not isinstance(one, str) else () for one in value]
    numbers = [one for point in points for one in point]
    if not 1 <= len(points) <= MOST_POINTS or any(len(point) != 2 for point in points):
        raise ValueError(f"expected 1 to {MOST_POINTS} points of two numbers, got {str(points)[:60]}")
    if any(isinstance(one, bool) or not isinstance(one, int | float) or one != one for one in numbers):
        raise ValueError(f"expected points of two numbers, got {str(points)[:60]}")
    return [(float(x), float(y)) for x, y in points]


def wait_curve(points: Points) -> dict[str, Any]:
    """The knobs of a wait in seconds as a function of the probability, linear between points (p, wait).

    For `Settings.replace`. `unlikely_threshold` is the least p of the shortest wait, `max_delay` the wait at
    the first point and below it. Two points of one p are a step. Raises ValueError for waits that rise with
    p, or that are all the same.

    >>> knobs = wait_curve([(0.0, 2.5), (0.2, 0.8), (0.5, 0.3)])
    >>> [knobs[name] for name in ("unlikely_threshold", "min_delay", "max_delay")]
    [0.5, 0.3, 2.5]
    """
    pairs = _pairs(points)
    ps, waits_s = [p for p, _ in pairs], [wait_s for _, wait_s in pairs]
    if ps != sorted(ps) or not all(0 <= p <= 1 for p in ps) or min(waits_s) < 0:
        raise ValueError(f"expected points (p, wait) with p rising from 0 to 1 and waits in s, got {pairs}")
    longest_s, shortest_s = waits_s[0], waits_s[-1]
    if waits_s != sorted(waits_s, reverse=True) or longest_s == shortest_s:
        raise ValueError(
            f"expected waits that fall as p rises, got {pairs}; for one wait set min_delay alone"
        )
    threshold = next(p for p, wait_s in pairs if wait_s == shortest_s)
    if threshold == 0:
        raise ValueError(f"expected the shortest wait at a p above 0, got {pairs}")
    of = [(p / threshold, (wait_s - shortest_s) / (longest_s - shortest_s)) for p, wait_s in pairs]
    return {
        "unlikely_threshold": threshold,
        "min_delay": shortest_s,
        "max_delay": longest_s,
        "wait_shape": wait_shape([point for point in of if point[0] <= 1]),
    }


def falling_threshold(points: Points) -> dict[str, Any]:
    """The knobs of a threshold that falls while silence lasts, linear between points (silence, threshold).

    The turn is over at the first silence at which p >= threshold, at the last point's in any case. That is
    `wait_curve` told the other way. Raises ValueError as it does.

    >>> knobs = falling_threshold([(0.3, 0.5), (0.8, 0.2), (2.5, 0.0)])
    >>> knobs == wait_curve([(0.0, 2.5), (0.2, 0.8), (0.5, 0.3)])
    True
    """
    return wait_curve([(threshold, silence_s) for silence_s, threshold in reversed(_pairs(points))])
