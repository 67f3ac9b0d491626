"""What came of all recorded sessions, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .recorded import NEAR_S, Recorded


def recorded_summary(found: Sequence[Recorded], skipped: Sequence[str] = ()) -> dict[str, Any]:
    """The result as plain values; times in seconds, to the millisecond."""
    commits, kept = sum(one.commits for one in found), sum(len(one.errors_s) for one in found)
    why: Counter[str] = Counter()
    for one in found:
        why.update(one.why)
    return {
        "format": "verify-recorded",
        "version": 1,
        "near_s": NEAR_S,
        "commits": commits,
        "reproduced": kept,
        "share": round(kept / commits, 4) if commits else None,
        "extra": sum(one.extra for one in found),
        "why": dict(why),
        "skipped": list(skipped),
        "recordings": [
            {
                "recording": one.recording,
                "commits": one.commits,
                "untimed": one.untimed,
                "reproduced": len(one.errors_s),
                "extra": one.extra,
                "largest_error_s": round(max(map(abs, one.errors_s)), 3) if one.errors_s else None,
                "why": dict(one.why),
                "assumed": list(one.assumed),
                "settings": one.settings.model_dump(),
                "differences": [
                    [None if np.isnan(t) else round(t, 3) for t in (d.recorded_s, d.replayed_s)] + [d.why]
                    for d in one.differences
                ],
            }
            for one in found
        ],
    }
