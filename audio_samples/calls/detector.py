"""What LiveKit's turn detector says in the holds of the sample calls and at their ends of turn.

Run `.venv/bin/python audio_samples/calls/detector.py`. The detector hears the last 1.2 s of the caller,
0.25 s after each hold and each end of turn begins. Labels from the two channels are judged beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from lab_utils.core.recording import Recording
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.labels.accuracy import label_accuracy
from lab_utils.recordings.labels.file import read_label_file
from lab_utils.turns.detectors.v1_mini import end_of_turn_probabilities
from lab_utils.turns.tracing import TraceCache, Tracer

HERE = Path(__file__).resolve().parent
AFTER_S = 0.25
HEARD = 19_200
THRESHOLD = 0.36


def probabilities(recording: Recording, starts_s: np.ndarray) -> np.ndarray:
    """The detector's probabilities `AFTER_S` after some moments of a recording, shape=(n,)."""
    ends = np.round((starts_s + AFTER_S) * 16_000).astype(np.int64)
    if not len(ends):
        return np.zeros(0)
    return end_of_turn_probabilities(recording.user, np.maximum(ends - HEARD, 0), ends).probabilities


def roc_auc(holds: np.ndarray, ends: np.ndarray) -> float:
    """How often an end of turn has the higher probability than a hold, ties counting half."""
    higher = (ends[:, None] > holds[None, :]) + 0.5 * (ends[:, None] == holds[None, :])
    return float(np.mean(higher))


def main() -> None:
    """Print the table and the accuracy of labels from two channels."""
    parser = argparse.ArgumentParser(description="The turn detector's probabilities on the sample calls.")
    parser.add_argument("folder", type=Path, nargs="?", default=HERE)
    parser.add_argument(
        "--labels", type=int, default=0, help="also judge two-channel labels on so many calls"
    )
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    recordings = [(files, load_recording(files)) for files in find_recordings(arguments.folder)]
    for files, recording in recordings:
        if recording.labels is None or files.labels is None:
            continue
        condition = read_label_file(files.labels).condition or ""
        for kind in ("hold", "shift"):
            values = probabilities(recording, recording.labels.of_kind(kind)[:, 0])
            found[condition][kind].append(values)
            found["all"][kind].append(values)
    print("| condition | holds | below 0.36 | median | ends | 0.36 or more | median | ROC AUC |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for condition, kinds in sorted(found.items()):
        holds, ends = (np.concatenate(kinds[kind]) for kind in ("hold", "shift"))
        silent = f"{len(holds)} | {np.mean(holds < THRESHOLD):.0%} | {np.median(holds):.2f}"
        ended = f"{len(ends)} | {np.mean(ends >= THRESHOLD):.0%} | {np.median(ends):.2f}"
        print(f"| {condition} | {silent} | {ended} | {roc_auc(holds, ends):.2f} |")
    if arguments.labels:
        with tempfile.TemporaryDirectory() as cache:
            tracer = Tracer(TraceCache(Path(cache)))
            step = max(1, len(recordings) // arguments.labels)
            pairs = [
                (tracer.estimate_labels(recording), recording.labels)
                for _, recording in recordings[::step][: arguments.labels]
                if recording.labels is not None
            ]
        print(label_accuracy(pairs).to_string())


if __name__ == "__main__":
    main()
