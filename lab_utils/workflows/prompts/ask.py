"""One reply of the model, with its times: asked as LiveKit's OpenAI plug-in asks, streamed, without tools.

Times are seconds from the request. The first sentence is what LiveKit's own filters and sentence tokenizer
hand to a TTS plug-in first, and it is there when they do. A request that is given up on, or refused, raises
InputError: the search ends, and goes on from what it has when it is run again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ...core.errors import InputError
from ...core.models import Frozen
from ...core.text import one_line
from ...latency.reply.sentences import pieces
from ...session.scripted.voices import MIN_SENTENCE_LEN
from ..evaluate.endpoint import Endpoint
from .turns import AskedTurn

TIMEOUT_S = 60.0


class Reply(Frozen, strict=False):
    """What came."""

    text: str
    first_sentence: str
    first_token_s: float
    first_sentence_s: float
    prompt_tokens: int
    """0, like those of the reply, where the server doesn't tell."""
    completion_tokens: int


@dataclass(frozen=True)
class Model(Endpoint):
    """The model that speaks as the agent."""

    def ask(self, session: requests.Session, instructions: str, turn: AskedTurn) -> Reply:
        """Its reply to a turn under some instructions."""
        messages = [("system", instructions), *turn.messages]
        body: Any = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        begun_s = time.perf_counter()
        parts: list[tuple[float, str]] = []
        used: dict[str, Any] = {}
        try:
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
                    used = event.get("usage") or used
                    said = _content(event)
                    if said:
                        parts.append((time.perf_counter() - begun_s, said))
        except (requests.RequestException, ValueError) as error:
            why = self.without_key(one_line(str(error)))
            raise InputError(f"{self.model} at {self.host}: {why}") from None
        if not parts:
            raise InputError(f"{self.model} at {self.host}: answered without words")
        return _reply(parts, used)

    def session(self) -> requests.Session:
        """A connection that is kept between requests, and asks a busy server again."""
        session = requests.Session()
        retry = Retry(
            total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503), allowed_methods=None
        )
        session.mount(self.base_url, HTTPAdapter(max_retries=retry))
        return session


def _events(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The server-sent events, each as soon as it comes."""
    in_chunks = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    size = None if in_chunks else 1  # None: as they come, which without chunks is all at the end
    for line in answer.iter_lines(chunk_size=size):  # type: ignore[arg-type]
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            event = json.loads(data)
            if not isinstance(event, dict):
                raise ValueError("an event of the stream is no JSON object")
            yield event


def _content(event: dict[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")


def _reply(parts: list[tuple[float, str]], used: dict[str, Any]) -> Reply:
    texts = [text for _, text in parts]
    spoken = pieces(texts, MIN_SENTENCE_LEN)
    count, first = spoken[0] if spoken else (len(parts), "".join(texts))
    return Reply(
        text="".join(texts).strip(),
        first_sentence=first.strip(),
        first_token_s=round(parts[0][0], 6),
        first_sentence_s=round(parts[count - 1][0], 6),
        prompt_tokens=int(used.get("prompt_tokens") or 0),
        completion_tokens=int(used.get("completion_tokens") or 0),
    )
