"""Where LiveKit does something else than a setting seems to say: one line each, with the remedy."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.knobs import idle_knobs
from ...core.languages import ENGLISH_UNLIKELY_THRESHOLD, LIVEKIT_THRESHOLDS, ByLanguage
from ...core.settings import Conditions, Settings
from ..metrics.per_recording import PerRecording

FEW_HOLDS = 50
"""With fewer, one hold more or less cut moves the rate by over 2 %."""


def surprises(
    settings: Settings, conditions: Conditions, recordings: Sequence[PerRecording] = ()
) -> tuple[str, ...]:
    """What may surprise in one setting; `recordings`: what it did there, as far as that is known.

    >>> for line in surprises(Settings().replace(min_delay=0.1), Conditions(transcription_delay=0.2)):
    ...     print(line)
    min_delay (0.1 s) is below the VAD's silence (0.25 s) and changes nothing: no commit comes sooner than \
that. Lower min_silence_duration too
    """
    found = (
        _below_silence(settings),
        _one_delay(settings),
        _unused(settings, recordings),
        _overriding(settings),
        _late_transcripts(settings, conditions),
        _few_holds(recordings),
    )
    return tuple(line for line in found if line)


def _below_silence(settings: Settings) -> str:
    delay_s, silence_s = settings.endpointing.min_delay, settings.vad.min_silence_duration
    if settings.detector.ends_by_stt or settings.endpointing.mode != "fixed" or delay_s >= silence_s:
        return ""
    return (
        f"min_delay ({delay_s:g} s) is below the VAD's silence ({silence_s:g} s) and changes nothing: no "
        "commit comes sooner than that. Lower min_silence_duration too"
    )


def _one_delay(settings: Settings) -> str:
    endpointing = settings.endpointing
    waits_s = max(endpointing.min_delay, settings.vad.min_silence_duration)
    if "max_delay" in idle_knobs(settings.knobs()) or endpointing.mode != "fixed":
        return ""
    if endpointing.max_delay > waits_s:
        return ""
    return (
        f"max_delay ({endpointing.max_delay:g} s) is no longer than the wait after a likely end "
        f"({waits_s:g} s): what the detector says changes nothing. Raise max_delay"
    )


def _unused(settings: Settings, recordings: Sequence[PerRecording]) -> str:
    turns = sum(one.turns for one in recordings)
    judged = settings.detector.traits.has_threshold and settings.endpointing.mode == "fixed"
    if not judged or not turns or any(one.timeouts for one in recordings) or _one_delay(settings):
        return ""
    return (
        f"max_delay is never waited for at the {turns} ends of turn: there it costs nothing, and in holds it "
        "protects where the detector finds an end unlikely"
    )


def _overriding(settings: Settings) -> str:
    threshold, traits = settings.detector.unlikely_threshold, settings.detector.traits
    heard = traits.needs == "predictions" and traits.default_threshold is None
    if not heard or isinstance(threshold, ByLanguage):
        return ""
    if threshold == ENGLISH_UNLIKELY_THRESHOLD:
        return ""
    return (
        f"unlikely_threshold {threshold:g} overrides LiveKit's calibration in every language (German "
        f"{LIVEKIT_THRESHOLDS['de']:g}, English {ENGLISH_UNLIKELY_THRESHOLD:g}). To change one only, give "
        f"thresholds by language: {{en: {threshold:g}}}"
    )


def _late_transcripts(settings: Settings, conditions: Conditions) -> str:
    if settings.detector.ends_by_stt:
        return ""
    wait_s = max(settings.endpointing.min_delay, settings.vad.min_silence_duration)
    late_s = conditions.transcription_delay
    if late_s <= wait_s:
        return ""
    return (
        f"Final transcripts come {late_s:.2f} s after speech, later than the wait after a likely end "
        f"({wait_s:g} s): the first commit of a turn waits for them, a later one leaves its last words out"
    )


def _few_holds(recordings: Sequence[PerRecording]) -> str:
    holds = sum(one.holds for one in recordings)
    if not recordings or holds >= FEW_HOLDS:
        return ""
    if not holds:
        return "No holds in these recordings: how often callers are cut off can't be told. Bring more calls"
    return (
        f"Only {holds} holds: one more or less cut is {100 / holds:.0f} % of the rate. Bring more calls "
        "before you trust it"
    )
