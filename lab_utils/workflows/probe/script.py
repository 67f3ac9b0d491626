"""What a probe plays and sends: the recorded turns, and how much of it goes to whom, for how much money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...core.errors import InputError
from ...core.labels import labels_until, spoken_words
from ...core.recording import Recording
from ...core.timeline import to_samples
from ...session.caller.turns import caller_turns
from ...session.entrypoint.probe import LiveParts
from ...session.providers.schema import Providers

AFTER_S = 0.5
"""The last turn that is played keeps so much of what follows it."""
REPLY_S = 5.0
"""Of audio that the STT hears while the agent answers a turn, for the estimate."""
REPLY_CHARACTERS = 120
"""Of a reply, for the estimate."""
CHARACTERS_PER_TOKEN = 4
TOOL_CHARACTERS = 300
"""Of a tool's description in a prompt, for the estimate."""


def first_turns(recording: Recording, turns: int) -> Recording:
    """The recording up to the end of so many of the caller's turns. Raises InputError without any."""
    labels = recording.labels
    found = [] if labels is None else [turn for turn in caller_turns(labels) if not turn.backchannel]
    if labels is None or not found:
        raise InputError(f"{recording.name}: no turn of the caller is labelled; give a recording with labels")
    if len(found) <= turns:
        return recording
    until_s = min(found[turns - 1].end_s + AFTER_S, found[turns].start_s)
    end = to_samples(until_s)
    agent = None if recording.agent is None else recording.agent[:end]
    short = labels_until(labels, until_s, until_s)
    return replace(recording, user=recording.user[:end], agent=agent, labels=short)


def turns_of(recording: Recording) -> int:
    """How many turns a reactive caller speaks."""
    assert recording.labels is not None
    return sum(not turn.backchannel for turn in caller_turns(recording.labels))


@dataclass(frozen=True)
class Estimate:
    """Roughly what some sessions of a probe send."""

    turns: int
    real_s: float
    """How long it takes."""
    stt_s: float
    """Seconds of audio."""
    requests: tuple[int, int]
    """Of the LLM: without and with every preemptive one that LiveKit may begin. Tools add one each."""
    prompt_tokens: tuple[int, int]
    tts_characters: int
    dollars: tuple[float, float]
    """By the base profile's prices."""


def estimate(sessions: Sequence[tuple[Recording, int]], live: LiveParts, prices: Providers) -> Estimate:
    """What it comes to, before anything is sent.

    `sessions`: each with the recording that is played and the length of its instructions, in characters.
    """
    asked_tokens = sum(_prompt_tokens(recording, live, length) for recording, length in sessions)
    turns = sum(turns_of(recording) for recording, _ in sessions)
    speech_s = sum(recording.labels.duration_s for recording, _ in sessions if recording.labels)
    stt_s = speech_s + turns * REPLY_S
    preemptive = live.settings.preemptive
    most = 1 + preemptive.max_retries if preemptive.enabled else 1
    characters = turns * REPLY_CHARACTERS
    fixed = stt_s / 3600 * prices.stt.price + characters / 1e6 * prices.tts.price
    answers = characters / CHARACTERS_PER_TOKEN / 1e6 * prices.large.output_price
    asked = asked_tokens / 1e6 * prices.large.input_price
    dollars = fixed + answers + asked, fixed + most * (answers + asked)
    return Estimate(
        turns, stt_s, stt_s, (turns, most * turns), (asked_tokens, most * asked_tokens), characters, dollars
    )


def _prompt_tokens(recording: Recording, live: LiveParts, instructions: int) -> int:
    """Of a call's requests together: each holds the instructions, the tools and all that was said before."""
    assert recording.labels is not None
    turns = turns_of(recording)
    words = [one.text for one in spoken_words(recording.labels) if one.speaker == "user"]
    said = sum(map(len, words)) + len(words) + turns * REPLY_CHARACTERS
    each = instructions + TOOL_CHARACTERS * len(live.tools)
    return round((turns * each + said * (turns + 1) / 2) / CHARACTERS_PER_TOKEN)


def told(live: LiveParts, estimated: Estimate, prices: Providers, prompts: Sequence[str] = ()) -> list[str]:
    """What will be sent, to whom and for how much, a line each; `prompts`: names of all that are compared."""
    least, most = estimated.requests
    requests = f"{least}" if least == most else f"{least} to {most}"
    low, high = estimated.dollars
    dollars = f"${low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"${low:.2f} to {high:.2f}"
    tokens = round(estimated.prompt_tokens[0] / max(least, 1))
    lines = [
        f"STT {_named(live.stt)}: about {estimated.stt_s:.0f} s of recorded callers",
        f"LLM {_named(live.llm)}: {requests} requests of about {tokens} tokens, with what the STT understood",
        f"TTS {_named(live.tts)}: about {estimated.tts_characters} characters",
        f"takes about {estimated.real_s / 60:.0f} min and, by the prices of {prices.name}, roughly {dollars}",
    ]
    if len(prompts) > 1:
        lines.append(f"all of it together under {len(prompts)} prompts: {', '.join(prompts)}")
    if live.tools:
        lines.append(f"the LLM may call these tools, which then run for real: {', '.join(live.tools)}")
    if live.mcp_servers:
        lines.append(f"and all tools of these MCP servers: {', '.join(live.mcp_servers)}")
    lines.append("agents that the call is handed to may use other tools and providers")
    return lines


def _named(part: object) -> str:
    return f"{part.provider} {part.model} ({part.label})"  # type: ignore[attr-defined]
