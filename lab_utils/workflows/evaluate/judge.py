"""A judge of coherence: a language model behind an OpenAI-compatible endpoint reads a call's words.

It is asked only where the user names a model: the words of each call, and its tool calls with their
arguments, leave the machine then, for `OPENAI_BASE_URL` (OpenAI's own by default), with `OPENAI_API_KEY`.
Audio is never sent, and no redirect is followed. One request a call, at temperature 0; a busy or failing
server is asked up to three times. What a judge says is an opinion: the same call may be judged otherwise
tomorrow, and by another model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import requests
from pydantic import Field
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ...core.files import BadFile, parse_model
from ...core.models import Frozen
from ...core.text import clip, one_line
from ...recordings.formats.livekit_history import Said
from .calls import Call
from .endpoint import Endpoint

TIMEOUT_S = 60.0
CHARACTERS_PER_TOKEN = 4
"""Of English text; for the size that is told before anything is sent."""
_ASKED = """You judge a telephone call of a voice agent. Judge only the agent, by these words.
Answer with one JSON object: {"coherence": N, "problems": [{"turn": T, "what": "..."}]}
coherence: 5 if every reply follows from what was said before it; 4 one small slip; 3 a reply that ignores or
misreads the caller; 2 several; 1 no conversation at all.
problems: each reply that contradicts itself or what was said before, ignores the caller, repeats itself, or
makes something up. T is its number in brackets; "what" is "contradicts", "ignores", "repeats" or "makes up".
No other text."""


class _Problem(Frozen, extra="ignore", strict=False):
    turn: int
    what: str


class _Answer(Frozen, extra="ignore", strict=False):
    coherence: Annotated[int, Field(ge=1, le=5)]
    problems: list[_Problem] = Field(default_factory=list)


class _Message(Frozen, extra="ignore"):
    content: str


class _Choice(Frozen, extra="ignore"):
    message: _Message


class _Completion(Frozen, extra="ignore"):
    choices: Annotated[list[_Choice], Field(min_length=1)]


@dataclass(frozen=True)
class Verdict:
    """What a judge answered about the script of a call."""

    coherence: int | None
    """1 (none) to 5; None if it didn't answer."""
    problems: tuple[tuple[int, str], ...] = ()
    """Number of the message in the script, from 1, and what is wrong with it."""
    error: str = ""
    """Why there is no answer, in a line."""

    @property
    def failure(self) -> str:
        """As a session's: the next run asks again."""
        return self.error


@dataclass(frozen=True)
class Judgement:
    """What a judge said of one call."""

    coherence: int | None
    """1 (none) to 5; None if it didn't answer."""
    problems: tuple[tuple[int, str], ...] = ()
    """Place of the agent's message in `Call.items`, and what is wrong with it."""
    error: str = ""
    """Why there is no judgement, in a line."""
    reason: str = ""
    """Why the grade is what it is, where that was told for the whole call."""


class Judge(Endpoint):
    """A model that is asked about calls."""

    def told(self, calls: Sequence[Call]) -> str:
        """What will be sent, and to whom."""
        characters = sum(len(_ASKED) + len(script(call)) for call in calls)
        what = f"the words and tool calls with their arguments of {len(calls)} call(s)"
        return f"{what}, about {characters // CHARACTERS_PER_TOKEN} tokens, go to {self.model} at {self.host}"

    def judge(self, call: Call) -> Judgement:
        """What the model says of a call; a failure is in `Judgement.error`."""
        return judgement_of(call, self.ask(script(call)))

    def ask(self, script: str) -> Verdict:
        """What the model answers to a call's `script`; a failure is in `Verdict.error`."""
        body: Any = {
            "model": self.model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": _ASKED},
                {"role": "user", "content": script},
            ],
        }
        try:
            with requests.Session() as session:
                retry = Retry(
                    total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503), allowed_methods=None
                )
                session.mount(self.base_url, HTTPAdapter(max_retries=retry))
                answer = session.post(
                    f"{self.base_url}/chat/completions",
                    json=body,
                    auth=self.signed,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,  # the words go where was told, and nowhere else
                )
                answer.raise_for_status()
            if answer.status_code >= 300:
                return Verdict(None, error=f"{self.host} redirects ({answer.status_code}); not followed")
            content = parse_model(answer.content, _Completion, "a chat completion").choices[0].message.content
            said = parse_model(content, _Answer, "the judge's JSON")
        except (requests.RequestException, BadFile) as error:
            return Verdict(None, error=self.without_key(one_line(str(error))))
        return Verdict(said.coherence, tuple((one.turn, clip(one.what)) for one in said.problems))


def asked(judge: Judge, script: str) -> Verdict:
    """`Judge.ask`, as a function of what its answer depends on."""
    return judge.ask(script)


def judgement_of(call: Call, verdict: Verdict) -> Judgement:
    """A verdict with its problems at their places; what isn't said of the agent's messages is left out."""
    messages = [k for k, item in enumerate(call.items) if isinstance(item, Said)]
    placed = ((turn - 1, what) for turn, what in verdict.problems)
    problems = ((messages[turn], what) for turn, what in placed if 0 <= turn < len(messages))
    own = tuple(one for one in problems if _is_agents(call, one[0]))
    return Judgement(verdict.coherence, own, error=verdict.error)


def script(call: Call) -> str:
    """A call as a judge reads it: a numbered line for each message, tools between them."""
    lines, number = [], 0
    for item in call.items:
        if isinstance(item, Said):
            number += 1
            who = "caller" if item.speaker == "user" else "agent"
            cut = " (interrupted by the caller)" if item.interrupted else ""
            lines.append(f"[{number}] {who}: {' '.join((item.text or '').split())}{cut}")
        else:
            came = {None: "", True: ", which failed", False: ""}[item.failed]
            lines.append(f"(the agent calls {item.name} {item.arguments or ''}{came})")
    return "\n".join(lines)


def _is_agents(call: Call, place: int) -> bool:
    item = call.items[place]
    return isinstance(item, Said) and item.speaker == "agent"
