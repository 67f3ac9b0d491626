"""What `lab verify` prints."""

from __future__ import annotations

import json
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...session.commits import Moment
from ...workflows import verify as workflow


def print_verification(proved: workflow.Verification, summary: dict[str, Any], options: str = "") -> None:
    """The cases by mode, every mismatch with its setting, and the verdict; `options`: of the command."""
    console = Console()
    table = Table(title="Replay against AgentSession", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in workflow.GROUP_NAMES:
        table.add_column(name, no_wrap=True)
    for name in ("settings", "commits", "differ", "error ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in summary["groups"]:
        table.add_row(*(group[name] for name in workflow.GROUP_NAMES), *_figures(group))
    table.add_section()
    table.add_row("all", *[""] * (len(workflow.GROUP_NAMES) - 1), *_figures(summary))
    console.print(table)
    print_mismatches(proved, options)
    console.print(
        f"[bold]{verdict(len(proved.mismatches))}[/bold]: "
        f"{summary['settings']} setting(s) on {len(summary['recordings'])} "
        f"recording(s), {summary['commits']} commits compared in number, time (within "
        f"{1000 * summary['tolerance_s']:g} ms) and cause; largest error "
        f"{_figures(summary)[-1]} ms; seed {proved.seed}",
        highlight=False,
    )
    waits = sum(outcome.case.waits is not None for outcome in proved.outcomes)
    console.print(
        f"where the caller waits: {waits} setting(s), {summary['on_branches']} commits after the moment from "
        "which they wait",
        highlight=False,
    )
    console.print(f"excluded: {summary['excluded']} {workflow.EXCLUDED}", highlight=False)


def print_every(summary: dict[str, Any]) -> None:
    """Settings and commits by detector and by policy, barge-in beside them, and the verdict."""
    console = Console()
    table = Table(title="Every detector against AgentSession", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ("settings", "commits", "differ", "error ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, counts in summary["by_detector"].items():
        table.add_row(name, *_figures(counts))
    scenes = summary["barge_in"]
    heard = {"commits": scenes["stops"] + scenes["resumes"]}
    table.add_row("barge-in: stops, resumptions", *_figures(scenes | heard))
    table.add_section()
    commits = {"mismatches": summary["mismatches"] - scenes["mismatches"]}
    table.add_row("all commits", *_figures(summary | commits))
    table.add_section()
    for name, counts in summary["by_policy"].items():
        table.add_row(f"of these: {name}", *_figures(counts))
    console.print(table)
    console.print(
        f"[bold]{verdict(summary['mismatches'])}[/bold]: "
        f"{len(summary['by_detector'])} detectors, {summary['settings']} setting(s) "
        f"on {len(summary['recordings'])} recording(s), {summary['commits']} commits; barge-in: "
        f"{scenes['settings']} setting(s), {scenes['stops']} stops and {scenes['resumes']} resumptions; "
        f"seed {summary['seed']}",
        highlight=False,
    )
    console.print(f"excluded: {summary['excluded']} {workflow.EXCLUDED}", highlight=False)


def print_mismatches(proved: workflow.Verification, options: str) -> None:
    """Every mismatch with its setting and both timelines."""
    console = Console()
    for outcome in proved.mismatches:
        _print_mismatch(console, proved, outcome, options)


def verdict(mismatches: int) -> str:
    """Of a proof, in words."""
    return f"{mismatches} DISAGREE{'S' * (mismatches == 1)}" if mismatches else "all agree"


def _figures(counts: dict[str, Any]) -> list[str]:
    error = counts["largest_error_s"]
    return [
        str(counts["settings"]),
        str(counts["commits"]),
        str(counts["mismatches"]),
        "–" if error is None else f"{1000 * error:.4f}",
    ]


def _print_mismatch(
    console: Console, proved: workflow.Verification, outcome: workflow.Outcome, options: str
) -> None:
    """The setting, how to repeat it, and both timelines."""
    case = outcome.case
    group = ", ".join(workflow.group_of(case))
    console.print(f"[bold]case {case.number}[/bold] on {escape(outcome.recording)}: {group}")
    console.print(
        f"  again: lab verify {' '.join(proved.paths)} --seed {proved.seed} --case {case.number}{options}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    conditions = json.dumps(case.conditions.model_dump())
    console.print(f"  phase {case.phase}, heard over {case.path}", markup=False)
    console.print(f"  settings {json.dumps(case.settings.model_dump())}", markup=False)
    console.print(f"  conditions {conditions}", markup=False)
    if outcome.failure:
        console.print(f"  failed: {outcome.failure}", markup=False)
    table = Table("replay", "session", "", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for ours, theirs, agree in workflow.aligned(outcome):
        table.add_row(_moment(ours), _moment(theirs), "" if agree else "differs")
    if table.row_count:
        console.print(table)


def _moment(moment: Moment | None) -> str:
    return "–" if moment is None else f"{moment.time_s:.4f} s  {moment.cause}"


def print_recorded(summary: dict[str, Any]) -> None:
    """The recorded sessions: what their replay reproduces, why the rest differs, and what was assumed."""
    console = Console()
    table = Table(title="Recorded sessions against their replay", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("recording", overflow="fold")
    for name in ("commits", "reproduced", "extra"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why the others differ")
    for one in summary["recordings"]:
        why = ", ".join(f"{count} {reason}" for reason, count in one["why"].items())
        figures = (str(one[name]) for name in ("commits", "reproduced", "extra"))
        table.add_row(escape(one["recording"]), *figures, why)
    console.print(table)
    share = "–" if summary["share"] is None else f"{summary['share']:.0%}"
    console.print(
        f"[bold]{share}[/bold] of {summary['commits']} commits reproduced within "
        f"{1000 * summary['near_s']:.0f} ms, {summary['extra']} extra",
        highlight=False,
    )
    untimed = sum(one["untimed"] for one in summary["recordings"])
    if untimed:
        console.print(f"{untimed} turn(s) of the reports tell no time of their commit", highlight=False)
    assumed = dict.fromkeys(text for one in summary["recordings"] for text in one["assumed"])
    console.print("assumed, for the reports don't tell it:")
    for text in assumed:
        console.print(f"- {text}", highlight=False, markup=False)


def print_replies(summary: dict[str, Any], command: str) -> None:
    """What was compared, every difference, and the verdict; `command`: reproduces a case."""
    console = Console()
    for case in summary["wrong"]:
        console.print(f"case {case['case']}, {case['recording']}: {case['failure']}", markup=False)
        for line in case["wrong"]:
            console.print(f"  {line}", markup=False, highlight=False)
        console.print(f"  again: {command} --case {case['case']}", markup=False, highlight=False)
    console.print(
        f"[bold]{verdict(summary['mismatches'])}[/bold]: "
        f"{summary['settings']} agent(s) on {len(summary['recordings'])} "
        f"recording(s), {summary['replies']} replies compared ({summary['heard']} of them heard) and "
        f"{summary['stages']} of LiveKit's figures, within {1000 * summary['tolerance_s']:g} ms; largest "
        f"error {1000 * summary['largest_error_s']:.4f} ms",
        highlight=False,
    )
    console.print(
        "sessions with: " + ", ".join(f"{name} {n}" for name, n in summary["sessions_with"].items())
    )
