"""What went wrong in a call: each failure with its cause, where the call was then, and what was said.

Causes, told in words:
- by the user's expectations: a tool that wasn't called, or only with an error; words that weren't said; a
  claim ("I've booked") without a call of the tool, up to the user's next words, that went well;
- by the session itself: a tool that failed, an error of a part, a reply slower than the limit, a commit in a
  pause of the caller (a false boundary, where labels tell), words that were misheard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...recordings.formats.livekit_history import Said
from .calls import Call
from .expectations import Claim, Expected, said_in
from .words import WordErrors


@dataclass(frozen=True)
class Failure:
    """One thing that went wrong."""

    call: str
    cause: str
    """Calls that fail alike have the same cause."""
    exchange: int | None = None
    """Place in `Call.exchanges`; None for what concerns the whole call."""
    at_s: float | None = None
    detail: str = ""
    """What belongs to this failure alone."""


@dataclass(frozen=True)
class Task:
    """Whether a call achieved what was expected of it."""

    done: bool | None
    """None where nothing is expected, or the source doesn't tell."""
    why_untold: str = ""


def task_of(call: Call, expected: Sequence[Expected]) -> tuple[Task, tuple[Failure, ...]]:
    """Whether a call's task was done, and what was missing."""
    wants_tools = any(one.tools for one in expected)
    wants_words = any(one.agent_says or one.caller_says for one in expected)
    if not (wants_tools or wants_words):
        return Task(None), ()
    if wants_tools and not call.tools_told:
        return Task(None, _no_tools(call)), ()
    if wants_words and not call.has_text:
        return Task(None, "its words weren't kept"), ()
    missing = tuple(failure for one in expected for failure in _missing(call, one))
    return Task(not missing), missing


def _missing(call: Call, expected: Expected) -> Iterator[Failure]:
    tools = [tool for exchange in call.exchanges for tool in exchange.tools]
    for name in expected.tools:
        outcomes = [tool.failed for tool in tools if tool.name == name]
        if not outcomes:
            yield Failure(call.name, f"task: {name} wasn't called")
        elif all(outcomes):
            yield Failure(call.name, f"task: {name} never succeeded")
    sides = (
        ("agent", call.said("agent"), expected.agent_says),
        ("caller", call.said("user"), expected.caller_says),
    )
    for who, said, patterns in sides:
        for pattern in patterns:
            if not said_in(pattern, said):
                yield Failure(call.name, f"task: the {who} didn't say /{pattern}/")


def claims_of(call: Call, expected: Iterable[Expected]) -> tuple[int, tuple[Failure, ...]]:
    """How often the agent said that it had done something, and the times when it hadn't.

    Nothing is known, and no claim counted, where words weren't kept or the source tells no tools.
    """
    claims = [claim for one in expected for claim in one.claims]
    if not (call.has_text and call.tools_told):
        return 0, ()
    made, done = 0, set[str]()
    broken: list[Failure] = []
    for number, exchange in enumerate(call.exchanges):
        done |= {tool.name for tool in exchange.tools if tool.failed is not True}
        for said in exchange.replies:
            for claim in (one for one in claims if said_in(one.says, said.text or "")):
                made += 1
                if claim.tool not in done:
                    broken.append(_broken(call, claim, number, said))
    return made, tuple(broken)


def why_no_claims(call: Call, expected: Iterable[Expected]) -> str:
    """Why the claims that are expected of a call can't be judged; "" if they can be, or there is none."""
    return _no_tools(call) if not call.tools_told and any(one.claims for one in expected) else ""


def _no_tools(call: Call) -> str:
    return f"{call.source} doesn't tell which tools were called"


def _broken(call: Call, claim: Claim, exchange: int, said: Said) -> Failure:
    cause = f"claim: said /{claim.says}/ without {claim.tool}"
    sentences = re.split(r"(?<=[.?!])\s+", said.text or "")
    told = next((one for one in sentences if said_in(claim.says, one)), said.text or "")
    return Failure(call.name, cause, exchange, said.start_s, told)


def session_failures(call: Call, slow_s: float) -> Iterator[Failure]:
    """What the session itself tells: errors, failed tools, slow replies, false boundaries."""
    yield from (Failure(call.name, error) for error in call.errors)
    for number, exchange in enumerate(call.exchanges):
        for tool in exchange.tools:
            if tool.failed:
                yield Failure(call.name, f"tool failed: {tool.name}", number, exchange.start_s)
        for said in exchange.replies:
            if said.e2e_s is not None and said.e2e_s > slow_s:
                detail = f"{said.e2e_s:.2f} s"
                yield Failure(call.name, f"reply after more than {slow_s:g} s", number, said.start_s, detail)
    for at_s in call.false_boundaries_s:
        yield Failure(call.name, "spoke into the caller's pause", _exchange_at(call, at_s), at_s)


def _exchange_at(call: Call, at_s: float) -> int | None:
    """The last exchange that began before a moment."""
    begun = [k for k, one in enumerate(call.exchanges) if one.start_s is not None and one.start_s <= at_s]
    return begun[-1] if begun else None


def misheard(call: Call, errors: WordErrors | None) -> Iterator[Failure]:
    """A failure for each known word that was misheard, once a call."""
    heard: dict[str, list[str]] = {}
    for word, other in errors.misheard if errors else ():
        heard.setdefault(word, []).append(other or "nothing")
    for word, others in heard.items():
        told = f"heard as {', '.join(dict.fromkeys(others))}"
        yield Failure(call.name, f"misheard: {word}", detail=told)
