"""The scripted call centre of the ablation: the agent's instructions, tool and answers.

Goal: the same answers for every configuration, so that configurations differ by their techniques alone. An
answer depends only on the caller's words and on how often the caller has spoken. Text and rules only, without
LiveKit.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated, NamedTuple

from pydantic import Field

from ...core.files import parse_yaml
from ...core.models import Frozen
from ..techniques.choice import LeverName

Text = Annotated[str, Field(min_length=1)]
_WORD = re.compile(r"[a-z0-9']+")


class LookUp(NamedTuple):
    """The model calls the tool with this argument."""

    identifier: str


class Tool(Frozen):
    """The agent's one function tool."""

    name: Text
    argument: Text
    description: Text
    found: Text
    """What the tool returns."""
    answer: Text
    """What the model says then."""


class Spelled(Frozen):
    """The rules by which a turn is taken to spell an identifier."""

    at_least: Annotated[int, Field(ge=1)]
    """The model looks up an identifier of at least so many letters, digits and `words`."""
    foreseen: Annotated[int, Field(ge=1)]
    """The look-up ahead starts with at least so many: it may be wrong, as a real classifier is."""
    words: tuple[Text, ...]
    """Words that count besides single letters and digits."""
    named_by: tuple[Text, ...] = ()
    """Phrases after which the model looks up what follows, or else the whole turn; never used ahead."""


class Common(Frozen):
    """A common question, and its answer."""

    question: Text
    answer: Text


class Short(Frozen):
    """Replies to short turns."""

    at_most: Annotated[int, Field(ge=1)]
    """A turn of at most so many words is short."""
    replies: Annotated[tuple[Text, ...], Field(min_length=1)]


class Scenario(Frozen):
    """A scripted call centre."""

    name: Text
    tenant: Text
    greeting: Text
    instructions: Text
    tool: Tool
    spelled: Spelled
    opening: Text
    """How a reply begins where a short first sentence is asked for."""
    common: tuple[Common, ...]
    short: Short
    replies: Annotated[tuple[Text, ...], Field(min_length=1)]

    def opens_with(self, levers: Collection[LeverName]) -> str:
        """What comes before every reply under these levers; "" without `short_opening`."""
        return f"{self.opening} " if "short_opening" in levers else ""

    def identifier(self, text: str) -> str | None:
        """The identifier that a turn spells (letters, digits, number words) or names in a phrase, or None."""
        return self._spelled(text, self.spelled.at_least) or self._named(text)

    def foreseen(self, text: str) -> str | None:
        """The identifier of a turn for a look-up ahead, or None. It may be too short for the model to look
        up, and it may miss an identifier that the model finds."""
        return self._spelled(text, self.spelled.foreseen)

    def _spelled(self, text: str, at_least: int) -> str | None:
        known = _as_set(self.spelled.words)
        # "I" and "a" are words far more often than letters.
        found = [word for word in words_of(text) if word in known or (len(word) == 1 and word not in "ia")]
        return " ".join(found) if len(found) >= at_least else None

    def _named(self, text: str) -> str | None:
        said = f" {' '.join(words_of(text))} "
        for phrase in self.spelled.named_by:
            _, found, rest = said.partition(f" {phrase} ")
            if found:
                return rest.strip() or said.strip()
        return None

    def answer(self, text: str, turn: int) -> str | LookUp:
        """The model's answer to the caller's `turn`-th message (from 1), or its call of the tool."""
        identifier = self.identifier(text)
        if identifier is not None:
            return LookUp(identifier)
        words = words_of(text)
        replies = self.short.replies if len(words) <= self.short.at_most else self.replies
        return replies[(turn - 1) % len(replies)]


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case, without punctuation."""
    return tuple(_WORD.findall(text.lower()))


@cache
def _as_set(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


@cache
def call_centre() -> Scenario:
    """The scenario in `call_centre.yaml`."""
    text = resources.files(__package__).joinpath("call_centre.yaml").read_text("utf-8")
    return Scenario.model_validate(parse_yaml(text).values, strict=False)
