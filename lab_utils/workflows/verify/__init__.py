"""The replay against the real session on one's own recordings: `lab verify`."""

from .cases import Case, draw_cases
from .compare import Outcome
from .recorded import Recorded, verify_recorded
from .recorded_summary import recorded_summary
from .replies import replies_summary, verify_replies
from .run import verify
from .summary import (
    EXCLUDED,
    GROUP_NAMES,
    Verification,
    aligned,
    by_detector,
    by_policy,
    counts_of,
    every_summary,
    group_of,
    groups,
    summary_of,
)

__all__ = [
    "EXCLUDED",
    "GROUP_NAMES",
    "Case",
    "Outcome",
    "Recorded",
    "Verification",
    "aligned",
    "by_detector",
    "by_policy",
    "counts_of",
    "draw_cases",
    "every_summary",
    "group_of",
    "groups",
    "recorded_summary",
    "replies_summary",
    "summary_of",
    "verify",
    "verify_recorded",
    "verify_replies",
]
