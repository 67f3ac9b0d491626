"""What is computed beside the sessions of `lab techniques`, on the same turns.

The floor of a perfect detector, and what becomes of the latency with another speech-to-text, by the closed
form of replies, with the sessions' delays, if the agent greets in all of them: a caller who speaks first is
not covered. And what speech-to-text and judge cost: the same for all agents with a streaming STT.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...core.batch import results
from ...core.delays import Delay
from ...core.files.places import Place
from ...core.settings import Conditions, Settings
from ...recordings.find import RecordingFiles, find_in, with_distinct_names
from ...session.providers.schema import Providers, SttProvider
from ...turns.cache.finished import Kept, Run
from ...turns.metrics.scores import percentile
from ..ablation.files import records
from ..ablation.run import SEEDS, Ablation
from ..reply.records import NotCovered
from ..techniques.choice import Techniques, livekit_default
from .calls import JointCall
from .configuration import E2E, EVERY_ONE, TWELVE_COMPUTED

LATER_S = 0.2
SHORT_GAP_S, LONG_GAP_S = 0.025, 1.0


@dataclass(frozen=True)
class Computed:
    """Latencies in seconds, from the true end of the turn to the first sound."""

    floor: tuple[float, float] | None
    """p50 and p95 with a perfect detector and all techniques and levers that can be computed; None where the
    closed form doesn't cover the sessions (`latency.reply.scope`)."""
    by_stt: pd.DataFrame
    """A row for each speech-to-text (`variants`): p50 and p95 of LiveKit's default, and of all twelve but the
    semantic cache, which the closed form doesn't cover. Empty where it doesn't cover the sessions."""
    stt_dollars: float
    """Per 1,000 turns, streaming all of the calls, with the pauses in which the caller waits."""
    judge_dollars: float
    """Per 1,000 turns, a verdict each."""

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values; None where there is no figure."""
        p50_s, p95_s = self.floor or (None, None)
        table = self.by_stt.set_axis([", ".join(two) for two in self.by_stt.columns], axis=1)
        return {
            "floor_p50_s": p50_s,
            "floor_p95_s": p95_s,
            "by_stt": records(table.reset_index()),
            "stt_dollars": self.stt_dollars,
            "judge_dollars": self.judge_dollars,
        }


@dataclass(frozen=True)
class _Plan:
    """What is computed of every recording."""

    settings: Settings
    conditions: Conditions
    providers: Providers
    seeds: tuple[int, ...]
    """Of the draws."""
    wait_s: float
    cache: Place
    replies: bool
    """Whether the agent greets in all sessions: a caller who speaks first is not covered."""


@dataclass(frozen=True)
class _OfCall:
    """What is computed of one recording, all draws together."""

    duration_s: float
    turns: int
    replies: Mapping[str, tuple[float, ...]] | None
    """From each turn's end to the first sound (s), by `_FLOOR`, and by speech-to-text and agent (`_column`);
    None where the closed form doesn't cover them."""


_FLOOR = "floor"


def computed_replies(
    of: Ablation,
    paths: Sequence[str | Path],
    channels: tuple[str, str],
    cache: Place,
    *,
    quiet: bool = True,
) -> Computed:
    """Of an ablation's recordings."""
    seeds = tuple(SEEDS * of.seed + draw for draw in range(of.draws))
    greeted = bool(of.sessions["greeted"].all())
    plan = _Plan(of.settings, of.conditions, of.providers, seeds, of.wait_s, cache, greeted)
    found, _ = find_in(paths, channels)
    work = [(plan, files) for files in with_distinct_names(found) if files.name in of.recordings]
    run = Run(_of_call, work, Kept(_OfCall), "computed recording")
    calls = list(results(run.in_batch("computing", quiet=quiet)))
    turns = max(1, len(seeds) * sum(call.turns for call in calls))
    streamed_h = len(seeds) * sum(call.duration_s for call in calls) / 3600
    stt_dollars = 1000 * of.providers.stt.price * streamed_h / turns
    floor, by_stt = _tables(of.providers, [call.replies for call in calls])
    return Computed(floor, by_stt, stt_dollars, of.providers.judge.price)


