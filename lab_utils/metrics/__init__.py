"""Turn-taking metrics: commits against labels.

Goal: false-boundary rates, latency, timeouts and missed turns of many settings at once, pooled over
recordings and audio phases, with bootstrap intervals by recording.
Conventions: seconds of recording time; arrays are (labelled intervals, settings); infinity for "no commit".
Definitions (after livekit/eot-bench and the README's glossary):
- false boundary: a commit inside a hold, before the user resumes. Rate per hold: holds with a commit / holds
  of 0.2-5.0 s. Rate per turn: user turns with a commit before their true end, in a hold of any length or in
  speech / user turns.
- latency of an end of turn: first commit after the true end of speech, before any further speech of the user.
- timeout: an end of turn committed by `max_delay`. Missed: no commit before the user's next speech or the end
  of the recording (plus the silence added to it).
- pauses labelled `cut_off` are counted apart and enter no rate; so are backchannels that a commit follows.
"""

from .intervals import (
    BACKCHANNEL,
    CUT_OFF,
    END_OF_TURN,
    HOLD,
    INTERVAL_NAMES,
    LONG_HOLD,
    LONGEST_HOLD_S,
    SHORTEST_HOLD_S,
    SPEECH,
    Intervals,
    attribute,
    attributes,
    intervals,
)
from .label_accuracy import NEAR_S, label_accuracy, match_starts
from .scores import LATENCIES, PERCENTILES, RATES, bootstrap, pareto_frontier, summarize
from .session_scores import SESSION_SCORES, false_boundaries, heard_replies, session_scores
from .session_spans import Activity, Playout, activities, playouts, session_commits
from .stages import ADDED, VISIBLE, stage_summary, stage_table, visible
from .tally import Tally, tally

__all__ = [
    "ADDED",
    "BACKCHANNEL",
    "CUT_OFF",
    "END_OF_TURN",
    "HOLD",
    "INTERVAL_NAMES",
    "LATENCIES",
    "LONGEST_HOLD_S",
    "LONG_HOLD",
    "NEAR_S",
    "PERCENTILES",
    "RATES",
    "SESSION_SCORES",
    "SHORTEST_HOLD_S",
    "SPEECH",
    "VISIBLE",
    "Activity",
    "Intervals",
    "Playout",
    "Tally",
    "activities",
    "attribute",
    "attributes",
    "bootstrap",
    "false_boundaries",
    "heard_replies",
    "intervals",
    "label_accuracy",
    "match_starts",
    "pareto_frontier",
    "playouts",
    "session_commits",
    "session_scores",
    "stage_summary",
    "stage_table",
    "summarize",
    "tally",
    "visible",
]
