"""`vad` and `turn_handling` of a session: from traces where the audio is known before, else LiveKit's own."""

from __future__ import annotations

from typing import Any

from ..core.recording import Pcm
from ..turns.live_policy import with_policy
from .job import SessionJob
from .text_detector import text_detector
from .traced.detector import TracedTurnDetector, livekit_detector
from .traced.vad import Position, TracedVAD, livekit_vad


def turn_taking(job: SessionJob, pcm: Pcm, position: Position, *, scripted: bool) -> dict[str, Any]:
    """Arguments of AgentSession, which needs `attach_policy` then.

    `pcm`: the stream, shape=(n,); `scripted`: the STT needs no audio.
    """
    settings = job.settings
    traces = job.traces if job.mode == "open_loop" else None
    if settings.detector.traits.needs == "words":
        answers = None if traces is None else traces.texts
        detection: Any = text_detector(settings.detector, answers, job.conditions.prediction_delay)
    elif traces is not None and settings.detector.traits.needs == "predictions":
        delay_s = job.conditions.prediction_delay
        detection = TracedTurnDetector(settings.detector, traces.eot, pcm, position, delay_s, traces.predict)
    else:
        detection = livekit_detector(settings.detector)
    # A user's own STT may use the audio in the VAD's events; events from a trace have none.
    if traces is not None and scripted:
        silent = not settings.detector.ends_by_stt and settings.interruption.min_duration > 0
        vad: Any = TracedVAD(settings.vad, traces.vad, position, silent=silent)
    else:
        vad = livekit_vad(settings.vad)
    handling = settings.turn_handling()
    handling["interruption"]["mode"] = "vad"  # "adaptive" needs LiveKit's cloud
    detection = with_policy(detection, settings)
    return {"vad": vad, "turn_handling": {"turn_detection": detection, **handling}}
