"""Every detector that AgentSession can run here: what one run of `lab verify` proves."""

from __future__ import annotations

from ...core.detectors import DETECTORS
from ...core.errors import InputError
from ...turns.detectors import check_weights
from ...turns.detectors.base import Predictor
from ...turns.detectors.examples import is_quiet
from ...turns.detectors.own import own_detector
from ...turns.detectors.smart_turn import NAME as SMART_TURN
from .given import load_detector


def every_detector(given: str = "") -> tuple[list[tuple[str, Predictor | None]], list[str]]:
    """Names in settings with the predictors of those that are a user's own, and why others are left out.

    `given`: a detector of the user's own as `load_detector` takes it; without, one of the examples stands for
    these. Left out are detectors without weights. LiveKit's cloud answers in real time, and what a table or
    a span tells in no session: neither is among them.
    """
    found: list[tuple[str, Predictor | None]] = []
    left_out = []
    for name in (*DETECTORS, SMART_TURN):
        try:
            check_weights([name])
            found.append((name, None) if name in DETECTORS else load_detector(name))
        except InputError as error:
            left_out.append(f"left out: {error}")
    own = load_detector(given) if given else own_detector(is_quiet)
    return found + ([own] if own[0] not in dict(found) else []), left_out
