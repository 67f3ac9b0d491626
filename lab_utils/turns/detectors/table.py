"""A table of probabilities per pause, which another system gave for the same recordings.

Goal: a detector that can't run here, judged by what it said.
Conventions: CSV (by its name), Parquet or JSON lines with a row for each answer, in the columns
- `sha256`: of the recording, as `lab compare --questions` and summaries tell it;
- `time_s`: seconds of the recording: where the pause begins, or any later moment of the answer;
- `probability` that the turn is over, from 0 to 1. An empty one is no answer.
Definition: a question is answered by the last row of its recording that lies in the same silence of the user
and at most `LONGEST_S` before it. Where there is none, the detector gave no answer: AgentSession then waits
`min_delay`, as for a likely end, so its probability counts as 1 (audio_recognition.py:1651). A speech-to-text
service that says nothing ends the turn by the silence's length alone, so for it that counts as 0.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ...core.detectors import OWN, is_own
from ...core.errors import InputError
from ...core.labels import Labels
from ...core.timeline import Floats
from .base import Predictor, Questions

LONGEST_S = 1.5
"""A row this long before a question answers it at most; a question is asked 0.26 s into a VAD's pause."""
SLACK_S = 0.2
"""By so much a row may come before the label of the pause that it is about."""
COLUMNS = ("sha256", "time_s", "probability")
LARGEST = 200_000_000
_KINDS = (".csv", ".parquet", ".jsonl")


@dataclass(frozen=True)
class Answers:
    """The answers about each recording, by its hash: moments (ascending) and probabilities, shape=(n,)."""

    name: str
    of: dict[str, tuple[Floats, Floats]]
    empty: int
    """Rows without a probability, which were left out."""
    repeated: int
    """Rows that said the same twice, which were counted once."""
    version: str
    recorded: bool = False
    """Whether they were given in the recorded session, at its moments: then a later one in the same silence
    answers, too."""
    unanswered: float = 1.0
    """What counts for a question without an answer."""

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def model_version(self) -> str:
        """A hash of the table."""
        return self.version

    def said(self, sha256: str, times_s: Floats, labels: Labels) -> Floats:
        """What was said at some moments of a recording, shape=(n,); NaN where nothing was."""
        if sha256 not in self.of or not len(times_s):
            return np.full(len(times_s), np.nan)
        known_s, p = self.of[sha256]
        last = np.searchsorted(known_s, times_s + 1e-9, side="right") - 1
        row_s = known_s[np.maximum(last, 0)]
        starts_s = np.sort(labels.spans("user")[:, 0])
        begun = np.searchsorted(starts_s, times_s, side="right") - 1
        spoke_s = np.append(starts_s, -np.inf)[begun]
        same = (last >= 0) & (times_s - row_s <= LONGEST_S) & (row_s + SLACK_S >= spoke_s)
        said = np.where(same, p[np.maximum(last, 0)], np.nan)
        if not self.recorded:
            return said
        after = np.minimum(last + 1, len(known_s) - 1)
        resumes_s = np.append(starts_s, np.inf)[begun + 1]
        later = (
            (known_s[after] > times_s)
            & (known_s[after] - times_s <= LONGEST_S)
            & (known_s[after] < resumes_s)
        )
        return np.where(~same & later, p[after], said)

    @property
    def in_words(self) -> str:
        """How much it says, and what of it was left out."""
        n = sum(len(times_s) for times_s, _ in self.of.values())
        parts = [f"{self.name}: {n} answers about {len(self.of)} recording(s)"]
        parts += [f"{self.empty} without a probability left out"] if self.empty else []
        parts += [f"{self.repeated} said twice"] if self.repeated else []
        parts += ["given at the moments of those sessions: approximate"] if self.recorded else []
        return "; ".join(parts)

    def __call__(self, questions: Questions) -> Floats:
        """What counts for each question, shape=(n,)."""
        said = self.said(questions.sha256, questions.times_s, questions.labels)
        return np.where(np.isnan(said), self.unanswered, said)


