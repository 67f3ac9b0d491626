"""An agent under a profile on one's own recordings: the real session on each, saved and summed up.

`run_recordings` runs them in worker processes. Each saves what a recording gave as soon as it is done
(`FILES`), so that an interruption loses nothing that was finished; `summary.json` follows at the end.
"""

from .recording import FILES, Outcome, Result
from .recordings import Interrupted, run_recordings
from .summary import RunResults, plain_latency, summary_of

__all__ = [
    "FILES",
    "Interrupted",
    "Outcome",
    "Result",
    "RunResults",
    "plain_latency",
    "run_recordings",
    "summary_of",
]
