"""Rules for what kind of turn a user's text is, and whether two texts ask the same. No model.

Simple on purpose: no download, microseconds per text, the same result each time. English only. In production,
give the agent a classifier and real embeddings instead: `classify` and `similarity` are only defaults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

Intent = Literal["acknowledgement", "question", "request", "statement"]
Similarity = Callable[[str, str], float]
"""How alike two texts are in what they ask: 0 to 1, 1 for the same."""

_ACKNOWLEDGEMENTS = """
yes|yeah|yep|yup|no|nope|nah|ok|okay|right|alright|sure|fine|great|good|perfect|lovely|correct|exactly|agreed
absolutely|definitely|certainly|indeed|cool|nice|wonderful|brilliant|excellent|super|thanks|cheers|bye|goodbye
hello|hi|hey|mhm|hm|hmm|uh-huh|mm-hm|mm|ah|oh|um|uh|erm|er|well|so|then|please|go on|go ahead|all right
that's right|that's correct|that's fine|that's it|that's all|that works|that's great|that's perfect|of course
no problem|got it|i see|i understand|makes sense|sounds good|thank you|thank you very much|thank you so much
many thanks|thanks a lot|very much|very good|no thanks|no thank you|yes please|i am|i do|it is|it does|you too
have a nice day|good day|one moment|just a moment|hold on
"""
ACKNOWLEDGEMENTS = frozenset(_ACKNOWLEDGEMENTS.strip().replace("\n", "|").split("|"))
"""Words and phrases that, alone or in a row, only tell the agent to go on."""
_LONGEST = max(len(phrase.split()) for phrase in ACKNOWLEDGEMENTS)

_WORDS = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_QUESTION = re.compile(
    r"^(?:(?:um|uh|so|and|but|well|okay|hi|hello|oh|er|erm) )*"
    r"(?:what|when|where|which|who|whose|whom|why|how|is|are|am|was|were|do|does|did|can|could|will|would|"
    r"shall|should|may|might|has|have|had|isn't|aren't|don't|doesn't|didn't|can't|couldn't|won't)\b"
)
_REQUEST = re.compile(
    r"\b(?:cancel|change|book|rebook|order|reorder|refund|return|send|resend|move|reschedule|schedule|"
    r"transfer|pay|block|unblock|activate|deactivate|delete|remove|add|update|upgrade|downgrade|close|open|"
    r"check|find|look up|tell me|give me|show me|help me|explain|repeat|connect me|put me through|call me|"
    r"i want|i need|i'd like|i would like|i'm looking for|i am looking for|please [a-z]+)\b"
)
_NEGATION = re.compile(r"\b(?:no|not|never|without|cannot)\b|n't\b")
_FILLERS = frozenset(
    {"um", "uh", "er", "erm", "hm", "hmm", "mm", "so", "well", "like", "please", "just", "oh"}
)
_GREETINGS = frozenset({"ah", "hi", "hello", "hey", "okay", "ok"})
_NUMBER_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
first second third
"""
_NUMBERS = frozenset(_NUMBER_WORDS.split())


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; numbers are words."""
    return [word.replace("’", "'").lower() for word in _WORDS.findall(text)]


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(words_of(text))


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts differ at most in case and punctuation, as LiveKit compares them."""
    return one == other or _words(one) == _words(other)


@lru_cache(maxsize=4096)
def classify(text: str) -> Intent:
    """The intent class of one user turn.

    A text of only `ACKNOWLEDGEMENTS` is an acknowledgement. A text with a question mark, or that begins as
    questions do, is a question. A text that asks for something to be done ("cancel my entire order") is a
    request, however short. Everything else, such as a name or a date, is a statement.
    """
    words = words_of(text)
    if _only_acknowledges(words) and "?" not in text:
        return "acknowledgement"
    joined = " ".join(words)
    if "?" in text or _QUESTION.search(joined):
        return "question"
    return "request" if _REQUEST.search(joined) else "statement"


def _only_acknowledges(words: Sequence[str]) -> bool:
    """Whether the words consist of phrases of `ACKNOWLEDGEMENTS` only."""
    reached = {0}
    for at in range(len(words)):
        if at in reached:
            for end in range(at + 1, min(at + _LONGEST, len(words)) + 1):
                if " ".join(words[at:end]) in ACKNOWLEDGEMENTS:
                    reached.add(end)
    return bool(words) and len(words) in reached


def similarity(one: str, other: str) -> float:
    """How alike two texts are in their words, 0 to 1, regardless of their order, case and fillers.

    The Indel ratio of the sorted words (`rapidfuzz.fuzz.token_sort_ratio`). Texts that differ in a number or
    in a negation have similarity 0: "room 12" is not "room 13". Synonyms aren't recognized ("when do you
    open", "what are your hours"): store a question in each wording that matters, or use `cosine`.
    """
    a, b = _essence(one), _essence(other)
    if not a[0] or not b[0] or a[1:] != b[1:]:
        return 0.0
    return float(fuzz.token_sort_ratio(a[0], b[0])) / 100


@lru_cache(maxsize=4096)
def _essence(text: str) -> tuple[str, tuple[str, ...], bool]:
    """The words that matter, the numbers among them, and whether the text negates."""
    words = [word for word in words_of(text) if word not in _FILLERS | _GREETINGS]
    numbers = tuple(word for word in words if word in _NUMBERS or any(letter.isdigit() for letter in word))
    joined = " ".join(words)
    return joined, numbers, _NEGATION.search(joined) is not None


def cosine(embed: Callable[[str], Sequence[float]], kept: int = 4096) -> Similarity:
    """A similarity by real embeddings. `embed` turns a text into a vector; `kept` vectors are cached.

    `embed` runs in the event loop, so it should be a local model of a few milliseconds.
    """

    @lru_cache(maxsize=kept)
    def unit(text: str) -> tuple[float, ...]:
        vector = [float(x) for x in embed(text)]
        norm = math.sqrt(sum(x * x for x in vector))
        return tuple(x / norm for x in vector) if norm > 0 else tuple(vector)

    def alike(one: str, other: str) -> float:
        a, b = unit(one), unit(other)
        if len(a) != len(b):
            raise ValueError(f"embed gave vectors of {len(a)} and {len(b)} numbers; expected one length")
        return min(max(sum(x * y for x, y in zip(a, b, strict=True)), 0.0), 1.0)

    return alike
