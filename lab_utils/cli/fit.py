"""`lab fit`: provider profiles from the reports of real sessions."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from .. import plots
from ..core.delays import Delay
from ..latency import fitting
from ..recordings.audio import replacing
from ..session.providers.files import load_providers, save_providers
from ..session.providers.schema import Providers
from .common import Json, app, ending_well


@app.command()
def fit(
    reports: Annotated[
        list[Path],
        typer.Argument(help="Session reports, OTLP span dumps, or folders of them.", show_default=False),
    ],
    base: Annotated[str, typer.Option(help="Provider profile, by name or file, that gives everything else.")],
    out: Annotated[Path, typer.Option("--out", help="Provider profile to write (YAML).")],
    plot: Annotated[Path | None, typer.Option(help="PNG to draw the fit into.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the latencies of STT, LLM and TTS to your sessions, and write them as a provider profile."""
    with ending_well():
        for path in (out, plot):
            if path is not None and path.is_dir():
                raise ValueError(f"{path}: is a folder; name a file")
        before = load_providers(base)
        figures = fitting.read_figures(reports, before)
        for item in figures.skipped:
            print(f"lab: skipped: {item.reason}", file=sys.stderr)
        fitted = fitting.fit(figures)
        profile = fitting.profile_of(fitted, before, out.stem, dt.date.today())
        out.parent.mkdir(parents=True, exist_ok=True)
        save_providers(profile, out)
        if plot is not None:
            plot.parent.mkdir(parents=True, exist_ok=True)
            with replacing(plot) as part:
                part.write_bytes(plots.png(plots.fit_figure(fitted)))
        if as_json:
            written = {"profile": str(out)} | ({"plot": str(plot)} if plot else {})
            print(json.dumps(_summary(fitted) | written))
        else:
            _print(fitted, before, out, plot)


def _summary(fitted: fitting.Fit) -> dict[str, Any]:
    stages = {
        stage.stage: {
            "n": stage.n,
            "left_out": fitted.figures.left_out[stage.stage],
            "p50_s": stage.delay.p50_s,
            "p50_interval_s": stage.p50_interval_s,
            "p95_s": stage.delay.p95_s,
            "p95_interval_s": stage.p95_interval_s,
            "ks": stage.ks,
            "ks_limit": stage.ks_limit,
            "log_normal": stage.log_normal,
            "models": fitted.figures.models[stage.stage],
        }
        for stage in fitted.stages
    }
    skipped = [item.reason for item in fitted.figures.skipped]
    files = len(fitted.figures.files)
    return {"files": files, "stages": stages, "too_few": dict(fitted.too_few), "skipped": skipped}


def _print(fitted: fitting.Fit, base: Providers, out: Path, plot: Path | None) -> None:
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
            have = f"{n} turns, {fitting.LEAST_FIGURES} are needed"
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
