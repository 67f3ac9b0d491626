"""One reply of the model, with its times: asked as LiveKit's OpenAI plug-in asks, streamed, without tools.

Times are seconds from the request that was answered: a busy server is asked again, and neither what it
refused nor the wait counts. The first sentence is what LiveKit's own filters and sentence tokenizer hand to a
TTS plug-in first, and it is there when they do. A request that is given up on, refused, or answered in part
raises InputError: the search ends, and goes on from what it has when it is run again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import requests
from pydantic import Field

from ...core.errors import InputError
from ...core.files import parse_model
from ...core.models import Frozen
from ...core.text import one_line
from ...latency.reply.sentences import pieces
from ...session.scripted.voices import MIN_SENTENCE_LEN
from ..evaluate.endpoint import Endpoint
from .turns import AskedTurn

TIMEOUT_S = 60.0
WAITS_S = (0.5, 1.0)
"""Before a busy or failing server is asked again, where it doesn't tell how long (Retry-After)."""
BUSY = (429, 500, 502, 503)
Tokens = Annotated[int, Field(ge=0)] | None


class Reply(Frozen, strict=False):
    """What came."""

    text: str
    first_sentence: str
    first_token_s: float
    first_sentence_s: float
    prompt_tokens: Tokens
    """None, like those of the reply, where the server doesn't tell."""
    completion_tokens: Tokens


class _Delta(Frozen, extra="ignore"):
    content: str | None = None


class _Choice(Frozen, extra="ignore"):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(Frozen, extra="ignore"):
    prompt_tokens: Tokens = None
    completion_tokens: Tokens = None


class _Event(Frozen, extra="ignore"):
    """A piece of the stream; the last one has the usage and no choice."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    """In place of the rest of the reply."""


@dataclass(frozen=True)
class Model(Endpoint):
    """The model that speaks as the agent."""

    def ask(self, session: requests.Session, instructions: str, turn: AskedTurn) -> Reply:
        """Its reply to a turn under some instructions. `session`: a connection that is kept between requests.

        Raises InputError, naming model and host, without a whole one.
        """
        messages = [("system", instructions), *turn.messages]
        body: Any = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            for usual_s in WAITS_S:
                try:
                    return self._answered(session, body)
                except (requests.HTTPError, requests.ConnectionError) as error:
                    time.sleep(_wait_s(error, usual_s))
            return self._answered(session, body)
        except (requests.RequestException, ValueError) as error:
            why = self.without_key(one_line(str(error)))
            raise InputError(f"{self.model} at {self.host}: {why}") from None

    def _answered(self, session: requests.Session, body: Any) -> Reply:
        begun_s = time.perf_counter()
        parts: list[tuple[float, str]] = []
        used = _Usage()
        with session.post(
            f"{self.base_url}/chat/completions",
            json=body,
            auth=self.signed,
            timeout=TIMEOUT_S,
            stream=True,
            allow_redirects=False,  # the words go where was told, and nowhere else
        ) as answer:
            answer.raise_for_status()
            if answer.status_code >= 300:
                raise ValueError(f"redirects ({answer.status_code}); not followed")
            for event in _events(answer):
                used = event.usage or used
                said = _content(event)
                if said:
                    parts.append((time.perf_counter() - begun_s, said))
        if not parts:
            raise ValueError("answered without words")
        return _reply(parts, used)


def _wait_s(error: requests.HTTPError | requests.ConnectionError, usual_s: float) -> float:
    """How long to wait before asking again. Raises the error where that wouldn't help."""
    answer = error.response
    if answer is None:  # there was no connection
        return usual_s
    if answer.status_code not in BUSY:
        raise error
    told = answer.headers.get("Retry-After", "")
    return min(float(told), TIMEOUT_S) if told.isdecimal() else usual_s


def _events(answer: requests.Response) -> Iterator[_Event]:
    """The server-sent events, each as soon as it comes.

    Raises ValueError for what is none, for an error, and where the reply breaks off.
    """
    in_chunks = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    size = None if in_chunks else 1  # None: as they come, which without chunks is all at the end
    whole = False
    for line in answer.iter_lines(chunk_size=size):  # type: ignore[arg-type]
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            whole = True
            continue
        event = parse_model(data, _Event, "an event of a streamed chat completion")
        if event.error is not None:
            raise ValueError(f"broke off with an error: {event.error}")
        whole = whole or any(one.finish_reason for one in event.choices or ())
        yield event
    if not whole:
        raise ValueError("the stream ended before the reply did")


def _content(event: _Event) -> str:
    delta = event.choices[0].delta if event.choices else None
    return (delta.content if delta else None) or ""


def _reply(parts: list[tuple[float, str]], used: _Usage) -> Reply:
    texts = [text for _, text in parts]
    spoken = pieces(texts, MIN_SENTENCE_LEN)
    count, first = spoken[0] if spoken else (len(parts), "".join(texts))
    return Reply(
        text="".join(texts).strip(),
        first_sentence=first.strip(),
        first_token_s=round(parts[0][0], 6),
        first_sentence_s=round(parts[count - 1][0], 6),
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
    )
