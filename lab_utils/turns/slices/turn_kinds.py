"""What kind of turn each of the user's is: how long, whether it gives numbers, what the agent had asked.

Conventions: one kind per user turn in time order, with the unfinished one at the end, if there is one: what
a labelled interval's `turn` counts. Words are those of the labels, else the texts of IPUs. Words for numbers
and questions are known in English only (`core.policies.number_words`); elsewhere digits, single letters and
question marks tell.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from ...core.labels import Labels, Speaker, UserTurn, user_turns
from ...core.policies.number_words import LEAST_NUMBERS, asks_for_number, is_number, last_sentence, words_of

LENGTHS_S = (1.0, 3.0, 6.0)
"""Where lengths of turns are divided."""
NO_WORDS = "no words known"

_ASKS_YES_OR_NO = re.compile(
    r"^(and |so |okay,? |great,? |thanks?,? )*(do|does|did|is|are|was|were|have|has|had|can|could|would|will|"
    r"shall|should|may)\b"
)


def lengths(labels: Labels) -> list[str]:
    """How long each turn is, from its first sound to its end, in classes.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> user = Ipu("user", 1.0, 1.6, "Yes."), Ipu("user", 4.0, 8.0)
    >>> lengths(Labels(9.0, user, (Label("shift", 1.6, 2.0),)))
    ['under 1 s', '3 to 6 s']
    """
    names = [f"under {LENGTHS_S[0]:g} s"]
    names += [f"{a:g} to {b:g} s" for a, b in itertools.pairwise(LENGTHS_S)]
    names.append(f"{LENGTHS_S[-1]:g} s and more")
    return [names[sum(turn.end_s - turn.start_s >= edge for edge in LENGTHS_S)] for turn in _turns(labels)]


def numbers(labels: Labels) -> list[str]:
    """Whether each turn gives a number, a date or the like, or spells.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> user = Ipu("user", 1.0, 2.0, "It's four two B."), Ipu("user", 4.0, 8.0, "One moment.")
    >>> numbers(Labels(9.0, user, (Label("shift", 2.0, 3.0),)))
    ['numbers or spelling', 'other words']
    """
    found = []
    for turn in _turns(labels):
        said = words_of(_said(labels, "user", turn.start_s, turn.end_s))
        n = sum(is_number(word) for word in said)
        plain = "numbers or spelling" if n >= LEAST_NUMBERS else "other words"
        found.append(plain if said else NO_WORDS)
    return found


def asked(labels: Labels) -> list[str]:
    """What the agent's last sentence before each turn asked for.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> agent = Ipu("agent", 0.0, 0.9, "Hello. Could you spell your name?"), Ipu("agent", 2.5, 3.0, "Thanks.")
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 4.0, 5.0)
    >>> asked(Labels(9.0, agent + user, (Label("shift", 2.0, 2.5), Label("shift", 5.0, 6.0))))
    ['a number or spelling', 'nothing']
    """
    found, before_s = [], 0.0
    speaks = any(ipu.speaker == "agent" for ipu in labels.ipus)
    for turn in _turns(labels):
        heard = [
            ipu.text
            for ipu in sorted(labels.ipus, key=lambda ipu: ipu.start_s)
            if ipu.speaker == "agent" and before_s <= ipu.start_s <= turn.start_s
        ]
        said = " ".join(heard).strip() or _said(labels, "agent", before_s, turn.start_s)
        before_s = turn.end_s
        found.append(question_kind(said) if said or not speaks else NO_WORDS)
    return found


def _turns(labels: Labels) -> Sequence[UserTurn]:
    return user_turns(labels, unfinished=True)


def _said(labels: Labels, speaker: Speaker, from_s: float, to_s: float) -> str:
    own = [word for word in labels.words if word.speaker == speaker and from_s <= word.middle_s <= to_s]
    texts = [word.text for word in own] or [
        ipu.text
        for ipu in labels.ipus
        if ipu.speaker == speaker and from_s <= (ipu.start_s + ipu.end_s) / 2 <= to_s
    ]
    return " ".join(texts).strip()


def question_kind(said: str) -> str:
    """What the last sentence of an agent's words asked for.

    >>> question_kind("Thanks. Is that right?"), question_kind("And your phone number, please?")
    ('yes or no', 'a number or spelling')
    """
    last = last_sentence(said)
    if asks_for_number(said):
        return "a number or spelling"
    if not last.endswith("?"):
        return "nothing"
    return "yes or no" if _ASKS_YES_OR_NO.search(last) else "something else"
