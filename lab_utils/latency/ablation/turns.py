"""The two tables that an ablation fills: its turns and its sessions.

Definitions (seconds; "label": the recording's label of the end of the caller's turn):
- `turn_total_s`: from the true end of the caller's turn (label) to the first audio of the agent's answer,
  the first playout after the first commit at or after that end, if it comes before the caller's next turn.
  NaN otherwise, and the turn counts as not answered.
- `commit_s`: from that end to the commit; `after_commit_s`: from the commit to the audio. Their sum is
  `turn_total_s`.
- `answer_s`: from that end to the first audio of what the LLM says once the turn's last tool has answered,
  before the next commit and the next turn: the answer itself where something is said before it (`levers`).
  Without a tool it is `turn_total_s`.
- `stt_first_partial_s`: from the end of the turn's first word to the first transcript of the turn.
- `transcription_s`, `hook_s`, `llm_ttft_s`, `tts_first_audio_s`: what LiveKit reports about the answer
  (`transcription_delay`, `on_user_turn_completed_delay`, `llm_node_ttft`, `tts_node_ttfb`, see
  `metrics.stages`). They may run before the commit, so they do not add up to the total. NaN where there was
  none, as the LLM's for an answer out of a cache.

The guide never defines its `turn_total_ms`. Its stages (140 + 220 + 90) sum to 450 of its 520 ms. The rest is
too short for the wait that makes sure that the caller has finished, so `after_commit_s` is closer to its
definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...core.stages import STAGES as LIVEKIT_STAGES

TURN_KEY = ("recording", "seed", "turn")
"""Identifies a turn of a call with one set of random delays. Configurations are compared turn by turn."""
MEASURES = ("turn_total_s", "after_commit_s")
"""The measures for which savings and verdicts are computed."""
REPORTED = {f"{stage.short}_s": stage.name for stage in LIVEKIT_STAGES if stage.part}
"""Column -> LiveKit's name of the figure, for the figures that LiveKit reports about the agent's parts."""
STAGES = ("commit_s", "stt_first_partial_s", *REPORTED, "answer_s")
TURN_COLUMNS: dict[str, Any] = {
    "configuration": "str",
    "recording": "str",
    "seed": np.int64,
    "turn": np.int64,
    "end_s": np.float64,
    "words": np.int64,
    "answered_by": "str",
    "tool": np.bool_,
    **dict.fromkeys((*MEASURES, *STAGES), np.float64),
}
"""`turn` counts from 0 in its recording; `words` is the number of words by the labels. `answered_by`:
"large", "small", "cache", or "" (no answer, or not known); `tool`: whether a tool was called for the
answer."""
COUNTED = (
    "llm_calls",
    "discarded_calls",
    "drafts",
    "discarded_replies",
    "prompt_tokens",
    "cached_tokens",
    "written_tokens",
    "completion_tokens",
    "tts_characters",
    "cache_hits",
    "tool_calls",
    "unused_prefetches",
    "wasted_look_ups",
    "wrong_answers",
    "false_boundaries",
    "errors",
)
SESSION_COLUMNS: dict[str, Any] = {
    "configuration": "str",
    "recording": "str",
    "seed": np.int64,
    "turns": np.int64,
    "greeted": np.bool_,
    **dict.fromkeys(COUNTED, np.int64),
    "dollars": np.float64,
    "failure": "str",
}
"""What a session did in all, greeting included.

`greeted`: whether the agent spoke first; `discarded_calls`: LLM calls given up before their end, for any
reason; `drafts`: replies begun preemptively; `discarded_replies`: those of them that were never used, even if
their calls ended; `wasted_look_ups`: look-ups that ended, with a result that was never used; `wrong_answers`:
answers to another question or for another tenant; `failure`: empty if the session came to its end.
"""


def table(rows: list[dict[str, Any]], columns: dict[str, Any]) -> pd.DataFrame:
    """Rows as a table of fixed columns and types. Raises KeyError for a row that lacks one."""
    return pd.DataFrame({name: [row[name] for row in rows] for name in columns}).astype(columns)


def acted(turns: pd.DataFrame, technique: str) -> np.ndarray:
    """For each turn, whether the technique can have an effect of its own in it; bool, shape=(turns,)."""
    if technique in ("model_routing", "short_turn_models"):
        return np.asarray(turns["answered_by"] == "small")
    if technique == "semantic_cache":
        return np.asarray(turns["answered_by"] == "cache")
    if technique in ("tool_prefetch", "tool_preamble", "tool_filler"):
        return turns["tool"].to_numpy(np.bool_)
    if technique in ("audio_prebuffering", "tts_warmup"):
        return np.asarray(turns["turn"] == 0)
    if technique == "kv_cache_reuse":
        return np.asarray(turns["turn"] > 0)
    return np.ones(len(turns), np.bool_)


FIRST_TURN = "the first turn of a call"
WHERE = {
    "model_routing": "turns that the small model answers",
    "short_turn_models": "turns that the small model answers",
    "semantic_cache": "hits",
    "tool_prefetch": "turns that need the tool",
    "tool_preamble": "turns that need the tool",
    "tool_filler": "turns that need the tool",
    "audio_prebuffering": FIRST_TURN,
    "tts_warmup": FIRST_TURN,
    "kv_cache_reuse": "all turns but a call's first",
}
"""`acted` in words; a technique that isn't named acts on every turn."""


def matrix(turns: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One measure with a row per turn (`TURN_KEY`, in order) and a column per configuration."""
    index = list(TURN_KEY)
    wide = turns.pivot(index=index, columns="configuration", values=measure)
    names = list(dict.fromkeys(turns["configuration"]))
    return wide.sort_index()[names]
