"""Latency of each reply by stage: which of LiveKit's figures add up to `e2e_latency`, and which overlap.

Goal: split the time from the user's last speech to the agent's first audio into parts that do not overlap.
Conventions: seconds; one row per reply; what LiveKit did not report is NaN, never zero.
Definitions (livekit-agents 1.8.9, `AA` = voice/agent_activity.py, `AR` = voice/audio_recognition.py):
- Everything counts from the last speaking time (`stopped_speaking_at`): `end_of_turn_delay` is commit - that
  (AR:123), `e2e_latency` is first audio - that (AA:3955).
- `transcription_delay` is final transcript - that (AR:122): it lies *inside* `end_of_turn_delay`, since
  nothing is committed before a final transcript. It is no part of the sum.
- The stages that follow one another are `ADDED`: `end_of_turn_delay`, `on_user_turn_completed_delay` (the
  hook, run after the commit: AA:2877-2909), `llm_node_ttft` (request to first token: generation.py:200, 325),
  `tts_node_ttfb` (text sent to the TTS to first audio: generation.py:517-528), `playback_latency` (first
  frame forwarded to playback started: AA:3952).
- `other` is the time between them that no figure covers: waiting for older speech to end, for a tool and the
  first LLM call that asked for it, and for a whole sentence before any text is sent to the TTS. It includes
  the stages that LiveKit did not report (`missing`).
- With preemptive generation the LLM (and with `preemptive_tts` the TTS) starts before the commit; then the
  stages sum to more than `e2e_latency`. `saved` is the time of stages that ran during the wait for the
  commit. Hence sum of `ADDED` + other - saved = e2e_latency.
- How much of a stage ran during the wait follows from the log's events where it has them (`llm_starts` and
  `llm_first_token`, `tts_starts` and `tts_first_audio` that match the reply's figure). Otherwise it is the
  least value that explains the total: then only the difference of `saved` and `other` is known, and one of
  them is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...core.session_log import Reply, SessionEventKind, SessionLog
from ...core.stages import STAGE_NAMES, STAGES
from ...core.timeline import Floats
from .spans import Activity, activities

ADDED = tuple(stage.name for stage in STAGES if stage.in_sum)
"""The stages that follow one another, in order."""
VISIBLE = (*ADDED, "other")
"""The parts that `visible` returns: `ADDED`, and what lies between them."""
SUMMARIZED = (*STAGE_NAMES[:-1], "other", "saved", STAGE_NAMES[-1])
"""All of LiveKit's figures, with "other" and "saved" before the total."""
MATCH_S = 0.02
"""A generation belongs to a reply if its time to first output is this close to LiveKit's figure."""
ROUNDING_S = 1e-9
"""Smaller differences are rounding errors of sums."""
_EVENTS: dict[str, SessionEventKind] = {
    stage.name: stage.starts for stage in STAGES if stage.starts is not None
}
_FILLED_FIRST = (*(name for name in ADDED if name not in _EVENTS), *reversed(_EVENTS))
"""Stages in the order in which they are taken to be visible: wait and playback first, then TTS, then LLM."""


@dataclass(frozen=True)
class ReplyStages:
    """The replies of a session as a plot shows them, one bar each."""

    table: pd.DataFrame
    """`stage_table`, a row per reply."""
    starts: pd.DataFrame
    """Where each visible part begins, in seconds after the last speech; columns `VISIBLE`."""
    lengths: pd.DataFrame
    """How long each visible part takes; NaN if it isn't known or has no length."""
    ends_s: Floats
    """`e2e_latency` + `saved`, 0 for a reply that was never heard; shape=(replies,)."""
    final_s: Floats
    """When the final transcript came, NaN where that isn't known or the reply was never heard."""
    p50_s: float | None
    """Median of `e2e_latency`; None if no reply was heard."""
    p95_s: float | None

    @classmethod
    def of(cls, log: SessionLog) -> ReplyStages:
        """The replies of one session."""
        return cls.of_table(stage_table(log))

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> ReplyStages:
        """The replies of a `stage_table`."""
        parts = visible(table)
        lengths = parts.where(parts > 0)
        total = stage_summary(table).loc["e2e_latency"].to_dict()
        final = table["transcription_delay"]
        return cls(
            table=table,
            starts=lengths.fillna(0.0).cumsum(axis=1).shift(1, axis=1, fill_value=0.0),
            lengths=lengths,
            ends_s=(table["e2e_latency"] + table["saved"]).fillna(0.0).to_numpy(np.float64),
            final_s=final.where((final > 0) & table["e2e_latency"].notna()).to_numpy(np.float64),
            p50_s=float(total["p50"]) if total["n"] else None,
            p95_s=float(total["p95"]) if total["n"] else None,
        )


