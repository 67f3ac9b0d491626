"""Commits that LiveKit refuses: too few words while the agent speaks (`interruption.min_words`). Pure.

Definition (livekit-agents 1.8.9, agent_activity.py:2735-2747): when a commit is due while a speech of the
agent is under way that may be interrupted, and the turn's transcript so far has fewer words than `min_words`,
`on_end_of_turn` returns False. Nothing is committed then: the transcript stays, and so do the prediction and
the audio that the turn detector has heard; the next trigger tries again (audio_recognition.py:1854-1909).
Assumptions: the agent is the recorded one, and what it says goes on. Times are stream seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.labels import Labels
from ...core.timeline import Floats, Ints
from ...core.traces import Bools

_CHARACTER_WORDS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]")
_SYMBOLS = frozenset("$+<=>^`|~±")
"""Punctuation to LiveKit, beside what Unicode calls so."""


def word_count(text: str) -> int:
    """Words of a text as `min_words` counts them (`split_words`, tokenize/_basic_word.py).

    What stands between spaces, without punctuation; each character of Chinese, Japanese and Thai.

    >>> word_count("Well, I – I'd like 2 of them."), word_count("…"), word_count("はい そう")
    (7, 0, 4)
    """
    count, pending = 0, False
    for char in text:
        if char.isspace():
            count, pending = count + pending, False
        elif _CHARACTER_WORDS.match(char):
            count, pending = count + pending + (not _is_punctuation(char)), False
        else:
            pending = pending or not _is_punctuation(char)
    return count + pending


def _is_punctuation(char: str) -> bool:
    return char in _SYMBOLS or unicodedata.category(char).startswith("P")


def word_times(labels: Labels) -> Floats:
    """The middle of each of the user's words, in recording seconds and in order; shape=(n,).

    Where only the text of a stretch of speech is known, its words are spread evenly over it. Raises
    ValueError where no word is known, or no speech of the agent, without which nothing can be refused.

    >>> from lab_utils.core.labels import Ipu
    >>> ipus = Ipu("user", 1.0, 2.0, "One two."), Ipu("agent", 3.0, 4.0)
    >>> word_times(Labels(9.0, ipus, ())).tolist()
    [1.25, 1.75]
    """
    if not len(labels.spans("agent")):
        raise ValueError(
            "min_words acts while the agent speaks, and no speech of the agent is labelled; give the agent's "
            "channel, or set min_words to 0"
        )
    known = [word.middle_s for word in labels.words if word.speaker == "user" and word.text.strip()]
    if not known:
        for ipu in (ipu for ipu in labels.ipus if ipu.speaker == "user"):
            n = word_count(ipu.text)
            known += (ipu.start_s + (np.arange(n) + 0.5) / max(n, 1) * (ipu.end_s - ipu.start_s)).tolist()
    if not known:
        raise ValueError(
            "min_words counts the user's words, and the labels have none; write them with `lab transcribe`, "
            "or set min_words to 0"
        )
    return np.sort(np.array(known, dtype=np.float64))


def words_by_pause(words_s: Floats, last_speaking_s: Floats) -> Ints:
    """How many words come up to each last speaking time, and after the one before; shape=(pauses,).

    >>> words_by_pause(np.array([0.2, 0.9, 3.0]), np.array([1.0, 2.0, 4.0]))
    array([2, 0, 1])
    """
    return np.diff(np.searchsorted(words_s, last_speaking_s, side="right"), prepend=0).astype(np.int64)


@dataclass(frozen=True)
class Refusals:
    """What is needed to tell which commits of some settings are refused."""

    min_words: Ints
    """Of each setting; 0: none is refused. shape=(settings,)"""
    agent: Floats
    """The agent's turns, in order and apart; shape=(turns, 2)."""
    words: Sequence[int]
    """How many words each transcript has."""

    def part(self, settings: Ints) -> Refusals:
        """For some of the settings."""
        return replace(self, min_words=self.min_words[settings])

    def refused(self, commit_s: Floats, words: Ints) -> Bools:
        """Which commits, due at these moments with so many words in the turn, are refused; shape=(settings,).

        >>> refusals = Refusals(np.array([0, 3, 3]), np.array([[1.0, 2.0]]), [])
        >>> refusals.refused(np.array([1.5, 1.5, 2.0]), np.array([0, 2, 2]))
        array([False,  True, False])
        """
        if not len(self.agent):
            return np.zeros(len(commit_s), np.bool_)
        turn = np.searchsorted(self.agent[:, 0], commit_s, side="right") - 1
        speaks = (turn >= 0) & (commit_s < self.agent[turn, 1])
        return np.asarray(speaks & (words < self.min_words))
