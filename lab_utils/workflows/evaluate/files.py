"""An evaluation as files: `summary.json`, `calls.parquet`, `failures.parquet` and `report.md`.

The words of failures (a broken claim, a misheard word) are in them: they hold what was said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...core.files import write_together
from .checks import Failure
from .evaluate import Evaluation

FILES = ("summary.json", "calls.parquet", "failures.parquet", "report.md")
FORMAT, VERSION = "evaluation-summary", 1
EXAMPLES = 3
UNKNOWN = "–"


def summary_of(found: Evaluation) -> dict[str, Any]:
    """All results as plain values."""
    rate = found.word_error_rate
    return {
        "format": FORMAT,
        "version": VERSION,
        "counts": found.counts(),
        "word_error_rate": None
        if rate is None
        else {"rate": round(rate[0], 4), "low": rate[1].low, "high": rate[1].high},
        "coherence": found.coherence,
        "calls": json.loads(found.table.to_json(orient="records", double_precision=6)),
        "groups": [
            {
                "cause": group.cause,
                "failures": len(group.failures),
                "calls": list(group.calls),
                "shared": [
                    {name: getattr(one, name) for name in one.__dataclass_fields__} for one in group.shared
                ],
            }
            for group in found.groups
        ],
        "untold": list(found.untold),
        "skipped": list(found.skipped),
    }


def save_evaluation(found: Evaluation, folder: Path) -> None:
    """Write `FILES` into a folder; a failure leaves what was there."""
    summary = json.dumps(summary_of(found), indent=1, ensure_ascii=False) + "\n"
    write_together(
        folder,
        {
            "summary.json": lambda path: path.write_text(summary, encoding="utf-8"),
            "calls.parquet": lambda path: found.table.to_parquet(path, index=False),
            "failures.parquet": lambda path: found.failures.to_parquet(path, index=False),
            "report.md": lambda path: path.write_text(markdown(found), encoding="utf-8"),
        },
    )


def markdown(found: Evaluation) -> str:
    """The evaluation for people: figures, groups of failures, a row per call."""
    parts = ["# Evaluation", "", *(f"- {line}" for line in headlines(found)), ""]
    parts += ["## Failures by cause", ""]
    head = ("failures", "calls", "cause", "in common", "for example")
    parts += _table(head, group_rows(found)) if found.groups else ["None."]
    titles, rows = call_rows(found)
    parts += ["", "## Calls", "", *_table(titles, rows)]
    untold = [*found.untold, *(f"skipped: {reason}" for reason in found.skipped)]
    if untold:
        parts += ["", "## Not known", "", *(f"- {_cell(line)}" for line in untold)]
    return "\n".join(parts) + "\n"


def headlines(found: Evaluation) -> list[str]:
    """The figures over all calls, a line each."""
    counts, rate = found.counts(), found.word_error_rate
    lines = [f"{counts['calls']} calls, {counts['failures']} failures"]
    if rate is not None:
        low, high = rate[1].low, rate[1].high
        spread = "" if low is None or high is None else f" ({100 * low:.1f}–{100 * high:.1f})"
        lines.append(f"word error rate {100 * rate[0]:.1f} %{spread}, {counts['words_known']} calls")
    if tasks := counts["task_done"] + counts["task_not_done"]:
        lines.append(f"task done in {counts['task_done']} of {tasks} calls")
    if counts["claims"]:
        lines.append(
            f"{counts['claims_without_call']} of {counts['claims']} claims without a call of the tool"
        )
    if found.coherence is not None:
        lines.append(f"coherence {found.coherence:.1f} of 5 by the judge, {counts['judged']} calls")
    return lines


def call_rows(found: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Titles, and the calls as texts."""
    titles = ("call", "turns", "WER", "task", "claims", "coherence", "line", "SNR dB", "clipped", "failures")
    rows: list[tuple[str, ...]] = []
    for one in found.calls:
        row = one.row()
        made, broken = row["claims"], row["claims_without_call"]
        rows.append(
            (
                row["call"],
                str(row["turns"]),
                _number(row["word_error_rate"], 100, " %"),
                {None: UNKNOWN, True: "done", False: "not done"}[row["task_done"]],
                UNKNOWN if made is None else f"{broken} of {made} empty" if broken else f"{made} true",
                _number(row["coherence"], 1, "", 0),
                ", ".join(filter(None, (row["line"], row["noise"]))) or UNKNOWN,
                _number(row["user_snr_db"], 1, "", 0),
                _number(row["user_clipped_ratio"], 100, " %"),
                str(row["failures"]),
            )
        )
    return titles, rows


def group_rows(found: Evaluation) -> list[tuple[str, ...]]:
    """The groups as texts: failures, calls, cause, what they have in common, examples."""
    rows: list[tuple[str, ...]] = []
    for group in found.groups:
        shared = "; ".join(map(str, group.shared))
        examples = "; ".join(map(_example, group.failures[:EXAMPLES]))
        rows.append((str(len(group.failures)), str(len(group.calls)), group.cause, shared, examples))
    return rows


def _example(failure: Failure) -> str:
    at = "" if failure.at_s is None else f" at {failure.at_s:.1f} s"
    return f"{failure.call}{at}" + (f": {failure.detail}" if failure.detail else "")


def _number(value: float | None, scale: float, unit: str, digits: int = 1) -> str:
    return UNKNOWN if value is None else f"{scale * value:.{digits}f}{unit}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines]


def _cell(text: str) -> str:
    """Text of unknown origin as a cell of Markdown: on one line, without markup of its own."""
    shown = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "|\\`*_[]" else c for c in shown)
