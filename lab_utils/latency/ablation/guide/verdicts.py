"""Whether the guide's claims hold in the measurement, by stated rules.

A technique's saving is measured at p95 of `turn_total_s` in two ways: "alone" (baseline minus this technique
alone) and "left out" (all others minus all twelve). It is taken over all turns, or, if the claim says so,
over those where the technique acts. It reaches a claim if it is at least the claim's lower end. Rules, of
which the first that applies decides:
1. both reach it: "holds".
2. only one reaches it: "holds only if the others are off" (alone), or "on" (left out).
3. alone, the saving at p95 over the turns where the technique acts reaches it: "holds only if" those are
   meant.
4. alone, the saving at p50 reaches it: "holds only if" the typical turn is meant.
5. otherwise "doesn't hold here, because": the technique acts in no turn; or its stage saves as much, but
   during the wait for the end of turn; or the measured figure is named.

`certain` is False if the interval of the deciding figure contains the claim's lower end, or is unknown.

A range (a configuration's p95): "holds" if the p95 is within it or below. It "holds only if" that is true
only for the time after the commit, in all turns or in those that need no tool. Otherwise "doesn't hold here".

A share of the turns: "holds" if it is at most the claim's. It is `certain` if each recording by itself gives
the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ....core.text import in_ms
from ...techniques.choice import TechniqueName
from ..estimates import Estimate
from ..turns import FIRST_TURN, WHERE
from .claims import LevelClaim, SavingClaim, View

Word = Literal["holds", "holds only if", "doesn't hold here"]
STAGE_OF: dict[TechniqueName, str] = {
    "streaming_stt": "transcription_s",
    "prefix_caching": "llm_ttft_s",
    "model_routing": "llm_ttft_s",
    "async_evaluation": "hook_s",
    "tts_warmup": "tts_first_audio_s",
    "short_turn_models": "llm_ttft_s",
    "kv_cache_reuse": "llm_ttft_s",
    "regional_routing": "tts_first_audio_s",
}
"""The stage that a technique shortens, where it is one that LiveKit reports."""
STAGE_WORDS = {
    "transcription_s": "the final transcript comes",
    "llm_ttft_s": "the first token comes",
    "hook_s": "the hook is over",
    "tts_first_audio_s": "the first audio comes",
}


class Saved(NamedTuple):
    """The savings of one comparison."""

    p95: Estimate
    p50: Estimate
    mean: Estimate
    turns: int
    affected: float


class Level(NamedTuple):
    """A configuration's p95 figures."""

    total: Estimate
    after_commit: Estimate
    commit: Estimate
    without_tool: Estimate
    """p95 of the time after the commit, in turns that need no tool."""
    turns: int


@dataclass(frozen=True)
class Verdict:
    """A claim, and whether it holds."""

    subject: str
    """A technique's name, or the name of what has a range."""
    claim: str
    line: int
    """Line of the claim in the guide."""
    measured: str
    verdict: Word
    reason: str
    certain: bool

    @property
    def words(self) -> str:
        """Verdict and reason as one sentence, "holds only if …" or "doesn't hold here, because …"."""
        between = " " if self.verdict == "holds only if" else ", "
        return self.verdict + (between + self.reason if self.reason else "")


