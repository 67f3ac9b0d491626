"""Notebook 05: twelve latency techniques, what they are and what they save."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image
from pandas.io.formats.style import Styler

from .. import plots
from ..latency.ablation.cells import Plan
from ..latency.ablation.plan import BASELINE, DEFAULT, FULL, MISTAKE
from ..latency.ablation.run import Ablation
from ..latency.ablation.side_by_side import side_by_side
from ..latency.ablation.summary import alone_and_left_out, by_stage
from ..latency.ablation.summary import levels as levels_of
from ..latency.ablation.summary import waterfall as steps_of
from ..latency.ablation.turns import MEASURES
from ..latency.techniques.descriptions import descriptions
from ..recordings.find import find_recordings
from ..session.providers.schema import Providers
from ..session.providers.stages import stages as stages_of
from ..session.rehearsal import Rehearsal
from ..turns.tracing import default_cache
from .shown import image, left

TOTAL, AFTER_COMMIT = MEASURES
AGENTS = {BASELINE: "none of the twelve", DEFAULT: DEFAULT, FULL: "all twelve"}


HEADS = {
    "commit_p95": "commit p95",
    "after_commit_p95": "after commit p95",
    "llm_calls": "LLM calls a turn",
    "discarded_replies": "discarded",
    "dollars": "$",
    "false_boundaries": "false boundaries",
    "wasted_look_ups": "look-ups wasted",
    "wrong_answers": "wrong answers",
}


def techniques() -> Styler:
    """The twelve techniques in words, a row each; the words are those of their modules."""
    rows = [
        {
            "technique": f"{one.number}. {one.name.replace('_', ' ')}",
            "what it does": one.does,
            "what LiveKit 1.8.9 does by itself": one.by_default,
            "common mistake": one.mistake,
        }
        for one in descriptions()
    ]
    return left(pd.DataFrame(rows).style.format(_code))


def _code(text: object) -> str:
    """As HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(str(text)))


def providers(profile: Providers) -> Image:
    """A provider profile: each stage from its median to its 95th percentile."""
    return image(plots.provider_figure(profile.name, stages_of(profile)))


def waterfall(ablation: Ablation, measure: str = TOTAL) -> Image:
    """The techniques one on top of the other, from none to all twelve; p50 and p95."""
    steps = steps_of(ablation.summary, measure)
    return image(plots.waterfall_figure(steps, measure, ablation.caption))


def savings(ablation: Ablation, measure: str = TOTAL) -> Image:
    """What each technique saves alone, and what leaving it out of all twelve costs."""
    return image(
        plots.savings_figure(alone_and_left_out(ablation.summary, measure), measure, ablation.caption)
    )


def levels(ablation: Ablation) -> pd.DataFrame:
    """The agents that everybody asks about, a row each: latency (ms), and what it takes.

    With mistakes in the ablation, all twelve with each of them, too. By turn: LLM calls, preemptive replies
    thrown away, false boundaries. Per 1,000 turns: dollars (LLM and TTS), look-ups whose result nobody took,
    and answers that were another question's or another tenant's.
    """
    table = levels_of(ablation.summary)[["p50", "p95", *HEADS]]
    whole = ["p50", "p95", "commit_p95", "after_commit_p95", "wasted_look_ups", "wrong_answers"]
    table[whole] = table[whole].round().astype("Int64")  # an agent that never answered has no times
    names = AGENTS | {
        name: f"all twelve, {name}" for name in map(str, table.index) if name.startswith(MISTAKE)
    }
    return table.round(2).rename(index=names, columns=HEADS)


def stages(ablation: Ablation) -> Styler:
    """p50 and p95 (ms) of each stage, in the guide's names, beside the guide's figure for all twelve."""
    table = by_stage(ablation.summary).set_index("stage")
    table.columns = pd.MultiIndex.from_tuples(
        [("the guide", ""), *((AGENTS[name], q) for name in AGENTS for q in ("p50", "p95"))]
    )
    return table.style.format(precision=0, na_rep="")


def undisturbed(ablation: Ablation) -> pd.DataFrame:
    """Of the turns that don't wait for `max_delay` and need no tool: p50 and p95 (ms), an agent each."""
    turns = ablation.turns
    waits = turns["commit_ms"] >= 1000 * ablation.settings.endpointing.max_delay
    of = turns[~waits & ~turns["tool"]].groupby("configuration")["turn_total_ms"]
    table = of.quantile(np.array([0.5, 0.95])).unstack().loc[list(AGENTS)].rename(index=AGENTS)
    share = of.size().loc[list(AGENTS)] / turns.groupby("configuration").size().loc[list(AGENTS)]
    table.insert(0, "share of turns", share.to_numpy())
    return table.rename(columns={0.5: "p50", 0.95: "p95"}).round({"share of turns": 2, "p50": 0, "p95": 0})


def verdicts(ablation: Ablation) -> Styler:
    """The guide's claims, what was measured, the verdict; "(?)" where the interval is too wide to tell."""
    rows = [
        {
            "claim": f"{one.subject.replace('_', ' ')}: {one.claim}",
            "measured": one.measured,
            "verdict": one.words + ("" if one.certain else " (?)"),
        }
        for one in ablation.summary.verdicts
    ]
    return left(pd.DataFrame(rows).style.format(escape="html"))


def conversations(ablation: Ablation, path: str | Path, number: int = 0) -> Rehearsal:
    """One call of an ablation under LiveKit's default and all twelve: whole sessions, with sound."""
    plan = Plan(
        ablation.settings,
        ablation.conditions,
        ablation.providers,
        default_cache(),
        ablation.patience_s,
        ablation.greeting,
    )
    agents = {shown: ablation.configurations[name] for name, shown in AGENTS.items() if name != BASELINE}
    files = find_recordings(path)[number]
    return side_by_side(plan, files, agents, seed=ablation.seed)
