"""Which pieces of a reply go to the TTS, and after which token of the LLM.

Definition (livekit-agents 1.8.9): the text passes LiveKit's own filters, which hold a word back until what
follows it is known (voice/transcription/filters.py). Then its sentence tokenizer (tokenize/token_stream.py,
`BufferedTokenStream`) holds it until it is ten characters; a piece goes out as soon as another begins after
it, and what is left goes out at the end. With a schedule (`session.scripted.chunk_schedule`) the text is
divided into words instead, which wait for each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from ...session.scripted.chunk_schedule import ChunkSchedule
from ...session.scripted.prompt import tokens_of

CONTEXT = 10
SYLLABLES_PER_S = 3.83
"""At which LiveKit takes a reply's words to be heard until all of its audio is there."""


WORDS = 0
"""In place of the length of the shortest sentence: divide into words."""


class Stretch(NamedTuple):
    """What of a reply the TTS gets in one request."""

    since: int
    """The number of tokens before it."""
    until: int
    """The number of tokens with it."""
    text: str
    pieces: tuple[tuple[int, str], ...]
    """What is spoken at a time, with the number of the reply's tokens that must have come."""
    sent: int
    """The number of tokens after which the first of it is sent."""


@lru_cache(maxsize=4096)
def stretches(
    reply: str, shortest: int, schedule: tuple[int, ...] | None, *, flushes: bool
) -> tuple[Stretch, ...]:
    """A reply in the order of its requests: in one, or with `first_sentence_flush` in two.

    The first one's end is known when a token comes that begins the second; the last one's with the reply's.

    >>> [(one.until, one.pieces) for one in stretches("All right. Is it free?", 5, None, flushes=True)]
    [(3, ((4, 'All right.'),)), (7, ((7, 'Is it free?'),))]
    """
    tokens = tokens_of(reply)
    first = first_sentence(tokens) if flushes else 0
    found = []
    for since, until in pairwise([*([0] if first else []), first, len(tokens)]):
        part = tokens[since:until]
        end = until + (until < len(tokens))
        spoken = _counted(spoken_at_a_time(part, shortest, schedule), since, end)
        sent = spoken if schedule is None else _counted(pieces(part, WORDS), since, end)
        if spoken:
            found.append(Stretch(since, until, "".join(part), tuple(spoken), sent[0][0]))
    return tuple(found)


def _counted(came: Sequence[tuple[int, str]], since: int, end: int) -> list[tuple[int, str]]:
    """Counted from a reply's beginning, `since` tokens before; the last one comes at its end."""
    return [*((since + count, one) for count, one in came[:-1]), *((end, one) for _, one in came[-1:])]


def spoken_at_a_time(
    tokens: Sequence[str], shortest: int, schedule: Sequence[int] | None
) -> list[tuple[int, str]]:
    """What the TTS speaks at a time, and how many tokens it needs."""
    return pieces(tokens, shortest) if schedule is None else chunks(tokens, schedule)


def pieces(tokens: Sequence[str], shortest: int) -> list[tuple[int, str]]:
    """Each piece with the number of tokens that must have come; the last one needs the reply's end.

    >>> pieces(["All", " right", ".", " Is", " it", " free", " of", " charge", "?"], 5)
    [(5, 'All right.'), (9, 'Is it free of charge?')]
    >>> pieces(["All", " right", ".", " Is", " it", " free", " of", " charge", "?"], 20)
    [(9, 'All right. Is it free of charge?')]
    """
    return list(_pieces(tuple(tokens), shortest))


def chunks(tokens: Sequence[str], schedule: Sequence[int]) -> list[tuple[int, str]]:
    """The same under a schedule, for each chunk.

    >>> chunks(["All", " right", ".", " Is", " it", " free", " of", " charge", "?"], (15, 99))
    [(7, 'All right. Is it'), (9, 'free of charge?')]
    """
    waiting, found = ChunkSchedule(schedule), []
    for count, word in pieces(tokens, WORDS):
        if chunk := waiting.add(word):
            found.append((count, chunk))
    rest = waiting.rest()
    return [*found, *([(len(tokens), rest)] if rest else [])]


@lru_cache(maxsize=4096)
def _pieces(tokens: tuple[str, ...], shortest: int) -> tuple[tuple[int, str], ...]:
    split, context = _tokenizer(shortest).tokenize, 1 if shortest == WORDS else CONTEXT
    found: list[tuple[int, str]] = []
    held = ""
    for count, text in filtered(tokens):
        held += text
        if len(held) < context:
            continue
        while len(parts := split(held)) > 1:
            found.append((count, parts[0]))
            held = held[held.index(parts[0]) + len(parts[0]) :]
    rest = " ".join(split(held)).strip()
    return (*found, *([(len(tokens), rest)] if rest else []))


def first_sentence(tokens: Sequence[str]) -> int:
    """How many tokens the first sentence has if `token_streaming.flushed` ends it before the next; else 0.

    >>> first_sentence(["All", " right", ".", " Is", " it"])
    3
    """
    from ..techniques.token_streaming import FirstSentence

    first = FirstSentence()
    return next((count for count, token in enumerate(tokens) if first.ends_before(token)), 0)


def filtered(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """What LiveKit's filters let through, each with the number of tokens read by then.

    >>> list(filtered(["All", " right", ".", " Is", " it"]))
    [(2, 'All'), (3, ' right'), (4, '.'), (5, ' Is'), (5, ' it')]
    """
    from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

    read = 0

    async def source() -> AsyncIterator[str]:
        nonlocal read
        for token in tokens:
            read += 1
            yield token

    through = aiter(filter_emoji(filter_markdown(source())))
    while True:
        try:
            anext(through).__await__().send(None)  # nothing in there waits, so no loop is needed
        except StopIteration as one:
            yield read, one.value
        except StopAsyncIteration:
            return


def heard_text(
    text: str, played: Sequence[tuple[float, float]], cut_s: float, done_s: float, audio_s: float
) -> str:
    """The words of a reply that count as heard at `cut_s`: what the conversation holds of it then.

    `played`: from when to when it was played, in order; `done_s`: when all of its audio, `audio_s` long, is
    there, from which LiveKit then tells how fast it is spoken. A word that has been begun goes on through a
    pause (voice/transcription/synchronizer.py, `_main_task`).

    >>> heard_text("Of course. Then go on.", [(0.0, 1.0)], 1.0, 9.0, 1.3)
    'Of course. Then'
    >>> heard_text("Of course. Then go on.", [(0.0, 1.0)], 1.0, 0.2, 1.0)
    'Of course. Then go'
    """
    heard, now_s = "", 0.0
    words = _syllables(text)
    known_per_s = sum(count for count, _ in words) / audio_s
    for count, word in words:
        begins_s = next((max(now_s, since_s) for since_s, until_s in played if now_s < until_s), math.inf)
        now_s = begins_s + count / (known_per_s if begins_s >= done_s else SYLLABLES_PER_S)
        if now_s > cut_s:
            break
        heard += word
    return heard


@lru_cache(maxsize=1024)
def _syllables(text: str) -> tuple[tuple[int, str], ...]:
    """Each word with the space before it, and how many syllables LiveKit counts."""
    from livekit.agents.tokenize.basic import hyphenate_word

    return tuple((len(hyphenate_word(word)), word) for word in re.findall(r"\s*\S+", text))


@cache
def _tokenizer(shortest: int) -> Any:
    from livekit.agents.tokenize import basic, blingfire

    if shortest == WORDS:
        return basic.WordTokenizer(ignore_punctuation=False)
    return blingfire.SentenceTokenizer(min_sentence_len=shortest)
