"""One session in a few figures: its false boundaries, what followed from them, and how fast it answered.

Goal: compare sessions of one recording under several settings, in open loop and with a reactive caller.
Conventions: counts and seconds; NaN where there is nothing to take a percentile of.
Definitions:
- false boundary: in open loop as in `attributes`, by the labels. With a reactive caller the labels' times are
  not the session's: there, it is a commit between the start and the end of a turn of the caller
  (`caller_starts`, `caller_ends`), which is the same wherever a recording has no cut-off pause.
- heard: the replies to false boundaries whose playback began. The others were given up before, because the
  caller went on.
- interrupted: replies that the caller's speech stopped. In open loop the caller doesn't react to the agent: a
  reply is interrupted wherever the agent says more, or says it later, than the recorded agent did.
- as_resumed: replies that begin as the caller resumes (livekit/agents#5509): the caller began to speak after
  the commit and up to 0.2 s after the reply's first sound, and still speaks at that sound. Backchannels don't
  count; in open loop the labels tell when the caller speaks, else the session's own caller.
- e2e_p50, e2e_p95: LiveKit's `e2e_latency` of all replies that have one, also of those to false boundaries. A
  reply to a late transcript has none (see `stages`).
"""

from __future__ import annotations

import numpy as np

from ...core.labels import Labels, as_spans, user_ipus
from ...core.session_log import SessionLog
from ...core.timeline import Floats
from .spans import playouts, session_commits
from .stages import stage_summary, stage_table

UNAWARE_S = 0.2
"""Nobody stops speaking sooner because the other has begun."""
SESSION_SCORES = (
    "commits",
    "false_boundaries",
    "heard",
    "replies",
    "interrupted",
    "as_resumed",
    "e2e_p50",
    "e2e_p95",
)
"""What `session_scores` returns, in order."""


def session_scores(log: SessionLog, labels: Labels) -> dict[str, float]:
    """`SESSION_SCORES` of one session; `labels`: those of the recording."""
    table = stage_table(log)
    false_s = false_boundaries(log, labels)
    e2e = stage_summary(table).loc["e2e_latency"].to_dict()
    return {
        "commits": len(log.of_kind("commit")),
        "false_boundaries": len(false_s),
        "heard": int(np.isin(heard_replies(log), false_s).sum()),
        "replies": len(table),
        "interrupted": int(table["interrupted"].sum()),
        "as_resumed": len(replies_as_resumed(log, labels)),
        "e2e_p50": float(e2e["p50"]),
        "e2e_p95": float(e2e["p95"]),
    }


def heard_replies(log: SessionLog) -> Floats:
    """Times of the commits whose replies began to play; shape=(n,)."""
    table = stage_table(log)
    heard = table[["playback_latency", "e2e_latency"]].notna().any(axis=1)
    return table["commit_s"][heard].to_numpy(np.float64)


def replies_as_resumed(log: SessionLog, labels: Labels) -> Floats:
    """First sounds of the replies that begin as the caller resumes, in seconds of the log; shape=(n,)."""
    caller = _caller_speech(log, labels)
    commits_s = np.array([event.time_s for event in log.of_kind("commit")], dtype=np.float64)
    found = []
    for played in playouts(log):
        before = commits_s[commits_s <= played.start_s]
        if not len(before):
            continue  # a greeting
        starts_s, ends_s = caller[:, 0], caller[:, 1]
        resumes = (starts_s > before[-1]) & (starts_s <= played.start_s + UNAWARE_S)
        if np.any(resumes & (ends_s > played.start_s)):
            found.append(played.start_s)
    return np.array(found, dtype=np.float64)


def _caller_speech(log: SessionLog, labels: Labels) -> Floats:
    """When the caller speaks, without backchannels; shape=(n, 2)."""
    if log.mode == "open_loop":
        return user_ipus(labels)
    starts, ends = log.of_kind("caller_starts"), log.of_kind("caller_ends")
    pairs = zip(starts, ends, strict=False)
    return as_spans([(a.time_s, b.time_s) for a, b in pairs if a.data.get("turn") != "backchannel"])


def false_boundaries(log: SessionLog, labels: Labels) -> Floats:
    """Times of the commits that are false boundaries, in seconds of the log; shape=(n,)."""
    if log.mode == "open_loop":
        commits = session_commits(log, labels)
        return commits["commit_s"][commits["false_boundary"]].to_numpy(np.float64)
    starts_s, ends_s = (
        np.array([event.time_s for event in log.of_kind(kind)]) for kind in ("caller_starts", "caller_ends")
    )
    times_s = np.array([event.time_s for event in log.of_kind("commit")], dtype=np.float64)
    inside = (starts_s[:, None] <= times_s) & (times_s < ends_s[:, None])
    return times_s[inside.any(axis=0)]
