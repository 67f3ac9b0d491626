"""The call of the docstrings here: a pause in a turn, which the first of two settings cuts, and its end."""

from __future__ import annotations

import numpy as np

from ...core.labels import Ipu, Label, Labels
from ..replay.records import Decisions, Forks, PauseCommits, TriggerCommits
from .labelled_pauses import LabelledPauses, labelled_pauses


def a_call() -> tuple[Decisions, LabelledPauses]:
    """What the settings decide in the two pauses, and these; stream time is recording time.

    >>> decided, labelled = a_call()
    >>> decided.accepted_s.tolist(), labelled.start_s.tolist()
    ([[2.25, inf], [3.5, 3.75]], [2.0, 3.0])
    """
    user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    labels = Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0)))
    commit_s = np.array([[2.25, np.inf], [3.5, 3.75]])
    silence_s, no_detector = np.array([[2.0], [3.0]]), np.full((2, 1), np.nan)
    first = PauseCommits(commit_s, silence_s, np.isfinite(commit_s), no_detector)
    late = TriggerCommits(np.zeros((0, 2)), np.zeros((0, 2)), ())
    decided = Decisions.side_by_side(first, np.array([-1, -1]), [late], Forks())
    return decided, labelled_pauses(labels)
