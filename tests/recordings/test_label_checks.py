"""The words around a label, and pages of labels."""

from __future__ import annotations

import pytest

from lab_utils.core.labels import Label, Labels, Word
from lab_utils.recordings.labels.checks import check_page, label_checks, least_sure_first


def words(speaker, start_s, text):
    return [
        Word(speaker, start_s + 0.3 * k, start_s + 0.3 * k + 0.2, one) for k, one in enumerate(text.split())
    ]


LABELS = Labels(
    duration_s=20.0,
    ipus=(),
    labels=(
        Label("hold", 2.0, 3.0, 0.9),
        Label("backchannel", 5.5, 5.8),
        Label("shift", 4.0, 5.0, 0.95),
        Label("hold", 12.0, 12.5, 0.7),
    ),
    words=(
        *words("user", 1.0, "I would like"),
        *words("user", 3.0, "a table"),
        *words("agent", 5.0, "for which day"),
        *words("user", 11.0, "this Wednesday"),
        *words("user", 12.5, "please"),
    ),
)


def test_a_hold_stands_between_the_users_words_and_a_shift_before_the_agents():
    first, shift, second = label_checks(LABELS)
    assert [check.number for check in (first, shift, second)] == [1, 2, 3]
    assert (first.before, first.after, first.speaker_after) == ("I would like", "a table", "user")
    assert (shift.before, shift.after) == ("I would like a table", "for which day")
    assert (shift.label.kind, shift.speaker_after) == ("shift", "agent")
    assert (second.before, second.after) == ("this Wednesday", "please")


def test_only_the_nearest_words_are_shown_and_none_may_be_known():
    many = Labels(9.0, (), (Label("hold", 5.0, 5.5),), tuple(words("user", 0.0, " ".join("abcdefghijklm"))))
    (check,) = label_checks(many)
    assert check.before == "f g h i j k l m"
    assert check.after == ""


def test_pages_hold_so_many_rows_and_the_least_sure_come_first():
    checks = label_checks(LABELS)
    assert [check.number for check in least_sure_first(checks)] == [3, 1, 2]
    assert [check.number for check in check_page(checks, 2, rows=2)] == [3]
    assert check_page(checks, 1) == checks
    with pytest.raises(ValueError, match="page is 3, expected 1 to 2"):
        check_page(checks, 3, rows=2)
    with pytest.raises(ValueError, match="page is 0, expected 1 to 1"):
        check_page(checks, 0)
    with pytest.raises(ValueError, match="no labels to check"):
        check_page([], 1)
