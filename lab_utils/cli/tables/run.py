"""What `lab run` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.run import FILES

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
            _ms(e2e["p50"], ""),
            _ms(e2e["p95"], ""),
        )
    return recordings


def _stages(summary: dict[str, Any]) -> Table:
    stages = Table(title="Latency by stage (percentiles of stages do not add up)")
    stages.add_column("stage")
    for name in ("p50", "p95", "n"):
        stages.add_column(name, justify="right")
    for stage, label in STAGES.items():
        figure = summary["latency"][stage]
        stages.add_row(label, _ms(figure["p50"]), _ms(figure["p95"]), str(figure["n"]))
    return stages


def _ms(seconds: float | None, unit: str = " ms") -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f}{unit}"
