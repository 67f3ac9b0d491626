"""A finished call as it is evaluated: from a folder of `lab run`, or from any import format.

Conventions: seconds of the recording. An exchange is what the user said in one turn and all that the agent
did until the user's next words; the first one, without user, is the greeting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ...core.files import read_json
from ...core.labels import Labels, Speaker, spoken_words
from ...core.recording import ObservedTurn, Pcm
from ...core.session_log import SessionLog
from ...latency.extras.audio_scoring import CallScore, score_call
from ...recordings.audio import BadRecording
from ...recordings.band import line_of
from ...recordings.find import find_recordings, load_recording
from ...recordings.formats import livekit_report, otlp
from ...recordings.formats.livekit_history import History, Item, Said, ToolCall, history_of, read_history
from ...recordings.recording_files import RecordingFiles
from ...session.log.files import read_session
from ...session.metrics.scores import false_boundaries


@dataclass(frozen=True)
class Exchange:
    """One turn of the user and what the agent did about it."""

    user: Said | None
    """None for the greeting."""
    agent: tuple[Item, ...]
    before: str
    """What the agent had said last before the turn."""

    @property
    def start_s(self) -> float | None:
        """Where it begins, if that was told."""
        said = (self.user, *(one for one in self.agent if isinstance(one, Said)))
        return next((one.start_s for one in said if one is not None and one.start_s is not None), None)

    @property
    def tools(self) -> tuple[ToolCall, ...]:
        """The tools called, in order."""
        return tuple(one for one in self.agent if isinstance(one, ToolCall))

    @property
    def replies(self) -> tuple[Said, ...]:
        """The agent's messages, in order."""
        return tuple(one for one in self.agent if isinstance(one, Said))


@dataclass(frozen=True)
class Call:
    """What is known of one call."""

    name: str
    folder: str
    source: str
    """ "lab run", or the import format."""
    items: tuple[Item, ...]
    tools_told: bool
    """Whether the source tells which tools were called."""
    errors: tuple[str, ...] = ()
    """Errors of the session, in words without quotations."""
    known: str | None = None
    """The user's words as labels or a transcript tell them; None without."""
    false_boundaries_s: tuple[float, ...] = ()
    audio: CallScore | None = None
    line: str = ""
    """The user's: "telephone" or "wide band"; "" if it can't be told."""
    noise: str = ""
    """Behind the user: "noisy" or "quiet"."""

    @cached_property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The items by exchange, in order. Messages of one user turn that follow each other are one each."""
        found: list[Exchange] = []
        user: Said | None = None
        agent: list[Item] = []
        before = spoken = ""
        for item in self.items:
            if isinstance(item, Said) and item.speaker == "user":
                if user is not None or agent:
                    found.append(Exchange(user, tuple(agent), before))
                user, agent, before = item, [], spoken
                continue
            agent.append(item)
            if isinstance(item, Said) and item.text:
                spoken = item.text
        if user is not None or agent:
            found.append(Exchange(user, tuple(agent), before))
        return tuple(found)

    def exchange_of(self, place: int) -> int:
        """Which exchange holds an item."""
        ends = np.cumsum([len(one.agent) + (one.user is not None) for one in self.exchanges])
        return int(np.searchsorted(ends, place, side="right"))

    @property
    def has_text(self) -> bool:
        """Whether what was said was kept."""
        said = [one for one in self.items if isinstance(one, Said)]
        return bool(said) and all(one.text is not None for one in said)

    def said(self, speaker: Speaker) -> str:
        """All that one side said, a line per message."""
        return "\n".join(
            one.text or "" for one in self.items if isinstance(one, Said) and one.speaker == speaker
        )


def read_call(files: RecordingFiles) -> Call:
    """One call with its audio scored. Raises ValueError, naming the file, for one that can't be read."""
    folder = files.user.parent
    if (folder / "session.json").exists():
        return _of_session(folder, files.name)
    recording = load_recording(files)
    provenance = recording.provenance
    if files.format == livekit_report.NAME:
        history = read_history(files.details[0])
    else:
        tools = otlp.read_tools(files.details[0]) if files.format == otlp.NAME else ()
        history = History(_items(provenance.turns if provenance else (), tools), {})
    if not history.items:
        finding = "tells nothing of what was said and done"
        remedy = "bring session reports (docs/formats.md), or results of lab run"
        raise BadRecording.of(files.user, finding, remedy)
    heard = recording.user, recording.agent
    call = Call(
        files.name,
        str(folder),
        files.format,
        history.items,
        files.format in (livekit_report.NAME, otlp.NAME),
        _errors(history),
        _known(recording.labels),
    )
    return _with_audio(call, *heard)


def _items(turns: Sequence[ObservedTurn], tools: Sequence[tuple[float, str, bool]]) -> tuple[Item, ...]:
    """Turns and tools in order of their start; where no turn has a text, texts weren't kept."""
    kept = any(turn.text for turn in turns)
    timed: list[tuple[float, Item]] = [(at_s, ToolCall(name, None, failed)) for at_s, name, failed in tools]
    last_s = 0.0
    for turn in turns:
        last_s = last_s if turn.start_s is None else turn.start_s
        text = turn.text if kept else None
        e2e_s = turn.stages.get("e2e_latency")
        timed.append((last_s, Said(turn.speaker, text, turn.start_s, turn.interrupted, e2e_s)))
    return tuple(item for _, item in sorted(timed, key=lambda one: one[0]))


def _of_session(folder: Path, name: str) -> Call:
    """A session of `lab run`; the words of its recording, if that is where `summary.json` says."""
    log = read_session(folder)
    history = history_of(log.report)
    labels = _labels_of(folder)
    call = Call(
        name,
        str(folder),
        "lab run",
        history.items,
        True,
        (*_errors(history), *_failure(log)),
        _known(labels),
        tuple(false_boundaries(log, labels).tolist()) if labels and labels.labels else (),
    )
    return _with_audio(call, log.heard[:, 0], log.heard[:, 1])


def _failure(log: SessionLog) -> tuple[str, ...]:
    return (f"session failed: {log.failure.partition(':')[0]}",) if log.failure else ()


def _labels_of(folder: Path) -> Labels | None:
    """The labels of the recording that a session was run on; None where it isn't there any more."""
    try:
        summary = read_json(folder.parent / "summary.json")
        (row,) = [one for one in summary["recordings"] if one["folder"] == folder.name]
        (files,) = find_recordings(row["path"])
        return load_recording(files).labels
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _errors(history: History) -> tuple[str, ...]:
    return tuple(f"error of the {part}" for part, n in history.errors.items() for _ in range(n))


def _known(labels: Labels | None) -> str | None:
    if labels is None:
        return None
    words = [one.text.strip() for one in spoken_words(labels) if one.speaker == "user"]
    return " ".join(filter(None, words)) or None


def _with_audio(call: Call, user: Pcm, agent: Pcm | None) -> Call:
    if not len(user):
        return call
    line, noise = line_of(user)
    both = np.stack((user, np.zeros_like(user) if agent is None else agent), axis=1)
    return replace(call, audio=score_call(both), line=line, noise=noise)
