"""Whether somebody gives a number, or was asked for one."""

from __future__ import annotations

import pytest

from lab_utils.core.policies.number_words import asks_for_number, gives_numbers


@pytest.mark.parametrize(
    ("said", "gives"),
    [
        ("", False),
        ("It's one", False),
        ("It's one moment, please", False),
        ("It's four two", True),
        ("B, E, double L", True),
        ("I have a cat", False),
        ("zero one seven, and that's it, thanks", False),
        ("twenty-three", True),
        ("0171", True),
        ("im Haus 12", False),
        ("es ist 3 4", True),
        ("+49 or so", False),
    ],
)
def test_numbers_are_being_given_while_the_last_words_are_some(said: str, gives: bool) -> None:
    assert gives_numbers(said) == gives


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ("", False),
        ("What's your date of birth?", True),
        ("Please spell your name.", True),
        ("Your number is saved. Anything else?", False),
        ("May I have your e-mail", False),
        ("Thanks. And your phone number, please.", True),
    ],
)
def test_the_last_sentence_tells_what_was_asked(said: str, asks: bool) -> None:
    assert asks_for_number(said) == asks