def read_answers(path: Path, name: str = "", unanswered: float = 1.0) -> tuple[str, Predictor]:
    """Name in settings ("own:" and the file's stem, unless another is given) and predictor of a table.

    `unanswered`: what counts for a question without an answer; 0 for a service (`stt_services`).
    Raises InputError for a file that can't be used, naming the row.
    """
    full = f"{OWN}:{name or path.stem}"
    if not is_own(full):
        raise InputError(
            f"{path}: its name is no name for a detector; give one, as in --predictions mine={path}"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a table of probabilities") from None
    if len(data) > LARGEST:
        raise InputError(
            f"{path}: has {len(data) / 1e6:.0f} MB; a table of probabilities has {LARGEST / 1e6:.0f} at most"
        )
    answers = _answers(path, full, _frame(path, data), hashlib.sha256(data).hexdigest()[:16])
    if unanswered != 1:
        version = f"{answers.version}, unanswered {unanswered:g}"
        answers = replace(answers, version=version, unanswered=unanswered)
    return full, Predictor(answers.model_version, answers)


def recorded_answers(frame: pd.DataFrame, name: str) -> tuple[str, Predictor]:
    """The same for what was said in recorded sessions; `frame` has `COLUMNS`.

    Raises InputError for what is no probability, and for two answers to one moment.
    """
    told = hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()[:16]
    full = f"{OWN}:{name}"
    answers = replace(_answers(Path(name), full, frame, told), recorded=True)
    return full, Predictor(answers.model_version, answers)


def _frame(path: Path, data: bytes) -> pd.DataFrame:
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise InputError(f"{path}: expected a table as {', '.join(_KINDS)}")
    try:
        if kind == ".csv":
            frame = pd.read_csv(io.BytesIO(data), dtype={"sha256": str})
        elif kind == ".parquet":
            frame = pd.read_parquet(io.BytesIO(data))
        else:
            frame = pd.read_json(io.BytesIO(data), lines=True, dtype={"sha256": str})
    except Exception as error:  # each reader raises errors of its own
        raise InputError(
            f"{path}: not a readable {kind[1:]} table ({' '.join(str(error).split())[:200]})"
        ) from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(
            f"{path}: lacks the column(s) {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}. "
            f"Expected {', '.join(COLUMNS)}, as `lab compare --questions` writes them"
        )
    return frame


def _answers(path: Path, name: str, frame: pd.DataFrame, version: str) -> Answers:
    numbers = {column: pd.to_numeric(frame[column], errors="coerce") for column in COLUMNS[1:]}
    texts = numbers["probability"].isna() & frame["probability"].notna()
    p, time_s = numbers["probability"], numbers["time_s"]
    for wrong, what in (
        (texts | (p < 0) | (p > 1), "probability is {probability}; expected 0 to 1 (per cent, or logits?)"),
        (~np.isfinite(time_s) | (time_s < 0), "time_s is {time_s}; expected seconds of the recording"),
        (
            frame["sha256"].isna(),
            "sha256 is empty; expected the recording's, as `lab compare --questions` tells",
        ),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            finding = what.format(**{column: frame[column].iloc[row] for column in COLUMNS})
            raise InputError(f"{path}: row {row + 1}: {finding}")
    kept = pd.DataFrame({"sha256": frame["sha256"].astype(str), "time_s": time_s, "p": p}).dropna()
    distinct = kept.drop_duplicates()
    twice = distinct.duplicated(["sha256", "time_s"], keep=False)
    if twice.any():
        one = distinct[twice].sort_values(["sha256", "time_s"], kind="stable").head(2)
        rows = " and ".join(str(int(row) + 1) for row in one.index)
        raise InputError(
            f"{path}: rows {rows} tell {one['p'].iloc[0]:g} and {one['p'].iloc[1]:g} of the same moment, "
            f"{one['time_s'].iloc[0]:g} s of {one['sha256'].iloc[0][:12]}…; keep one of them"
        )
    if distinct.empty:
        raise InputError(f"{path}: holds no probability; give it an answer for each pause")
    ordered = distinct.sort_values(["sha256", "time_s"], kind="stable")
    of = {
        str(sha256): (rows["time_s"].to_numpy(np.float64), rows["p"].to_numpy(np.float64))
        for sha256, rows in ordered.groupby("sha256")
    }
    return Answers(name, of, len(frame) - len(kept), len(kept) - len(distinct), version)
