"""What is computed beside the sessions of `lab techniques`, on the same turns.

The floor of a perfect detector, and what becomes of the latency with another speech-to-text, by the closed
form of replies, with the sessions' delays, if the agent greets in all of them: a caller who speaks first is
not covered. And what speech-to-text and judge cost: the same for all agents with a streaming STT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from ...core.delays import Delay
from ...core.files.places import Place
from ...recordings.find import find_in, with_distinct_names
from ...session.providers.schema import Providers, SttProvider
from ..ablation.files import records
from ..ablation.run import SEEDS, Ablation
from ..reply.records import NotCovered
from ..techniques.choice import livekit_default
from .calls import JointCall
from .configuration import E2E, EVERY_ONE, TWELVE_COMPUTED
from .evaluate import Evaluator, figures_of

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


def computed_replies(
    of: Ablation,
    paths: Sequence[str | Path],
    channels: tuple[str, str],
    cache: Place,
    *,
    quiet: bool = True,
) -> Computed:
    """Of an ablation's recordings."""
    calls = _calls(of, paths, channels, cache)
    turns = max(1, sum(len(call.ends_s) for call in calls))
    streamed_h = sum(call.recording.duration_s for call in calls) / 3600
    stt_dollars = 1000 * of.providers.stt.price * streamed_h / turns
    try:
        if not of.sessions["greeted"].all():
            raise NotCovered("a caller speaks first")
        floor, by_stt = _replies(of, calls, cache, quiet)
    except NotCovered:
        floor, by_stt = None, pd.DataFrame()
    return Computed(floor, by_stt, stt_dollars, of.providers.judge.price)


def _replies(
    of: Ablation, calls: Sequence[JointCall], cache: Place, quiet: bool
) -> tuple[tuple[float, float], pd.DataFrame]:
    """Floor and table by speech-to-text. Raises NotCovered."""
    large = of.providers.large.cache
    agents = {
        "LiveKit's default": livekit_default(large is not None and large.automatic),
        "all twelve": TWELVE_COMPUTED,
    }
    rows: dict[str, list[float]] = {}
    floor = figures_of([call.floor(EVERY_ONE) for call in calls])
    others = variants(of.providers)
    for name, providers in tqdm(others.items(), desc="computing", unit="speech-to-text", disable=quiet):
        own = [replace(call, providers=providers, _events={}) for call in calls]
        figures = Evaluator(own, cache).table(
            [(of.settings, one) for one in agents.values()], range(len(own))
        )
        rows[name] = figures[[*E2E]].to_numpy().ravel().tolist()
    columns = pd.MultiIndex.from_product([agents, ["p50", "p95"]])
    by_stt = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return (floor["e2e_p50"], floor["e2e_p95"]), by_stt.rename_axis("speech-to-text")


def _calls(
    of: Ablation, paths: Sequence[str | Path], channels: tuple[str, str], cache: Place
) -> list[JointCall]:
    found, _ = find_in(paths, channels)
    calls = []
    for files in with_distinct_names(found):
        if files.name in of.recordings:
            one = JointCall.of(files, of.providers, of.conditions, seed=0, cache=cache, wait_s=of.wait_s)
            calls += [replace(one, seed=SEEDS * of.seed + draw) for draw in range(of.draws)]
    return calls


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
