"""Whether somebody is giving a number or spelling, or was asked to. Plain text in, yes or no out.

Words for numbers, and questions for one, are known in English only; elsewhere digits and single letters tell.
A worker pastes this module (`turns.live_policy.pasted`): it needs nothing but `re`.
"""

import re

_NUMBER_WORDS = frozenset(
    word
    for line in (
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
        "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred",
        "thousand double triple first second third fourth fifth sixth seventh eighth ninth tenth",
        "january february march april june july august september october november december",
    )
    for word in line.split()
)
_LETTERS_THAT_ARE_WORDS = frozenset("aio")
_ASKS_NUMBER = re.compile(
    r"\b(number|spell|code|date|birth|postcode|zip|digits?|phone|e-?mail|how (many|much)|what time|when)\b"
)
LEAST_NUMBERS = 2
"""Fewer such words may be anything ("one moment")."""
LAST_WORDS = 4
"""Among so many of the last words `gives_numbers` looks for them."""
LONG_DIGITS = 3
"""Digits of a word that is a number by itself."""


def words_of(said: str) -> list[str]:
    """Words in lower case, without signs around them."""
    every = re.split(r"[\s-]+", said.lower())
    return [word for text in every if (word := text.strip(".,;:?!…\"'()[]"))]


def is_number(word: str) -> bool:
    """Whether a word (`words_of`) is a number, a part of a date, or a spelled letter."""
    if any(sign.isdigit() for sign in word) or word in _NUMBER_WORDS:
        return True
    return len(word) == 1 and word.isalpha() and word not in _LETTERS_THAT_ARE_WORDS


def gives_numbers(said: str) -> bool:
    """Whether the speaker of so much of a turn is giving a number or spelling: by the last words of it.

    A word of three digits and more tells alone, as some speech-to-text writes what was spoken digit by digit.

    >>> gives_numbers("It's four two B."), gives_numbers("It's four two B. But can I pay by card?")
    (True, False)
    """
    last = words_of(said)[-LAST_WORDS:]
    long = any(sum(sign.isdigit() for sign in word) >= LONG_DIGITS for word in last)
    return long or sum(is_number(word) for word in last) >= LEAST_NUMBERS


def last_sentence(said: str) -> str:
    """In lower case; "" if nothing was said."""
    sentences = [one.strip() for one in re.split(r"(?<=[.?!])\s+", said.lower()) if one.strip()]
    return sentences[-1] if sentences else ""


def asks_for_number(said: str) -> bool:
    """Whether the last sentence asks for a number, a date or the like, or for spelling.

    >>> asks_for_number("Hello. Could you spell your name?"), asks_for_number("That number is taken.")
    (True, False)
    """
    last = last_sentence(said)
    if not _ASKS_NUMBER.search(last):
        return False
    return "?" in last or re.search(r"\b(please|tell|give|read|spell)\b", last) is not None
