"""What `lab fit` and `lab probe` print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...core.delays import Delay
from ...core.text import in_ms, printable
from ...latency import fitting
from ...session.providers.schema import Providers
from ...workflows.fit import summary_of
from ...workflows.probe import Plan, Probe


def print_fit(fitted: fitting.Fit, base: Providers, out: Path, plot: Path | None) -> None:
    """Each stage's percentiles beside the base's, and what was left out."""
    table = Table("stage", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("n", "p50 (95 % interval)", "p95 (95 % interval)", f"{base.name}: p50, p95"):
        table.add_column(head, justify="right")
    table.add_column("log-normal?")
    for stage in fitted.stages:
        p95_s = stage.delay.p95_s or stage.delay.p50_s
        table.add_row(
            stage.stage,
            str(stage.n),
            _with_interval(stage.delay.p50_s, stage.p50_interval_s),
            _with_interval(p95_s, stage.p95_interval_s),
            _both(_of_profile(base, stage.stage)),
            f"{'yes' if stage.log_normal else 'no'}, KS {stage.ks:.3f}",
        )
    console = Console()
    console.print(table)
    for name, n in fitted.too_few.items():
        if n or name != "small.ttft":
            have = f"{n} turns, {fitted.least} are needed"
            console.print(f"{name}: {have}; as in {base.name}", highlight=False, markup=False)
    for stage in fitted.stages:
        if n := fitted.figures.left_out[stage.stage]:
            why = "zero (unknown, or a transcript before the end of speech) or over a minute"
            console.print(f"{stage.stage}: {n} left out: {why}", highlight=False, markup=False)
    written = f"profile: {out}" + (f", plot: {plot}" if plot else "")
    console.print(written, highlight=False, markup=False, soft_wrap=True)


def _of_profile(base: Providers, stage: str) -> Delay:
    part, _, figure = stage.partition(".")
    delay: Delay = getattr(getattr(base, part), figure)
    return delay


def _with_interval(at_s: float, interval_s: tuple[float, float]) -> str:
    low_s, high_s = interval_s
    return f"{1000 * at_s:.0f} ms ({1000 * low_s:.0f}–{1000 * high_s:.0f})"


def _both(delay: Delay) -> str:
    p95 = "–" if delay.p95_s is None else f"{1000 * delay.p95_s:.0f}"
    return f"{1000 * delay.p50_s:.0f}, {p95} ms"


def print_probe(found: Probe, plan: Plan, out: Path, *, as_json: bool) -> None:
    """What a live probe measured, as `print_fit` or as JSON, and how its sessions went."""
    shown = {
        name: {"n": len(seconds), "p50_s": round(float(np.median(seconds)), 4)}
        for name, seconds in found.shown.items()
        if len(seconds)
    }
    if as_json:
        summary = summary_of(found.fitted)
        prompts = json.loads(found.prompts.to_json(orient="records"))
        failed = {name: list(failures) for name, failures in found.failed.items()}
        print(
            json.dumps(summary | {"shown": shown, "failed": failed, "prompts": prompts, "profile": str(out)})
        )
        return
    print_fit(found.fitted, plan.base, out, None)
    if any(stage.n < fitting.LEAST_FIGURES for stage in found.fitted.stages):
        print(
            f"fewer than {fitting.LEAST_FIGURES} figures place a p95 badly, as intervals tell: --repeat more"
        )
    words = {
        "first_sentence": "request to the end of the first sentence",
        "whole": "last speech to first sound",
    }
    for name, figures in shown.items():
        print(f"{words[name]}: median {1000 * figures['p50_s']:.0f} ms of {figures['n']}")
    for name, failures in found.failed.items():
        under = f" under the prompt {printable(name)!r}" if len(found.prompts) > 1 else ""
        print(
            f"{len(failures)} of {len(found.sessions)} sessions{under} ended early: {printable(failures[0])}"
        )
    if len(found.prompts) > 1:
        Console().print(_prompts(found))
    print(f"prices and what wasn't measured are those of {plan.base.name}: look them over")


def _prompts(found: Probe) -> Table:
    """The prompts side by side."""
    heads = ("prompt", "replies", "first sentence", "first token", "to its end", "first sound", "$ per 1,000")
    table = Table(*heads, title="The same agent under several prompts (medians)", box=box.SIMPLE)
    for row in found.prompts.to_dict("records"):
        characters, dollars = row["first_sentence_characters"], row["dollars_per_1000_turns"]
        table.add_row(
            escape(printable(row["prompt"])),
            str(row["replies"]),
            "–" if np.isnan(characters) else f"{characters:.0f} characters",
            *(in_ms(row[name]) for name in ("first_token_s", "first_sentence_s", "whole_s")),
            "–" if np.isnan(dollars) else f"{dollars:.2f}",
        )
    return table
