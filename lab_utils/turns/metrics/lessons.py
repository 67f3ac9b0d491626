"""What dynamic endpointing learned from each pause, and whether it was the right lesson.

Goal: see where `DynamicEndpointing` takes for a pause inside a turn what is none (livekit/agents#7057).
Conventions: seconds of recording time.
Definition: a lesson is *right* if the pause is a labelled hold, or a cut-off pause. It is *wrong* if the turn
had ended in it, if a backchannel lies on one of its sides, or if by the labels the user spoke in it for more
than half of its length. What touches no label is neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...core.labels import Labels, user_ipus
from ...core.timeline import Floats
from ..replay.endpointing import Lesson

NEAR_S = 0.3
"""The VAD's edges and the labels' differ by up to this much."""
WRONG = ("end of turn", "backchannel", "speech")
COLUMNS = ("at_s", "pause_from_s", "pause_s", "before_s", "after_s", "what", "wrong")


def lesson_table(lessons: Sequence[Lesson], labels: Labels) -> pd.DataFrame:
    """A row for each lesson, columns `COLUMNS`; `what`: what the pause was, "" where no label tells.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> user = Ipu("user", 0.0, 2.0), Ipu("user", 3.0, 4.0), Ipu("user", 9.0, 9.5)
    >>> labels = Labels(20.0, user, (Label("hold", 2.0, 3.0), Label("shift", 4.0, 9.0)))
    >>> found = [Lesson(2.1, 3.0, 4.1, 0.3, 0.4), Lesson(4.1, 9.0, 9.6, 0.4, 0.9)]
    >>> lesson_table(found, labels)[["what", "wrong"]].values.tolist()
    [['hold', False], ['end of turn', True]]
    """
    kinds = [_what(lesson, labels) for lesson in lessons]
    rows = [
        (
            one.at_s,
            one.pause_from_s,
            one.pause_until_s - one.pause_from_s,
            one.before_s,
            one.after_s,
            what,
            what in WRONG,
        )
        for one, what in zip(lessons, kinds, strict=True)
    ]
    types = {**dict.fromkeys(COLUMNS, np.float64), "what": str, "wrong": np.bool_}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)


def _what(lesson: Lesson, labels: Labels) -> str:
    from_s, until_s = lesson.pause_from_s, lesson.pause_until_s
    short = labels.of_kind("backchannel")
    if np.any((np.abs(short[:, 1] - from_s) <= NEAR_S) | (np.abs(short[:, 0] - until_s) <= NEAR_S)):
        return "backchannel"
    ends = labels.of_kind("shift")[:, 0]
    if np.any((ends >= from_s - NEAR_S) & (ends < until_s)):
        return "end of turn"
    if _shared_s(labels.of_kind("hold"), from_s, until_s) > 0:
        return "hold"
    if _shared_s(labels.of_kind("cut_off"), from_s, until_s) > 0:
        return "cut off"
    return "speech" if _shared_s(user_ipus(labels), from_s, until_s) > (until_s - from_s) / 2 else ""


def _shared_s(spans: Floats, from_s: float, until_s: float) -> float:
    return float(np.maximum(0, np.minimum(spans[:, 1], until_s) - np.maximum(spans[:, 0], from_s)).sum())