def judge_saving(
    claim: SavingClaim,
    rows: Mapping[tuple[View, str], Saved],
    stages: Mapping[str, float],
    greeted: bool = False,
) -> Verdict:
    """Rules 1 to 5. `rows`: by view, and "all" or "its"; `stages`: mean seconds that each saves alone.

    `greeted`: whether the agent spoke first in every call.
    """
    on = "its" if claim.on_its_turns else "all"
    alone, left_out, its = rows["alone", on], rows["left out", on], rows["alone", "its"]
    where = WHERE.get(claim.technique, "all turns")

    def verdict(word: Word, reason: str, deciding: tuple[Estimate, ...]) -> Verdict:
        return Verdict(
            subject=claim.technique,
            claim=f"saves {in_ms(claim.low_s, '')} to {in_ms(claim.high_s)} at p95"
            + (f" on {where}" if claim.on_its_turns else ""),
            line=claim.line,
            measured=f"alone {_told(alone.p95)}, left out {_told(left_out.p95)}",
            verdict=word,
            reason=reason,
            certain=all(_certain(one, claim.low_s) for one in deciding),
        )

    by_alone, by_left_out = (_reaches(one.p95, claim.low_s) for one in (alone, left_out))
    both = (alone.p95, left_out.p95)
    if by_alone and by_left_out:
        more = min(one.value for one in both) > claim.high_s
        return verdict("holds", "more than claimed" if more else "", both)
    if by_alone or by_left_out:
        return verdict("holds only if", f"the other techniques are {'off' if by_alone else 'on'}", both)
    if not its.turns:
        reason = f"because there are no {where} here"
        return verdict("doesn't hold here", reason, (alone.p95,))
    if _reaches(its.p95, claim.low_s):
        share = its.turns / alone.turns if alone.turns else np.nan
        reason = f"one looks only at {where} ({share:.0%} of the turns): {_told(its.p95)} there"
        return verdict("holds only if", reason, (its.p95,))
    if _reaches(alone.p50, claim.low_s):
        reason = f"one looks at the typical turn: {_told(alone.p50)} at p50"
        return verdict("holds only if", reason, (alone.p50,))
    stage = STAGE_OF.get(claim.technique)
    if stage is not None and stages[stage] >= claim.low_s:
        reason = (
            f"because {STAGE_WORDS[stage]} {in_ms(stages[stage])} sooner, but mostly while the agent still "
            f"waits to be sure that the turn is over: {_told(alone.mean)} of it are heard on average"
        )
    elif alone.affected == 0:
        reason = "because it changes no turn here"
        if greeted and where == FIRST_TURN:
            reason += ": a greeting comes before the first turn, when the connections are opened"
    else:
        reason = (
            f"because it saves {_told(alone.mean)} on average, and changes {alone.affected:.0%} of the turns"
        )
    return verdict("doesn't hold here", reason, both)


def judge_level(claim: LevelClaim, found: Level) -> Verdict:
    """The rule for a range."""

    def verdict(word: Word, reason: str, deciding: Estimate) -> Verdict:
        return Verdict(
            subject=claim.what,
            claim=f"{in_ms(claim.low_s, '')} to {in_ms(claim.high_s)} at p95",
            line=claim.line,
            measured=f"{_told(found.total)}; after the commit {_told(found.after_commit)}",
            verdict=word,
            reason=reason,
            certain=_certain(deciding, claim.high_s),
        )

    if not found.turns or not np.isfinite(found.total.value):
        return verdict("doesn't hold here", "because there are no such turns here", found.total)
    if found.total.value <= claim.high_s:
        below = found.total.value < claim.low_s
        return verdict("holds", "faster than claimed" if below else "", found.total)
    wait = f"the wait until the commit alone is {_told(found.commit)} at p95"
    if found.after_commit.value <= claim.high_s:
        return verdict("holds only if", f"one counts from the commit: {wait}", found.after_commit)
    tools = f"without turns that need the tool what follows it is {_told(found.without_tool)}"
    if found.without_tool.value <= claim.high_s:
        reason = f"one counts from the commit, and no turns that need the tool: {wait}; {tools}"
        return verdict("holds only if", reason, found.without_tool)
    return verdict("doesn't hold here", f"because {wait}, and even {tools}", found.total)


def judge_share(
    subject: str, share: float, of_recordings: Sequence[float], most: float, line: int
) -> Verdict:
    """The rule for a share of the turns; `most`: the claim, `of_recordings`: the share in each recording."""
    holds = share <= most
    return Verdict(
        subject=subject,
        claim=f"at most {most:.0%} of the turns",
        line=line,
        measured=f"{share:.1%}",
        verdict="holds" if holds else "doesn't hold here",
        reason="" if holds else "because every pause inside a turn makes a final transcript to start on",
        certain=len(of_recordings) > 1 and all((one <= most) == holds for one in of_recordings),
    )


def _reaches(found: Estimate, least_s: float) -> bool:
    return bool(found.value >= least_s)


def _certain(found: Estimate, limit_s: float) -> bool:
    """Whether the whole interval is on one side of `limit_s`; an unknown limit of it may be anything."""
    low = found.low if np.isfinite(found.low) else -np.inf
    high = found.high if np.isfinite(found.high) else np.inf
    return not low < limit_s <= high


def _told(found: Estimate) -> str:
    if not np.isfinite(found.value):
        return in_ms(None)
    known = np.isfinite(found.low) or np.isfinite(found.high)
    interval = f" [{in_ms(found.low, '')}, {in_ms(found.high, '')}]" if known else ""
    return f"{in_ms(found.value, '')}{interval} ms"
