"""What a recorded session's own detector said, such as LiveKit's cloud `v1`, as a detector of a comparison.

It stands in the `eou_detection` spans of an OpenTelemetry dump; session reports hold none. A span exists only
where that session's own voice activity ended speech, and after an earlier commit of that session the detector
heard less: under other settings its answers are approximate.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...core.batch import run_batch
from ...core.errors import InputError
from ...recordings.find import RecordingFiles, find_in, load_recording, results_of
from ...recordings.recording_files import FindOptions
from ...turns.detectors.base import Predictor
from ...turns.detectors.table import COLUMNS, recorded_answers

NAME = "recorded"


def recorded_detector(
    paths: Sequence[str | Path],
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    *,
    jobs: int = 1,
    quiet: bool = False,
) -> tuple[str, Predictor]:
    """Name in settings and predictor of what was said in the sessions of these recordings.

    Recordings that can't be read are left to the tracing to tell. Raises InputError if none holds answers.
    """
    found, _ = find_in(paths, channels, options)
    outcomes = run_batch(
        _said_in, found, jobs=min(jobs, max(1, len(found))), task="reading spans", quiet=quiet
    )
    results = results_of(found, outcomes, "read")
    said = [one for one in results if not isinstance(one, ValueError) and len(one)]
    if not said:
        raise InputError(
            f"{NAME}: no recording holds what its own detector said; it is in the eou_detection spans of a "
            "session's OpenTelemetry dump beside the audio (session reports hold none), or give a table with "
            "--predictions"
        )
    return recorded_answers(pd.concat(said, ignore_index=True), NAME)


def _said_in(files: RecordingFiles) -> pd.DataFrame:
    """The answers of one recording, in the columns of a table of probabilities."""
    recording = load_recording(files)
    told = recording.provenance.details.get("eou", []) if recording.provenance else []
    rows = [(recording.sha256, one["time_s"], one.get("probability")) for one in told]
    return pd.DataFrame(rows, columns=list(COLUMNS))
