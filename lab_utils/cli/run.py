"""`lab run`: an agent under a profile on recordings, with the real session."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.settings import Settings
from ..session.job import Limits
from ..turns import profile as profiles
from ..workflows import run as trial
from ..workflows import study as report
from .common import AgentChannel, Cache, Jobs, Json, Out, Paths, ProfileFile, UserChannel, app, ending_well

Mode = Literal["open_loop", "reactive"]
PartName = Annotated[str | None, typer.Option(help="Yours instead of the scripted one: module:callable.")]

STAGES = {
    "transcription_delay": "  transcript (inside the end of turn)",
    "end_of_turn_delay": "end of turn",
    "on_user_turn_completed_delay": "on_user_turn_completed",
    "llm_node_ttft": "LLM, to first token",
    "tts_node_ttfb": "TTS, to first audio",
    "playback_latency": "playback",
    "other": "other",
    "saved": "saved: ran during the wait",
    "e2e_latency": "last speech to first audio",
}
HEADS = {"false_boundaries": "false", "interruptions": "cut short"}
"""Heads of columns, where they are not the names in the summary."""


@app.command()
def run(
    paths: Paths,
    profile: ProfileFile = None,
    mode: Annotated[
        Mode, typer.Option(help="open_loop: the caller is a tape; reactive: turns wait for the agent.")
    ] = "open_loop",
    agent: Annotated[
        str | None, typer.Option(help="Your Agent: module:Class or agents.py:Class (default: a plain one).")
    ] = None,
    stt: PartName = None,
    llm: PartName = None,
    tts: PartName = None,
    out: Out = Path("out/run"),
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated delays.")] = 0,
    transcription_delay: Annotated[
        float | None, typer.Option(min=0, max=60, help="Of the scripted STT, in s (default: the profile's).")
    ] = None,
    real_time: Annotated[bool, typer.Option("--real-time", help="On the wall clock, models live.")] = False,
    limit: Annotated[
        float | None, typer.Option(min=1, help="Real seconds after which a session is ended.")
    ] = None,
    virtual_limit: Annotated[
        float | None, typer.Option(min=1, help="Session seconds beyond the recording's length, likewise.")
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Keep what was said in the results; the audio is kept either way.")
    ] = False,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Run an agent on recordings with the real AgentSession: what it does, and how long each reply takes."""
    with ending_well():
        report.check_folder(out)
        settings = profiles.load_profile(profile).settings if profile else Settings()
        if transcription_delay is not None:
            settings = settings.replace(transcription_delay=transcription_delay)
        ended = trial.run_trial(
            paths,
            settings,
            out=out,
            agent=agent,
            stt=stt,
            llm=llm,
            tts=tts,
            mode=mode,
            seed=seed,
            real_time=real_time,
            limits=_limits(limit, virtual_limit),
            text=text,
            cache=cache,
            jobs=jobs,
            channels=(user, agent_channel),
        )
        summary = trial.summary_of(ended)
        for result in ended.of("skipped"):
            print(f"lab: skipped: {result.reason}", file=sys.stderr)
        for result in ended.of("failed"):
            print(f"lab: failed: {result.recording}: {result.reason}", file=sys.stderr)
        if summary["simulated"]:
            names = ", ".join(summary["simulated"])
            print(f"lab: not installed, so simulated: {names}", file=sys.stderr)
        if as_json:
            print(json.dumps(summary | {"out": str(out)}))
        else:
            _print(summary, out)
        if ended.of("failed"):
            raise typer.Exit(1)


def _limits(real_s: float | None, virtual_s: float | None) -> Limits | None:
    given = {"real_s": real_s, "virtual_s": virtual_s}
    values = {name: value for name, value in given.items() if value is not None}
    return Limits(**values) if values else None


def _print(summary: dict[str, Any], out: Path) -> None:
    console = Console()
    mode = summary["mode"].replace("_", " ")
    recordings = Table(
        title=f"Sessions: {mode}, {summary['clock']} clock; latency from last speech to first audio",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    recordings.add_column("recording", overflow="fold", min_width=16)
    recordings.add_column("outcome")
    scored = "false_boundaries" in summary["counts"]
    failing = bool(summary["counts"].get("errors"))
    shown = ["commits", *["false_boundaries"] * scored, "replies", "interruptions", *["errors"] * failing]
    for name in (*shown, "p50 ms", "p95 ms"):
        recordings.add_column(HEADS.get(name, name), justify="right", no_wrap=True)
    for item in summary["recordings"]:
        e2e = item["latency"]["e2e_latency"]
        recordings.add_row(
            escape(item["name"]),
            item["outcome"] if item["outcome"] == "done" else f"[bold]{item['outcome']}[/bold]",
            *(str(item["counts"].get(name, "–")) for name in shown),
            _ms(e2e["p50"], ""),
            _ms(e2e["p95"], ""),
        )
    console.print(recordings)
    stages = Table(title="Latency by stage (percentiles of stages do not add up)")
    stages.add_column("stage")
    for name in ("p50", "p95", "n"):
        stages.add_column(name, justify="right")
    for stage, label in STAGES.items():
        figure = summary["latency"][stage]
        stages.add_row(label, _ms(figure["p50"]), _ms(figure["p95"]), str(figure["n"]))
    console.print(stages)
    if summary["caveats"]:
        console.print("What this mode can't know:")
    for caveat in summary["caveats"]:
        console.print(f"- {caveat}", highlight=False)
    if summary["skipped"]:
        console.print(f"[bold]{len(summary['skipped'])} skipped[/bold], see summary.json")
    console.print(
        f"results: {out}/: summary.json, and for each recording {', '.join(trial.FILES)}", highlight=False
    )
    said = "and texts" if summary["text"] else "no texts: --text keeps them"
    console.print(f"kept of what was said: the audio (heard.flac), {said}", highlight=False)


def _ms(seconds: float | None, unit: str = " ms") -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f}{unit}"
