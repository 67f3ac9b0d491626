"""Intent classes and the similarity of questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.latency.techniques.intents import (
    ACKNOWLEDGEMENTS,
    classify,
    cosine,
    same_words,
    similarity,
    words_of,
)


@pytest.mark.parametrize(
    "text", ["Yes.", "Okay, go on.", "Um, yes, that's right, thank you.", "MM-HM", "No."]
)
def test_acknowledgements_are_told_by_the_list(text: str) -> None:
    assert classify(text) == "acknowledgement"


@pytest.mark.parametrize(
    "text", ["Cancel my entire order.", "Please send it again", "I'd like to book a table"]
)
def test_a_request_is_one_however_short(text: str) -> None:
    assert classify(text) == "request"


@pytest.mark.parametrize(
    "text", ["When do you open", "Um, and what does it cost", "Yes?", "It is the blue one?"]
)
def test_questions_need_no_question_mark(text: str) -> None:
    assert classify(text) == "question"


@pytest.mark.parametrize(
    "text", ["Thursday the fourteenth.", "My name is Miller", "", "four five seven", "Yes, Miller"]
)
def test_all_else_is_a_statement(text: str) -> None:
    assert classify(text) == "statement"


@given(st.lists(st.sampled_from(sorted(ACKNOWLEDGEMENTS)), min_size=1), st.sampled_from([", ", ". ", " "]))
def test_acknowledgements_in_a_row_are_one(phrases: list[str], glue: str) -> None:
    said = glue.join(phrases).capitalize()
    assert classify(said) == "acknowledgement"
    assert classify(f"{said} Miller") != "acknowledgement"
    assert classify(f"{said}?") == "question"


@given(st.text(), st.text())
def test_similarity_is_a_symmetric_number_from_0_to_1(one: str, other: str) -> None:
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, other) == similarity(other, one)


@given(st.lists(st.from_regex(r"[a-z]{3,8}", fullmatch=True), min_size=1).map(" ".join))
def test_a_text_is_most_like_itself_in_whatever_case_and_punctuation(text: str) -> None:
    same = similarity(text, text.upper() + "?!")
    assert same in (0.0, 1.0)  # 0 if it is made of fillers
    assert same == similarity(text, text)
    assert same_words(text, f"{text.title()}.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What are your opening hours?", "um, what are your opening hours please"),
        ("How much is shipping?", "How much is the shipping?"),
        ("Where can I find my invoice", "Where can I find my invoices?"),
    ],
)
def test_the_same_question_in_nearly_the_same_words_is_alike(one: str, other: str) -> None:
    assert similarity(one, other) >= 0.8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is room 12 free?", "Is room 13 free?"),
        ("Do you deliver on the first?", "Do you deliver on the second?"),
        ("Can I return opened items?", "Can't I return opened items?"),
        ("", ""),
        ("um", "uh"),
    ],
)
def test_another_number_or_a_negation_makes_it_another_question(one: str, other: str) -> None:
    assert similarity(one, other) == 0.0


def test_words_keep_apostrophes_and_numbers() -> None:
    assert words_of("It’s 19:30, isn't it?") == ["it's", "19", "30", "isn't", "it"]


def test_embeddings_are_computed_once_and_compared_by_angle() -> None:
    asked: list[str] = []

    def embed(text: str) -> list[float]:
        asked.append(text)
        return {
            "a": [1.0, 0.0],
            "b": [2.0, 0.0],
            "c": [1.0, 1.0],
            "d": [-1.0, 0.0],
            "e": [0.0, 0.0],
            "f": [1.0],
        }[text]

    alike = cosine(embed)
    assert alike("a", "b") == pytest.approx(1.0)
    assert alike("a", "c") == pytest.approx(0.5**0.5)
    assert alike("a", "d") == alike("a", "e") == 0.0
    assert asked == ["a", "b", "c", "d", "e"]
    with pytest.raises(ValueError, match="vectors of 2 and 1 numbers; expected one length"):
        alike("a", "f")
