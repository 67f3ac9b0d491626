"""Events of a modelled speech-to-text, and how LiveKit reads the times of any.

Goal: where no transcript is given, the events a streaming speech-to-text would send.
Conventions: seconds; recording times in `stt_events`, stream times elsewhere (`in_stream` converts).
Assumptions: the speech-to-text hears what the labels call speech. In `stt` mode it joins what lies closer
together than its `stt_silence` into one utterance, says START_OF_SPEECH 0.1 s into it, and at `stt_silence` +
`transcription_delay` after it the final transcript and END_OF_SPEECH. In other modes it gives one final
transcript per stretch of speech that the VAD hears, `transcription_delay` after it. It tells no word times;
its END_OF_SPEECH tells when the speech ended if `stt_tells_end`, and LiveKit counts `min_delay` from there
(audio_recognition.py:1419).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.labels import Ipu, Labels
from ...core.settings import Conditions
from ...core.timeline import Floats
from ...core.traces import SttEvent
from .records import Pauses

START_DELAY_S = 0.1
"""From the start of an utterance to START_OF_SPEECH."""
NEAR_TOLD_S = 0.25
"""The recorded session and a replay may place one end of speech so far apart: their VADs may differ."""
UNKNOWN = "\u2026"
"""The text of speech whose words are not known: LiveKit ignores a final without text."""


def stt_events(labels: Labels, conditions: Conditions) -> tuple[SttEvent, ...]:
    """What a speech-to-text would say in `stt` mode, from the user's IPUs; recording times, in order.

    At one moment a final comes before its END_OF_SPEECH, which tells when the speech ended if
    `Conditions.stt_tells_end`.

    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0, "One."), Ipu("user", 2.25, 3.0, "Two.")), ())
    >>> events = stt_events(labels, Conditions(stt_silence=0.5, transcription_delay=0.25))
    >>> [(event.time_s, event.kind, event.text) for event in events]
    [(1.1, 'start_of_speech', ''), (3.75, 'final', 'One. Two.'), (3.75, 'end_of_speech', '')]
    """
    utterances: list[list[Ipu]] = []
    end_s = -np.inf
    for ipu in sorted((ipu for ipu in labels.ipus if ipu.speaker == "user"), key=lambda ipu: ipu.start_s):
        if not utterances or ipu.start_s - end_s >= conditions.stt_silence:
            utterances.append([])
        utterances[-1].append(ipu)
        end_s = max(end_s, ipu.end_s)
    events = []
    for ipus in utterances:
        text = " ".join(ipu.text for ipu in ipus if ipu.text) or _said(labels, ipus) or UNKNOWN
        spoken_s = max(i.end_s for i in ipus)
        decided_s = spoken_s + conditions.stt_silence + conditions.transcription_delay
        told_s = spoken_s if conditions.stt_tells_end else None
        events.append(SttEvent(ipus[0].start_s + START_DELAY_S, "start_of_speech"))
        events.append(SttEvent(decided_s, "final", text))
        events.append(SttEvent(decided_s, "end_of_speech", end_s=told_s))
    return tuple(sorted(events, key=lambda event: event.time_s))


def _said(labels: Labels, ipus: Sequence[Ipu]) -> str:
    """The user's words within these stretches of speech."""
    start_s, end_s = ipus[0].start_s, max(ipu.end_s for ipu in ipus)
    said = [one for one in labels.words if one.speaker == "user" and start_s <= one.middle_s <= end_s]
    return " ".join(one.text for one in said)


def final_times(pauses: Pauses, transcription_delay: float, told_s: Floats | None = None) -> Floats:
    """When the final of the speech before each pause comes, stream times; shape=(pauses,).

    `told_s`: where speech ended and when its final came, as the recorded session tells, shape=(n, 2), in
    order: a pause that begins within `NEAR_TOLD_S` of the nearest such end has that final, as it was.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)  # speech up to 1.294 s
    >>> final_times(pauses, 0.3).round(3).tolist()
    [1.594]
    >>> final_times(pauses, 0.3, np.array([[0.5, 0.9], [1.2, 1.7], [9.0, 9.5]])).tolist()
    [1.7]
    """
    times_s: Floats = pauses.last_speaking_s + transcription_delay
    if told_s is None or not len(told_s):
        return times_s
    after = np.searchsorted(told_s[:, 0], pauses.last_speaking_s)
    before = np.maximum(after - 1, 0)
    after = np.minimum(after, len(told_s) - 1)
    to_before, to_after = (np.abs(told_s[k, 0] - pauses.last_speaking_s) for k in (before, after))
    nearest = np.where(to_before <= to_after, before, after)
    near = np.minimum(to_before, to_after) <= NEAR_TOLD_S
    return np.where(near, told_s[nearest, 1], times_s)


def transcripts_of(
    pauses: Pauses, transcription_delay: float, told_s: Floats | None = None
) -> list[SttEvent]:
    """One final for each stretch of speech (`final_times`), but never before its own START_OF_SPEECH.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> [round(float(event.time_s - pauses.last_speaking_s[0]), 3) for event in transcripts_of(pauses, 0.3)]
    [0.3]
    """
    times_s = np.maximum(final_times(pauses, transcription_delay, told_s), pauses.start_of_speech_s)
    return [SttEvent(time_s, "final", UNKNOWN) for time_s in times_s.tolist()]


def in_stream(events: Sequence[SttEvent], offset_s: float) -> list[SttEvent]:
    """Events of the recording at stream times, in order of time; `offset_s` is stream less recording time.

    >>> in_stream([SttEvent(2.5, "final", "Yes.", end_s=2.0)], 0.25)[0].end_s
    2.25
    """

    def moved(at_s: float | None) -> float | None:
        return None if at_s is None else at_s + offset_s

    found = [
        SttEvent(one.time_s + offset_s, one.kind, one.text, moved(one.start_s), moved(one.end_s))
        for one in events
    ]
    return sorted(found, key=lambda event: event.time_s)


def speaking_time(event: SttEvent) -> float:
    """The last speaking time that a transcript implies (audio_recognition.py:1253-1264); stream times.

    `end_time` counts from the first sample the agent hears, which is stream time.

    >>> timed = SttEvent(2.5, "final", "Yes.", end_s=2.0)
    >>> speaking_time(timed), speaking_time(SttEvent(2.5, "final", "Yes."))
    (2.0, 2.5)
    """
    return min(event.end_s, event.time_s) if event.end_s is not None and tells_time(event) else event.time_s


def tells_time(event: SttEvent) -> bool:
    """Whether a transcript tells where its words end.

    >>> tells_time(SttEvent(2.5, "final", "Yes.", end_s=2.0)), tells_time(SttEvent(2.5, "final", "Yes."))
    (True, False)
    """
    return event.end_s is not None and event.end_s > 0