def _tables(
    providers: Providers, replies: Sequence[Mapping[str, tuple[float, ...]] | None]
) -> tuple[tuple[float, float] | None, pd.DataFrame]:
    """Floor and table by speech-to-text, of all recordings; none where one isn't covered."""
    covered = [one for one in replies if one is not None]
    if len(covered) < len(replies):
        return None, pd.DataFrame()

    def p50_and_p95(name: str) -> list[float]:
        e2e_s = np.sort(np.concatenate([np.array(one[name], dtype=np.float64) for one in covered]))
        return [float(percentile(e2e_s[None, :], q)[0]) for q in E2E.values()]

    agents = _agents(providers)
    rows = {
        stt: [value for agent in agents for value in p50_and_p95(_column(stt, agent))]
        for stt in variants(providers)
    }
    columns = pd.MultiIndex.from_product([agents, ["p50", "p95"]])
    by_stt = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    p50_s, p95_s = p50_and_p95(_FLOOR)
    return (p50_s, p95_s), by_stt.rename_axis("speech-to-text")


def _agents(providers: Providers) -> dict[str, Techniques]:
    large = providers.large.cache
    return {
        "LiveKit's default": livekit_default(large is not None and large.automatic),
        "all twelve": TWELVE_COMPUTED,
    }


def _column(stt: str, agent: str) -> str:
    return f"{agent}, {stt}"


def _of_call(plan: _Plan, files: RecordingFiles) -> _OfCall:
    """One recording, in a process of its own or in this one."""
    call = JointCall.of(files, plan.providers, plan.conditions, seed=0, cache=plan.cache, wait_s=plan.wait_s)
    replies: dict[str, tuple[float, ...]] | None = None
    with suppress(NotCovered):
        replies = _replies(plan, call) if plan.replies else None
    return _OfCall(call.recording.duration_s, len(call.ends_s), replies)


def _replies(plan: _Plan, call: JointCall) -> dict[str, tuple[float, ...]]:
    """`_OfCall.replies`. Raises NotCovered."""
    found: dict[str, list[float]] = defaultdict(list)
    agents = _agents(plan.providers)
    for seed in plan.seeds:
        found[_FLOOR] += replace(call, seed=seed, _events={}).floor(EVERY_ONE).e2e_s.tolist()
        for stt, providers in variants(plan.providers).items():
            own = replace(call, seed=seed, providers=providers, _events={})
            outcomes = own.outcomes([(plan.settings, one) for one in agents.values()])
            for agent, outcome in zip(agents, outcomes, strict=True):
                found[_column(stt, agent)] += outcome.e2e_s.tolist()
    return {name: tuple(e2e_s) for name, e2e_s in found.items()}


def variants(providers: Providers) -> dict[str, Providers]:
    """The same services with other speech-to-texts: when transcripts come, and of what.

    >>> from lab_utils.session.providers.files import load_providers
    >>> [name for name in variants(load_providers("guide")) if "early" in name]
    ['no early transcript']
    """
    stt = providers.stt
    half = Delay(stt.final.p50_s / 2)
    others: dict[str, dict[str, object]] = {
        f"as {providers.name} has it": {},
        "no early transcript" if stt.preflight else "early transcript in half the time": {
            "preflight": None if stt.preflight else half
        },
        f"a final after each {SHORT_GAP_S * 1000:.0f} ms of silence": {"segment_gap_s": SHORT_GAP_S},
        f"a final after each {LONG_GAP_S:.0f} s of silence": {"segment_gap_s": LONG_GAP_S},
        f"all transcripts {LATER_S * 1000:.0f} ms later": _later(stt),
    }
    made = {name: stt.model_copy(update=changed) for name, changed in others.items()}
    return {
        name: providers.model_copy(update={"stt": other})
        for name, other in made.items()
        if other != stt or not others[name]
    }


def _later(stt: SttProvider) -> dict[str, object]:
    def later(delay: Delay | None) -> Delay | None:
        if delay is None:
            return None
        return Delay(delay.p50_s + LATER_S, None if delay.p95_s is None else delay.p95_s + LATER_S)

    return {name: later(getattr(stt, name)) for name in ("final", "preflight", "first_partial")}
