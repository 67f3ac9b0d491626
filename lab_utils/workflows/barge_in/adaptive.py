"""What LiveKit's adaptive interruption did, from the overlap events of imported session reports.

It runs on LiveKit's cloud and can't be replayed. A report's event tells when it judged the user's speech over
the agent, and how; the agent falls silent at an interruption. (Of a version that notes no such events, or in
VAD mode, a report has none.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...core.recording import Recording
from ...turns.barge_in.figures import Scores
from ...turns.barge_in.replay import AgentSpeech
from ...turns.barge_in.scenes import HORIZON_S, Scene

NEAR_S = 0.5
"""An overlap began at most this far from the onset that it is about."""


def adaptive_speech(recording: Recording, onset_s: float, scene: Scene) -> AgentSpeech | None:
    """What adaptive interruption made of an onset (recording seconds), at scene times; None if nobody tells.

    It is judged by the first interruption among the overlaps that are about it, else talked through.
    """
    overlaps = recording.provenance.details.get("overlaps", ()) if recording.provenance else ()
    about = [one for one in overlaps if _is_about(one, onset_s)]
    if not about:
        return None
    found_s = min((one["at_s"] for one in about if one["is_interruption"]), default=math.inf)
    return AgentSpeech(silent_s=found_s - onset_s + scene.onset_s)


def _is_about(overlap: dict[str, float | None], onset_s: float) -> bool:
    start_s, at_s = overlap["start_s"], overlap["at_s"]
    if start_s is not None:
        return abs(start_s - onset_s) <= NEAR_S
    return at_s is not None and 0 <= at_s - onset_s <= HORIZON_S


def adaptive_scores(scenes: Sequence[Scene], told: Sequence[AgentSpeech | None]) -> Scores | None:
    """The onsets that adaptive interruption judged, as the scores of one setting; None if there is none."""
    judged = [(scene, speech) for scene, speech in zip(scenes, told, strict=True) if speech is not None]
    if not judged:
        return None
    return Scores.of_speech([scene for scene, _ in judged], [[[speech]] for _, speech in judged])
