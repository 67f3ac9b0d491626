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
- e2e_p50, e2e_p95: LiveKit's `e2e_latency` of all replies that have one, also of those to false boundaries. A
  reply to a late transcript has none (see `stages`).
"""

from __future__ import annotations

import numpy as np

from ...core.labels import Labels
from ...core.session_log import SessionLog
from ...core.timeline import Floats
from .spans import session_commits
from .stages import stage_summary, stage_table

SESSION_SCORES = (
    "commits",
    "false_boundaries",
    "heard",
    "replies",
    "interrupted",
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
        "e2e_p50": float(e2e["p50"]),
        "e2e_p95": float(e2e["p95"]),
    }


def heard_replies(log: SessionLog) -> Floats:
    """Times of the commits whose replies began to play; shape=(n,)."""
    table = stage_table(log)
    heard = table[["playback_latency", "e2e_latency"]].notna().any(axis=1)
    return table["commit_s"][heard].to_numpy(np.float64)


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
