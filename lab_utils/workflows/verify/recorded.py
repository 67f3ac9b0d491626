"""Sessions that were recorded in production, replayed under their own settings: `lab verify --recorded`.

What a LiveKit report or a span dump tells of a commit: the user's last speaking time, the delay until the
commit, and the delay until the last final transcript (`end_of_turn_delay`, `transcription_delay`). The replay
is given those transcripts at their times. A commit counts as reproduced if the replay has one within
`NEAR_S`; each may be used once. What the report lacks comes from a profile or is LiveKit's default, and is
listed (`Recorded.assumed`).

Why the others differ is told by what is known of them, the first that applies (`Reason`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.files.places import Folder
from ...core.recording import Recording
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.timeline import Floats
from ...core.traces import Commits, SttEvent
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_in, load_recording
from ...session.job import HasSettings, conditions_in, settings_in
from ...turns.replay import replay
from ...turns.replay.stt_events import UNKNOWN
from ...turns.told_settings import settings_of_report
from ...turns.tracing import TraceCache, Tracer

NEAR_S = 0.1
"""A commit of the replay this near is the session's."""

Reason = Literal[
    "other audio or VAD", "other prediction", "held transcript", "other transcript", "unexplained"
]
"""Why a commit differs.

- other audio or VAD: both end a turn here, but place the user's last speech more than `NEAR_S` apart, or only
  one of them hears speech end.
- other prediction: they agree on the last speech, and one waited as for a likely end, the other as for an
  unlikely one: another detector or threshold, or audio that was coded before it was recorded.
- held transcript: the agent was speaking; adaptive interruption (LiveKit's cloud) or `min_words` may have
  held back what the user said.
- other transcript: they agree on the last speech, and the session waited for a final transcript whose time
  the replay doesn't know.
"""


@dataclass(frozen=True)
class RecordedCommit:
    """One commit of the session, in recording time."""

    time_s: float
    last_speaking_s: float
    final_s: float | None
    """The last final transcript of the turn, if the report tells."""
    text: str


@dataclass(frozen=True)
class Difference:
    """A commit that only one side has; the time of the other side's is NaN."""

    recorded_s: float
    replayed_s: float
    why: Reason


@dataclass(frozen=True)
class Recorded:
    """One session against its replay."""

    recording: str
    settings: Settings
    assumed: tuple[str, ...]
    """What the report doesn't tell, and what was taken instead."""
    commits: int
    """Of the session, with a time."""
    untimed: int
    """User turns whose commit the report doesn't tell the time of."""
    errors_s: tuple[float, ...]
    """Replay less session, of each reproduced commit."""
    differences: tuple[Difference, ...]

    @property
    def reproduced(self) -> float:
        """Share of the session's commits; NaN without any."""
        return len(self.errors_s) / self.commits if self.commits else float("nan")

    @property
    def extra(self) -> int:
        """Commits of the replay that the session had not."""
        return sum(math.isnan(one.recorded_s) for one in self.differences)

    @property
    def why(self) -> Mapping[Reason, int]:
        """How many commits differ for which reason."""
        return Counter(one.why for one in self.differences)


def recorded_commits(recording: Recording) -> tuple[list[RecordedCommit], int]:
    """The commits that a recording's report tells of, in order, and how many user turns have no time.

    Raises BadRecording for a recording without a report.
    """
    if recording.provenance is None or not recording.provenance.turns:
        finding, remedy = "no report of its session", "import it with its session report or span dump"
        raise BadRecording.of(Path(recording.path), finding, remedy)
    commits, untimed = [], 0
    for turn in (turn for turn in recording.provenance.turns if turn.speaker == "user"):
        delay_s = turn.stages.get("end_of_turn_delay")
        if turn.end_s is None or delay_s is None:
            untimed += 1
            continue
        final = turn.stages.get("transcription_delay")
        final_s = None if final is None else turn.end_s + final
        commits.append(RecordedCommit(turn.end_s + delay_s, turn.end_s, final_s, turn.text))
    return sorted(commits, key=lambda one: one.time_s), untimed


def transcripts_told(commits: Sequence[RecordedCommit]) -> tuple[SttEvent, ...]:
    """The finals of the turns, at the time that the report tells, or else with the last speech."""
    finals = (
        SttEvent(one.last_speaking_s if one.final_s is None else one.final_s, "final", one.text or UNKNOWN)
        for one in commits
    )
    return tuple(sorted(finals, key=lambda event: event.time_s))


