"""Makes the rows of a session's turns from its log (definitions: `turns`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.labels import Labels, user_turns
from ...core.session_log import Reply, SessionEventKind, SessionLog
from ...core.timeline import Floats
from ...session.scripted.stt_plan import words_of
from ..techniques.notes import Note
from .turns import REPORTED

AT_ONCE_S = 1e-6
"""Two times that differ by at most this are the same."""
BY = {
    ("model_routing", "answered by large"): "large",
    ("model_routing", "answered by small"): "small",
    ("semantic_cache", "hit"): "cache",
}
"""Entry of the turn log (technique, what) -> who answers."""


class Turn(NamedTuple):
    """One turn of the caller by the labels, with its words; times in seconds."""

    start_s: float
    end_s: float
    """Its true end."""
    until_s: float
    """Start of the caller's next turn; infinity for the last turn."""
    first_word_s: float
    """End of its first word."""
    words: int


def turns_of(labels: Labels) -> list[Turn]:
    """The caller's labelled turns in order (`user_turns`), with their words."""
    words = words_of(labels)
    turns, after_s = [], 0.0
    for turn in user_turns(labels):
        said = [word for word in words if after_s <= word.middle_s <= turn.end_s]
        said = [word for word in said if word.end_s > turn.start_s]
        first_word_s = said[0].end_s if said else turn.start_s
        turns.append(Turn(turn.start_s, turn.end_s, turn.until_s, first_word_s, len(said)))
        after_s = turn.end_s
    return turns


def turn_rows(
    log: SessionLog, labels: Labels, notes: Sequence[Note], origin_s: float
) -> Iterator[dict[str, Any]]:
    """A row per labelled end of turn; `origin_s` is `time.time()` of the recording's second 0."""
    commits, playouts = _times(log, "commit"), _times(log, "playout_starts")
    transcripts, tools = _times(log, "transcript"), _times(log, "tool_starts")
    for place, turn in enumerate(turns_of(labels)):
        commit_s = _first(commits, turn.end_s - AT_ONCE_S, turn.until_s)
        audio_s = _first(playouts, commit_s, turn.until_s)
        partial_s = _first(transcripts, turn.start_s, turn.until_s)
        reply = next((one for one in log.replies if _within(one.commit_s, commit_s, audio_s)), None)
        yield {
            "turn": place,
            "end_s": turn.end_s,
            "words": turn.words,
            "answered_by": _answered_by(notes, origin_s + commit_s, origin_s + audio_s),
            "tool": bool(np.isfinite(_first(tools, commit_s, audio_s))),
            "turn_total_s": _rounded(audio_s - turn.end_s),
            "after_commit_s": _rounded(audio_s - commit_s),
            "commit_s": _rounded(commit_s - turn.end_s),
            "answer_s": _rounded(answer_s(log, commit_s, turn.until_s) - turn.end_s),
            "stt_first_partial_s": _rounded(partial_s - turn.first_word_s),
            **_stages(reply),
        }


def _times(log: SessionLog, kind: SessionEventKind) -> Floats:
    return np.array([event.time_s for event in log.of_kind(kind)], dtype=np.float64)


def _first(times: Floats, from_s: float, until_s: float) -> float:
    """The first moment in `[from_s, until_s)`; NaN if there is none."""
    inside = times[(times >= from_s) & (times < until_s)]
    return float(inside.min()) if len(inside) else np.nan


def answer_s(log: SessionLog, commit_s: float, until_s: float) -> float:
    """When the answer itself begins, after what is said before a tool has answered; NaN if there is none.

    After a tool that is what the model says: a filler may begin when the tool has answered already.
    """
    commits, tools = _times(log, "commit"), _times(log, "tool_starts")
    next_s = np.nan_to_num(_first(commits, np.nextafter(commit_s, np.inf), until_s), nan=until_s)
    tools = tools[(tools >= commit_s) & (tools < next_s)]
    if not len(tools):
        return _first(_times(log, "playout_starts"), commit_s, next_s)
    asked_s = _first(_times(log, "llm_starts"), tools.max(), next_s)
    of_model = [one.time_s for one in log.of_kind("playout_starts") if one.data.get("source") != "say"]
    return _first(np.array(of_model), asked_s, next_s)


def _within(time_s: float | None, from_s: float, until_s: float) -> bool:
    return time_s is not None and from_s - AT_ONCE_S <= time_s <= until_s + AT_ONCE_S


def _answered_by(notes: Sequence[Note], from_s: float, until_s: float) -> str:
    """Who answers, by the last note about it between the two times; "" without one."""
    told = [(note.technique, note.what) for note in notes if _within(note.at_s, from_s, until_s)]
    known = [BY[entry] for entry in told if entry in BY]
    return known[-1] if known else ""


def _stages(reply: Reply | None) -> dict[str, float]:
    stages = {} if reply is None else reply.stages
    return {name: _rounded(stages.get(theirs, np.nan)) for name, theirs in REPORTED.items()}


def _rounded(seconds: float) -> float:
    """Rounded to the nanosecond: smaller differences are rounding errors of sums."""
    return round(seconds, 9)