def stage_table(log: SessionLog) -> pd.DataFrame:
    """One row per reply to a user turn; greetings, which answer nothing, have none.

    Columns: reply (its place in `log.replies`), commit_s, interrupted, transcription_delay, `ADDED`
    (LiveKit's own figures), other, saved, e2e_latency, `visible_*` for each of `ADDED` (the part of it that
    is not `saved`) and missing (the names of stages without a figure, joined by spaces). `other`, `saved` and
    `visible_*` are NaN where `e2e_latency` is: if the reply was interrupted before it was heard, or if its
    turn has no last speaking time of its own (AR:104-118), as after a late transcript.
    """
    runs = {name: activities(log, kind) for name, kind in _EVENTS.items()}
    rows = [_row(k, reply, runs) for k, reply in enumerate(log.replies) if reply.commit_s is not None]
    return stage_frame(rows)


def stage_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A `stage_table` of its rows, as `to_dict("records")` gives them."""
    columns = ["reply", "commit_s", "interrupted", *SUMMARIZED, *map(_visible, ADDED), "missing"]
    kinds: dict[str, Any] = dict.fromkeys(columns, np.float64)
    kinds |= {"reply": np.int64, "interrupted": np.bool_, "missing": "str"}
    return pd.DataFrame(list(rows), columns=columns).astype(kinds)


def visible(table: pd.DataFrame) -> pd.DataFrame:
    """The parts of a `stage_table` that do not overlap: columns `VISIBLE`, summing to `e2e_latency`.

    A stage that LiveKit did not report is NaN and its time is in `other`.
    """
    parts = table[[*map(_visible, ADDED), "other"]]
    return parts.set_axis(list(VISIBLE), axis=1)


def stage_summary(tables: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Mean, p50, p90, p95 and n of each of `SUMMARIZED` over the replies of one or several logs.

    n counts the replies with that figure. Percentiles of stages do not add up to the percentile of the total.
    """
    several = [tables] if isinstance(tables, pd.DataFrame) else list(tables)
    pooled = {name: np.concatenate([t[name].to_numpy(np.float64) for t in several]) for name in SUMMARIZED}
    rows = {name: _figures(values[np.isfinite(values)]) for name, values in pooled.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "p50", "p90", "p95", "n"])
    return frame.astype({"n": np.int64})


def _figures(known: np.ndarray) -> list[float]:
    if not len(known):
        return [np.nan] * 4 + [0]
    return [float(known.mean()), *np.percentile(known, (50, 90, 95)).tolist(), len(known)]


def _row(place: int, reply: Reply, runs: dict[str, tuple[Activity, ...]]) -> dict[str, object]:
    stages = {name: reply.stages.get(name, np.nan) for name in STAGE_NAMES}
    e2e_s = stages["e2e_latency"]
    shown = dict.fromkeys(ADDED, np.nan)
    other = saved = np.nan
    if np.isfinite(e2e_s):
        left_s, saved = e2e_s, 0.0
        for name in _FILLED_FIRST:
            if np.isfinite(stages[name]):
                most_s = stages[name] - _behind_the_wait(name, reply, runs.get(name, ()))
                shown[name] = min(most_s, left_s)
                left_s -= shown[name]
                saved += stages[name] - shown[name]
        other, saved = (0.0 if x < ROUNDING_S else x for x in (left_s, saved))
    return {
        "reply": place,
        "commit_s": reply.commit_s,
        "interrupted": reply.interrupted,
        **stages,
        "other": other,
        "saved": saved,
        **{_visible(name): value for name, value in shown.items()},
        "missing": " ".join(name for name in ADDED if name not in reply.stages),
    }


def _behind_the_wait(name: str, reply: Reply, runs: tuple[Activity, ...]) -> float:
    """Seconds of a stage that ran before commit and hook were over; 0 if the events do not tell."""
    stages = reply.stages
    if reply.commit_s is None or not {"end_of_turn_delay", "e2e_latency", name} <= set(stages):
        return 0.0
    free_s = reply.commit_s + stages.get("on_user_turn_completed_delay", 0.0)
    heard_s = reply.commit_s - stages["end_of_turn_delay"] + stages["e2e_latency"]
    for run in reversed(runs):
        took_s = run.first_s - run.start_s
        if run.first_s <= heard_s + MATCH_S and abs(took_s - stages[name]) <= MATCH_S:
            return float(np.clip(free_s - run.start_s, 0.0, stages[name]))
    return 0.0


def _visible(name: str) -> str:
    return f"visible_{name}"
