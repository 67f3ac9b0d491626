"""What `lab techniques` prints."""

from __future__ import annotations

import math
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ...core.text import in_ms
from ...latency.ablation.guide.claims import View, guides_name
from ...latency.ablation.run import Ablation
from ...latency.ablation.summary import LEVEL_TIMES, by_stage, levels
from ...latency.ablation.turns import MEASURES
from ...latency.joint.computed_replies import Computed
from ...workflows.techniques import TechniqueStudy

FEW_RECORDINGS = 5
VIEWS: tuple[View, ...] = ("alone", "left out", "stacked")


def print_techniques(study: TechniqueStudy, out: Path) -> None:
    """Levels, stages, savings, verdicts, and what rests on the speech-to-text."""
    console, found = Console(), study.ablation
    console.print(found.caption, highlight=False)
    _print_levels(console, found)
    if study.computed is not None:
        stt, judge = study.computed.stt_dollars, study.computed.judge_dollars
        console.print(
            f"$ is LLM and TTS; a streaming STT comes to ${stt:.2f} more for any agent, judging all turns "
            f"to ${judge:.2f}.",
            highlight=False,
        )
    _print_stages(console, found)
    _print_savings(console, found)
    if found.summary.verdicts:
        _print_verdicts(console, found)
    if study.computed is not None and not study.computed.by_stt.empty:
        _print_by_stt(console, study.computed)
    if len(found.recordings) < FEW_RECORDINGS:
        console.print(f"Only {len(found.recordings)} recording(s): the intervals say little.")
    console.print(
        f"results: {out}/: summary.json, turns.parquet, sessions.parquet, waterfall.png, savings.png "
        "(and -after-commit)",
        highlight=False,
    )


def _print_levels(console: Console, found: Ablation) -> None:
    table = Table(title="End of the caller's turn to first audio, in ms", box=box.SIMPLE, padding=0)
    table.add_column("", no_wrap=True)
    for name in ("answered", "p50", "p95", "commit", "after", "answer", "calls", "lost", "$"):
        table.add_column(name, justify="right", no_wrap=True)
    for agent, row in levels(found.summary).iterrows():
        table.add_row(
            found.summary.family.agents.get(str(agent), str(agent)),
            f"{row['answered']:.0%}",
            *(in_ms(row[one], "") for one in LEVEL_TIMES),
            *(f"{row[one]:.2f}" for one in ("llm_calls", "discarded_replies", "dollars")),
        )
    console.print(table)
    console.print(
        "commit, after: p95 of the wait for the commit and of what follows; answer: p95 of what isn't "
        "said ahead of it. Calls of the LLM, and preemptive replies lost, per turn; $ per 1,000."
    )


def _print_by_stt(console: Console, computed: Computed) -> None:
    table = Table(
        title="With another speech-to-text: p50 / p95 in ms, computed", box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("speech-to-text")
    by_stt = computed.by_stt
    agents = list(by_stt.columns.unique(0))
    for agent in agents:
        table.add_column(agent, justify="right")
    for name, row in by_stt.iterrows():
        table.add_row(str(name), *(_pair(row[agent, "p50"], row[agent, "p95"]) for agent in agents))
    console.print(table)
    if computed.floor is not None:
        floor = _pair(*computed.floor)
        console.print(f"floor, of a perfect detector with everything on: {floor} ms", highlight=False)


def _print_stages(console: Console, found: Ablation) -> None:
    """The stages in the guide's names."""
    stages = by_stage(found.summary)
    table = Table(
        title="Stages at p50 / p95, in ms (they overlap, and do not add up)",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    agents = found.summary.family.agents
    for name in ("stage", "the guide", *agents.values()):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in stages.to_dict("records"):
        guide = "" if math.isnan(row["guide"]) else in_ms(row["guide"], "")
        spans = (_pair(row[f"{name}, p50"], row[f"{name}, p95"]) for name in agents)
        table.add_row(guides_name(str(row["stage"])), guide, *spans)
    console.print(table)


def _print_savings(console: Console, found: Ablation) -> None:
    kind, savings = found.summary.family.kind, found.summary.savings
    table = Table(title=f"What each {kind} saves at p50 / p95, in ms", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(kind)
    for view in VIEWS:
        table.add_column(view, justify="right")
    of = savings[(savings["measure"] == MEASURES[0]) & (savings["on"] == "all")]
    for name, rows in of.groupby("technique", sort=False):
        saved = rows.set_index("view")
        p50, p95 = (saved[f"saved_p{q}"].astype(float) for q in (50, 95))
        table.add_row(str(name), *(_pair(p50[view], p95[view]) for view in VIEWS))
    console.print(table)


def _pair(p50_s: float, p95_s: float) -> str:
    return f"{in_ms(p50_s, '')} / {in_ms(p95_s, '')}"


def _print_verdicts(console: Console, found: Ablation) -> None:
    table = Table(title="The guide's claims", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("claim", "line", "measured", "verdict"):
        table.add_column(name, justify="right" if name == "line" else "left")
    for one in found.summary.verdicts:
        unsure = "" if one.certain else " (uncertain)"
        table.add_row(f"{one.subject}: {one.claim}", str(one.line), one.measured, one.words + unsure)
    console.print(table)
