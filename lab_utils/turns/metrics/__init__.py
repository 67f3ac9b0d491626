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
from .per_recording import PerRecording, per_recording
from .scores import LATENCIES, PERCENTILES, RATES, bootstrap, pareto_frontier, summarize
from .tally import Tally, tally

__all__ = [
    "BACKCHANNEL",
    "CUT_OFF",
    "END_OF_TURN",
    "HOLD",
    "INTERVAL_NAMES",
    "LATENCIES",
    "LONGEST_HOLD_S",
    "LONG_HOLD",
    "PERCENTILES",
    "RATES",
    "SHORTEST_HOLD_S",
    "SPEECH",
    "Intervals",
    "PerRecording",
    "Tally",
    "attribute",
    "attributes",
    "bootstrap",
    "intervals",
    "pareto_frontier",
    "per_recording",
    "summarize",
    "tally",
]
