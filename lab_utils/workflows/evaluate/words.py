"""How many of the user's words the agent's speech-to-text got wrong, against known words.

Definition: word error rate = (substitutions + deletions + insertions) ÷ known words, by the alignment with
the fewest errors (jiwer), over all that the user said in a call, since turns of the session and of the labels
needn't be the same. Words are compared in lower case, without signs, hyphens parting them; digits are not
spelled out: "25" against "twenty-five" is an error. What spaces don't divide (Chinese, Japanese, Thai) is one
word, and the figure means nothing there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from ...turns.metrics.uncertainty import Interval, rate_interval
from .calls import Call

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


@dataclass(frozen=True)
class WordErrors:
    """The errors of one call."""

    known: int
    """Known words."""
    substitutions: int
    deletions: int
    insertions: int
    misheard: tuple[tuple[str, str], ...]
    """Each known word that was heard as another, or not at all (""), in order."""

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each known word; may be over 1."""
        return self.errors / self.known


def plain(text: str) -> str:
    """Text as it is compared: lower case, no signs but apostrophes inside words, single spaces.

    >>> plain("It’s half-past TEN, isn't it?")
    "it's half past ten isn't it"
    """
    kept = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    spaced = "".join(c if c.isalnum() or c == "'" or unicodedata.combining(c) else " " for c in kept)
    return " ".join(word for part in spaced.split() if (word := part.strip("'")))


def word_errors(known: str, heard: str) -> WordErrors | None:
    """The errors of what was heard; None where no words are known.

    >>> found = word_errors("Two tickets to Leeds, please", "to tickets to Leeds")
    >>> found.rate, found.misheard
    (0.4, (('two', 'to'), ('please', '')))
    """
    reference, hypothesis = plain(known), plain(heard)
    if not reference:
        return None
    found = jiwer.process_words(reference, hypothesis)
    words, others = found.references[0], found.hypotheses[0]
    misheard = []
    for chunk in found.alignments[0]:
        if chunk.type in ("substitute", "delete"):
            for k in range(chunk.ref_end_idx - chunk.ref_start_idx):
                other = others[chunk.hyp_start_idx + k] if chunk.type == "substitute" else ""
                misheard.append((words[chunk.ref_start_idx + k], other))
    return WordErrors(len(words), found.substitutions, found.deletions, found.insertions, tuple(misheard))


def errors_of(call: Call) -> WordErrors | None:
    """The errors of a call; None where its words aren't known or weren't kept."""
    return word_errors(call.known, call.said("user")) if call.known and call.has_text else None


def pooled(errors: Sequence[WordErrors]) -> tuple[float, Interval] | None:
    """The rate over all calls, and its 95 % interval with the call as the unit; None without any.

    The interval is left open where there are fewer than three calls, or more errors than words in one.
    """
    if not errors:
        return None
    wrong = np.array([one.errors for one in errors], dtype=np.float64)
    known = np.array([one.known for one in errors], dtype=np.float64)
    interval = rate_interval(wrong, known) if np.all(wrong <= known) else Interval(None, None)
    return float(wrong.sum() / known.sum()), interval
