"""One text for what is wrong with values, and for values of unknown origin."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab_utils.core import models, text
from lab_utils.core.models import Frozen, describe
from lab_utils.core.text import one_line, printable, quoted


class Part(Frozen):
    name: str
    numbers: tuple[float, ...] = ()


def told(values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Part.model_validate(values, strict=False)
    return describe(caught.value, line_of=lambda loc: 7 if loc else None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "line 7: name: missing; add it"),
        ({"name": "a", "nam": 1}, "line 7: nam: unknown key; remove it or correct its spelling"),
        (
            {"name": "a", "numbers": [1, "x"]},
            "line 7: numbers[1]: expected a valid number, unable to parse string as a number, got 'x'",
        ),
        (3, "expected keys and values, got 3"),
        ({"name": 1}, "line 7: name: expected a valid string, got 1"),
        (
            {"name": "a", "\x1b[31m": 1},
            r"line 7: \x1b[31m: unknown key; remove it or correct its spelling",
        ),
    ],
)
def test_a_finding_names_line_key_what_came_and_what_was_expected(values: object, message: str) -> None:
    assert told(values) == message


def test_long_keys_and_values_and_many_findings_are_shortened() -> None:
    assert len(told({"name": "a", "k" * 100_000: 1})) < 200
    assert len(told({"name": ["v" * 100_000]})) < 200
    assert told({"name": "a", "numbers": ["x"] * 100}).endswith("; and 95 more")
    assert len(told({"name": "a", "numbers": ["x"] * 100})) < 1000


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=9)))
def test_whatever_is_shown_is_short_printable_and_one_line(value: object) -> None:
    assert len(quoted(value)) <= 180
    assert not any(ord(character) < 32 or ord(character) == 127 for character in quoted(value))
    quoted(value).encode()


@given(st.text())
def test_printable_text_has_no_control_character_and_keeps_what_has_none(content: str) -> None:
    result = printable(content)
    result.encode()
    assert "\x1b" not in result
    assert "\n" not in one_line(content)
    assert printable(result) == result


def test_deep_and_endless_values_are_shown() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert len(quoted(endless)) < 60
    assert len(quoted(10**6000)) < 180


def test_the_examples_hold() -> None:
    for module in (models, text):
        assert doctest.testmod(module).attempted
        assert not doctest.testmod(module).failed
