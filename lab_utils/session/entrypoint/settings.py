"""Reads the settings of a worker's AgentSession and agent, and replaces a session's VAD and turn handling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.agents import NOT_GIVEN, Agent, AgentSession
from livekit.agents.inference.eot import TurnDetector
from livekit.agents.utils import is_given
from livekit.agents.voice.turn import _resolve_endpointing

from ...core.policies import PolicySettings
from ...core.settings import Settings, default_deactivation, parse_settings
from ..stand_ins.unanswerable import Unanswerable

VAD_FIELDS = ("activation_threshold", "deactivation_threshold", "min_speech_duration", "min_silence_duration")


def settings_of(session: AgentSession[Any], agent: Agent) -> Settings:
    """What decides when a turn is over. The agent's own settings precede the session's, as in LiveKit.

    Raises Unanswerable for turns that only a client or a model can end, and for values out of range.
    """
    detection = agent.turn_detection if is_given(agent.turn_detection) else session.turn_detection
    handling: Mapping[str, Any] = agent._turn_handling  # type: ignore[assignment]
    endpointing = {**session._opts.endpointing_overrides, **(handling.get("endpointing") or {})}
    interruption = {**session.options.interruption, **(handling.get("interruption") or {})}
    preemptive = {**session.options.preemptive_generation, **(handling.get("preemptive_generation") or {})}
    policy = getattr(detection, "live_policy", None)
    values = {
        "vad": _vad(agent.vad if is_given(agent.vad) else session.vad),
        "detector": _detector(detection),
        "endpointing": dict(_resolve_endpointing(endpointing, turn_detection=_as_made(detection))),  # type: ignore[arg-type]
        "interruption": _known(interruption, Settings().interruption.model_dump()),
        "preemptive": _known(preemptive, Settings().preemptive.model_dump()),
        "policy": {name: getattr(policy, name) for name in PolicySettings.model_fields if policy is not None},
    }
    try:
        return parse_settings(values)
    except ValueError as error:
        raise Unanswerable(f"the settings of the AgentSession can't be used: {error}") from None


def own_detector(session: AgentSession[Any]) -> bool:
    """Whether settings can't describe the session's detector: another class, or thresholds by language."""
    detection = session.turn_detection
    if isinstance(detection, TurnDetector):
        return isinstance(detection._opts.thresholds.overrides, dict)
    return not (detection is None or isinstance(detection, str))


def put_in_force(session: AgentSession[Any], vad: Any, handling: Mapping[str, Any]) -> None:
    """Replace a session's `vad` and `turn_handling`, whatever it was made with.

    A session without VAD stays without. Options that `handling` doesn't name, such as `user_turn_limit`,
    stay.
    """
    if session._vad is not None:
        session._vad, session._using_default_vad = vad, False
    options = session._opts
    kept: dict[str, Any] = dict(options.turn_handling)
    for part in ("endpointing", "interruption", "preemptive_generation"):
        kept[part] = {**kept[part], **handling[part]}
    if not own_detector(session):
        kept["turn_detection"] = session._turn_detection = handling["turn_detection"]
        session._turn_detection_explicit = True
    options.turn_handling = kept  # type: ignore[assignment]
    options.endpointing_overrides = handling["endpointing"]
    session._interruption_detection = handling["interruption"].get("mode", NOT_GIVEN)
    options.session_close_transcript_timeout = 0.0


def _as_made(detection: Any) -> Any:
    """The detection that LiveKit's defaults depend on: a text model doesn't stream, its stand-in does."""
    return None if getattr(type(detection), "in_place_of_text", False) else detection


def _detector(detection: Any) -> dict[str, Any]:
    if isinstance(detection, TurnDetector):
        given = detection._opts.thresholds.overrides
        english = given.get("en") if isinstance(given, dict) else given
        return {"model": "v1-mini"} | ({"unlikely_threshold": english} if isinstance(english, float) else {})
    if detection in ("manual", "realtime_llm"):
        who = "a client that presses a button" if detection == "manual" else "a speech-to-speech model"
        raise Unanswerable(
            f"turn_detection={detection!r} can't be measured with recordings: it needs {who}; expected "
            "'vad', 'stt' or a turn detector"
        )
    return {"model": "stt" if detection == "stt" else "vad"}


def _vad(vad: Any) -> dict[str, Any]:
    model = (
        "silero"
        if vad is not None and type(vad).__module__.startswith("livekit.plugins.silero")
        else "livekit"
    )
    options = getattr(vad, "_opts", None)
    known = {name: getattr(options, name) for name in VAD_FIELDS if hasattr(options, name)}
    activation, deactivation = known.get("activation_threshold"), known.get("deactivation_threshold")
    if activation is not None and deactivation == default_deactivation(activation):
        del known["deactivation_threshold"]
    return {"model": model} | known


def _known(given: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given.get(name, default) for name, default in fields.items()}
