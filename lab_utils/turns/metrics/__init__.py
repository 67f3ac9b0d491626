"""Turn-taking metrics: commits against labels.

Goal: how often a setting cuts the user off, how long it lets them wait and how often it never answers, for
many settings at once, pooled over recordings and takes, with 95 % intervals by recording (`uncertainty`).
Conventions: seconds of recording time; arrays are (labelled pauses, settings); infinity for "no commit".
Definitions (after livekit/eot-bench; examples and reasons in docs/figures.md):
- A commit belongs to the pause whose silence caused it, also if it comes a moment after the user went on
  (`owners`). What belongs to no label is counted apart (`commits_in_no_label`) and enters no rate.
- False boundary: a commit that belongs to a hold. Rate per hold: holds with a commit / holds of 0.2-5.0 s.
  Rate per turn: user turns with a false boundary, in a hold of any length / user turns.
- A pause labelled `cut_off` is a hold that the recorded agent ended: a commit before that agent spoke is a
  false boundary, and what would have come later is unknown. The rates count what is known; their bounds
  `..._at_most` count every unknown one as cut.
- Latency of an end of turn: from the true end of speech to the first commit that belongs to it.
- Timeout: an end of turn committed by `max_delay`. Missed: no commit within 8 s of the true end (or
  `max_delay` + 2 s, if that is longer). A missed turn's latency is infinite in percentiles and left out of
  the mean. Longest wait: the largest latency.
- Takes: hearings of one call that no listener could tell apart; rates are means over them. Coin flips: the
  probability that two takes disagree on whether a hold is cut.
"""

from .figures import figures
from .labelled_pauses import (
    BACKCHANNEL,
    CUT_OFF,
    END_OF_TURN,
    HOLD,
    LONGEST_HOLD_S,
    PAUSE_NAMES,
    SHORTEST_HOLD_S,
    UNSCORED_HOLD,
    LabelledPauses,
    attribute,
    attributes,
    labelled_pauses,
    owners,
)
from .per_recording import PerRecording, per_recording
from .pooled import Pooled, summarize
from .scores import (
    LATENCIES,
    PERCENTILES,
    RATES,
    hypervolume,
    pareto_frontier,
    weighted_percentile,
)
from .setting_counts import SettingCounts, setting_counts

__all__ = [
    "BACKCHANNEL",
    "CUT_OFF",
    "END_OF_TURN",
    "HOLD",
    "LATENCIES",
    "LONGEST_HOLD_S",
    "PAUSE_NAMES",
    "PERCENTILES",
    "RATES",
    "SHORTEST_HOLD_S",
    "UNSCORED_HOLD",
    "LabelledPauses",
    "PerRecording",
    "Pooled",
    "SettingCounts",
    "attribute",
    "attributes",
    "figures",
    "hypervolume",
    "labelled_pauses",
    "owners",
    "pareto_frontier",
    "per_recording",
    "setting_counts",
    "summarize",
    "weighted_percentile",
]
