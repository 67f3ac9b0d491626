"""What a person needs to check labels by eye: each label with the words before and after it, in pages.

Conventions: seconds from the start of the recording. Before a label are the user's words. After a hold or
cut_off are the user's words too; after a shift they are the agent's, who has taken the turn. A word is before
or after a label if the middle of the word is. Words of another turn of the user, or further away than
`NEAR_S`, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.labels import Label, LabelKind, Labels, Speaker, user_turns

NEAR_S = 6.0
WORDS = 8
"""Most words shown before and after a label."""
ROWS = 12
"""Labels on a page."""
KINDS: tuple[LabelKind, ...] = ("hold", "shift")


@dataclass(frozen=True)
class LabelCheck:
    """One label to look at."""

    number: int
    """Its place among those to check, in order of time, from 1."""
    label: Label
    before: str
    """The user's words that lead up to it; empty if none are known."""
    after: str
    speaker_after: Speaker
    """Who says `after`."""


def label_checks(labels: Labels, kinds: Sequence[LabelKind] = KINDS) -> tuple[LabelCheck, ...]:
    """Every label of these kinds, in order of time."""
    of_kinds = (label for label in labels.labels if label.kind in kinds)
    chosen = sorted(of_kinds, key=lambda label: (label.start_s, label.end_s))
    return tuple(_check(number, label, labels) for number, label in enumerate(chosen, start=1))


def least_sure_first(checks: Sequence[LabelCheck]) -> tuple[LabelCheck, ...]:
    """The checks by confidence, the lowest first; those of equal confidence in order of time."""
    return tuple(sorted(checks, key=lambda check: (check.label.confidence, check.number)))


def check_page(checks: Sequence[LabelCheck], page: int, rows: int = ROWS) -> tuple[LabelCheck, ...]:
    """The labels on a page, counted from 1. Raises ValueError for a page that doesn't exist."""
    pages = -(-len(checks) // rows)
    if not pages:
        raise ValueError("no labels to check: the recording has no hold and no end of turn")
    if not 1 <= page <= pages:
        raise ValueError(f"page is {page}, expected 1 to {pages}; pages have {rows} labels, counted from 1")
    return tuple(checks[(page - 1) * rows : page * rows])


def _check(number: int, label: Label, labels: Labels) -> LabelCheck:
    middle_s = (label.start_s + label.end_s) / 2
    own_s = label.start_s if label.kind == "shift" else None
    ends_s = [turn.end_s for turn in user_turns(labels) if turn.end_s != own_s]
    turn_from_s = max((at_s for at_s in ends_s if at_s < middle_s), default=0.0)
    turn_to_s = min((at_s for at_s in ends_s if at_s > middle_s), default=labels.duration_s)
    speaker: Speaker = "agent" if label.kind == "shift" else "user"
    before = _words(labels, "user", max(turn_from_s, label.start_s - NEAR_S), middle_s)
    after = _words(labels, speaker, middle_s, min(turn_to_s, label.end_s + NEAR_S))
    return LabelCheck(number, label, " ".join(before[-WORDS:]), " ".join(after[:WORDS]), speaker)


def _words(labels: Labels, speaker: Speaker, from_s: float, to_s: float) -> list[str]:
    middles = sorted((word.middle_s, word.text) for word in labels.words if word.speaker == speaker)
    return [text for at_s, text in middles if from_s < at_s <= to_s]