def verify_recorded(
    paths: Sequence[str | Path],
    profile: Settings | HasSettings | None = None,
    *,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
) -> Iterator[Recorded | BadRecording]:
    """Each imported session against its replay, in order; BadRecording where one can't be used.

    `profile`: gives what a report doesn't tell; None: LiveKit's defaults.
    """
    base = Settings() if profile is None else settings_in(profile)
    conditions = USUAL_CONDITIONS if profile is None else conditions_in(profile)
    source = "LiveKit's default" if profile is None else "the profile"
    tracer = Tracer(TraceCache.at(cache))
    found, failed = find_in(paths, channels)
    for _, error in failed:
        yield error
    for files in found:
        try:
            yield _against_replay(files, tracer, base, conditions, source)
        except BadRecording as error:
            yield error


def _against_replay(
    files: RecordingFiles, tracer: Tracer, base: Settings, conditions: Conditions, source: str
) -> Recorded:
    recording = tracer.labelled(load_recording(files))
    assert recording.labels is not None
    commits, untimed = recorded_commits(recording)
    assert recording.provenance is not None
    settings, assumed = settings_of_report(recording.provenance.settings, base, source)
    if settings.detector.model == "stt":
        finding = "the profile's detector is stt, and a report doesn't tell when the STT ended speech"
        raise BadRecording.of(Path(recording.path), finding, "give a profile with another detector")
    events = transcripts_told(commits)
    traced = tracer.trace_session(recording, settings, conditions, 0, events)
    replayed = replay(traced, settings, conditions, 0, events)
    pairs = match(np.array([one.time_s for one in commits]), replayed.time_s)
    agent = recording.labels.spans("agent")
    return Recorded(
        recording=recording.name,
        settings=settings,
        assumed=assumed,
        commits=len(commits),
        untimed=untimed,
        errors_s=tuple(float(replayed.time_s[j] - commits[i].time_s) for i, j in pairs),
        differences=tuple(_differences(commits, replayed, pairs, agent, settings)),
    )


def match(recorded_s: Floats, replayed_s: Floats) -> list[tuple[int, int]]:
    """Pairs of commits no more than `NEAR_S` apart, in order; each is used once, the nearest first.

    >>> match(np.array([1.0, 5.0]), np.array([1.04, 1.08, 4.0]))
    [(0, 0)]
    """
    distance = np.abs(recorded_s[:, None] - replayed_s[None, :])
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(distance, axis=None, kind="stable"):
        i, j = divmod(int(place), max(len(replayed_s), 1))
        if distance[i, j] > NEAR_S:
            break
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def _differences(
    commits: Sequence[RecordedCommit],
    replayed: Commits,
    pairs: Sequence[tuple[int, int]],
    agent: Floats,
    settings: Settings,
) -> Iterator[Difference]:
    """What only one side has, in order of time; the other side's commit about the same speech tells why."""
    lone = sorted(set(range(len(commits))) - {i for i, _ in pairs})
    extra = sorted(set(range(len(replayed.time_s))) - {j for _, j in pairs})
    found = []
    for i in lone:
        one = commits[i]
        same = [j for j in extra if abs(replayed.last_speaking_s[j] - one.last_speaking_s) <= NEAR_S]
        found.append(Difference(one.time_s, np.nan, _why_lone(one, replayed, same, agent, settings)))
    for j in extra:
        at_s, last_s = float(replayed.time_s[j]), float(replayed.last_speaking_s[j])
        other = [commits[i] for i in lone if abs(commits[i].last_speaking_s - last_s) <= NEAR_S]
        why: Reason = "other audio or VAD"
        if other:
            why = _why_lone(other[0], replayed, [j], agent, settings)
        elif _speaks(agent, last_s) or _speaks(agent, at_s):
            why = "held transcript"
        found.append(Difference(np.nan, at_s, why))
    yield from sorted(found, key=lambda one: np.nanmin([one.recorded_s, one.replayed_s]))


def _why_lone(
    one: RecordedCommit, replayed: Commits, same: Sequence[int], agent: Floats, settings: Settings
) -> Reason:
    """Why the replay has no commit at a session's; `same`: its own commits about the same speech."""
    if not same:
        return "held transcript" if _speaks(agent, one.last_speaking_s) else "other audio or VAD"
    waited_s = one.time_s - one.last_speaking_s
    early, late = settings.endpointing.min_delay, settings.endpointing.max_delay
    as_unlikely = abs(waited_s - late) <= NEAR_S
    if settings.detector.model == "v1-mini" and early != late:
        said_unlikely = replayed.cause[same[0]] == "max_delay"
        if as_unlikely != said_unlikely:
            return "other prediction"
    if one.final_s is None or one.final_s > one.time_s - NEAR_S:
        return "other transcript"
    return "unexplained"


def _speaks(agent: Floats, at_s: float) -> bool:
    return bool(((agent[:, 0] <= at_s) & (at_s < agent[:, 1])).any()) if len(agent) else False
