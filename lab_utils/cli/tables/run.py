"""What `lab run` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...core.stages import STAGES
from ...core.text import in_ms
from ...session.metrics.stages import SUMMARIZED
from ...workflows.run import FILES

WORDS = {stage.name: stage.words for stage in STAGES} | {
    "transcription_delay": f"  {STAGES[0].words}",
    "other": "other",
    "saved": "saved: ran during the wait",
}
HEADS = {"false_boundaries": "false", "interruptions": "cut short"}
"""Heads of columns, where they are not the names in the summary."""


def print_summary(summary: dict[str, Any], out: Path) -> None:
    """The sessions, their latency by stage, and what this mode can't know."""
    console = Console()
    console.print(_recordings(summary))
    console.print(_stages(summary))
    if summary["caveats"]:
        console.print("What this mode can't know:")
    for caveat in summary["caveats"]:
        console.print(f"- {caveat}", highlight=False)
    if summary["skipped"]:
        console.print(f"[bold]{len(summary['skipped'])} skipped[/bold], see summary.json")
    console.print(
        f"results: {out}/: summary.json, and for each recording {', '.join(FILES)}", highlight=False
    )
    said = "and texts" if summary["text"] else "no texts: --text keeps them"
    console.print(f"kept of what was said: the audio (heard.flac), {said}", highlight=False)


def stand_in_lines(stood_in: list[dict[str, Any]]) -> list[str]:
    """A line for each thing that was stood in for: by what, asked for where, and what that changed."""
    lines = []
    for one in stood_in:
        at = f" ({', '.join(one['at'])})" if one["at"] else ""
        remarks = "".join(f"; {remark}" for remark in one["remarks"])
        lines.append(f"stood in for {one['name']}{at}: {one['by']}{remarks}")
        lines += [f"missed in a session: {missed}; install {one['name']}" for missed in one["missed"]]
    return lines


def _recordings(summary: dict[str, Any]) -> Table:
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
            in_ms(e2e["p50"], ""),
            in_ms(e2e["p95"], ""),
        )
    return recordings


def _stages(summary: dict[str, Any]) -> Table:
    stages = Table(title="Latency by stage (percentiles of stages do not add up)")
    stages.add_column("stage")
    for name in ("p50", "p95", "n"):
        stages.add_column(name, justify="right")
    for stage in SUMMARIZED:
        figure = summary["latency"][stage]
        stages.add_row(WORDS[stage], in_ms(figure["p50"]), in_ms(figure["p95"]), str(figure["n"]))
    return stages
