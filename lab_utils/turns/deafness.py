"""Where the turn detector hears too little to judge: warnings about recordings.

Definition: it is *deaf* on a recording if, under LiveKit's defaults, its median probability at the labelled
ends of turn is below the threshold in force there: more than half of the real ends are then waited out.
"""

from __future__ import annotations

import numpy as np

from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from .slices import UNKNOWN, commit_columns
from .sweep import Corpus

LEAST_ENDS = 5
"""With fewer ends of turn a recording is not judged."""
CLEAN_WIDE_BAND = 0.73
"""v1-mini's median probability at the 54 ends of turn of the five clean wide-band calls in
`audio_samples/calls/demo`, phase 0, heard as recorded (four telephone calls: 0.63)."""
MOST_NAMED = 3


def detector_warnings(corpus: Corpus, conditions: Conditions = USUAL_CONDITIONS) -> list[str]:
    """One line for each kind of line on which v1-mini is deaf, or tells nothing apart.

    Raises MissingTraces as a replay of LiveKit's defaults does.
    """
    deaf: dict[str, list[tuple[str, float]]] = {}
    flat: list[str] = []
    settings = Settings()
    for recording, takes in zip(corpus.recordings, commit_columns(corpus, settings, conditions), strict=True):
        ends = np.concatenate(
            [
                one["probability"][(one["label"] == "end_of_turn") & ~np.isnan(one["latency_s"])]
                for one in takes
            ]
        )
        every = np.concatenate([one["probability"] for one in takes])
        ends, every = ends[~np.isnan(ends)], every[~np.isnan(every)]
        if len(ends) < LEAST_ENDS * len(takes):
            continue
        if np.ptp(every) == 0:
            flat.append(recording.name)
            continue
        threshold = settings.detector.threshold_in(recording.language or conditions.language)
        if np.median(ends) < threshold:
            deaf.setdefault(recording.band or UNKNOWN, []).append((recording.name, float(np.median(ends))))
    lines = [
        f"v1-mini hardly hears turns end on {len(found)} of {len(corpus.recordings)} recordings "
        f"({_named([name for name, _ in found])}; line: {band}): its median probability at ends of turn is "
        f"{np.median([p for _, p in found]):.2f}, and {CLEAN_WIDE_BAND:.2f} on clean wide-band speech; below "
        "its threshold it waits for max_delay. Try a lower unlikely_threshold, or the detector vad"
        for band, found in sorted(deaf.items())
    ]
    if flat:
        lines.append(
            f"v1-mini gives every pause of {_named(flat)} the same probability: it tells nothing apart "
            "there, so no threshold can; check the audio"
        )
    return lines


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
