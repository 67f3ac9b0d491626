"""Which pieces of a reply go to the TTS, and after which token of the LLM.

Definition (livekit-agents 1.8.9): the text passes LiveKit's own filters, which hold a word back until what
follows it is known (voice/transcription/filters.py). Then its sentence tokenizer (tokenize/token_stream.py,
`BufferedTokenStream`) holds it until it is ten characters; a piece goes out as soon as another begins after
it, and what is left goes out at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

CONTEXT = 10
SYLLABLES_PER_S = 3.83
"""At which LiveKit takes a reply's words to be heard (voice/transcription/synchronizer.py)."""


def pieces(tokens: Sequence[str], shortest: int) -> list[tuple[int, str]]:
    """Each piece with the number of tokens that must have come; the last one needs the reply's end.

    >>> pieces(["All", " right", ".", " Is", " it", " free", " of", " charge", "?"], 5)
    [(5, 'All right.'), (9, 'Is it free of charge?')]
    >>> pieces(["All", " right", ".", " Is", " it", " free", " of", " charge", "?"], 20)
    [(9, 'All right. Is it free of charge?')]
    """
    return list(_pieces(tuple(tokens), shortest))


@lru_cache(maxsize=4096)
def _pieces(tokens: tuple[str, ...], shortest: int) -> tuple[tuple[int, str], ...]:
    split = _tokenizer(shortest).tokenize
    found: list[tuple[int, str]] = []
    held = ""
    for count, text in filtered(tokens):
        held += text
        if len(held) < CONTEXT:
            continue
        while len(parts := split(held)) > 1:
            found.append((count, parts[0]))
            held = held[held.index(parts[0]) + len(parts[0]) :]
    rest = " ".join(split(held)).strip()
    return (*found, *([(len(tokens), rest)] if rest else []))


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


def first_word_s(text: str) -> float:
    """How long a reply must be heard before a word of it counts as heard.

    >>> round(first_word_s("Of course."), 3)
    0.261
    """
    from livekit.agents.tokenize.basic import hyphenate_word

    return len(hyphenate_word(text.split()[0])) / SYLLABLES_PER_S


@cache
def _tokenizer(shortest: int) -> Any:
    from livekit.agents.tokenize import blingfire

    return blingfire.SentenceTokenizer(min_sentence_len=shortest)
