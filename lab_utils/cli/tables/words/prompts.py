"""What `lab prompts` prints."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ....core.text import printable
from ....workflows.prompts import FILES, Search

TITLES = {
    "first_sentence_characters": "1st sentence",
    "first_token_s": "1st token",
    "first_sentence_s": "sentence s",
    "reply_characters": "reply",
    "dollars": "$/1,000",
    "failures": "failures",
    "coherence": "coherence",
}
"""Of figures, in characters, seconds and dollars."""


def print_search(found: Search, out: Path) -> None:
    """Every try, the best, and both on turns held out."""
    console = Console()
    searched, held_out = found.turns
    rewritten = sum(not one.choice for one in found.tries)
    beside = f" and {rewritten} rewritten" if rewritten else ""
    tried = f"{len(found.tries) - rewritten} of {found.combinations} combinations{beside}"
    console.print(
        f"{tried} on {searched} turns, the least {found.objective} chosen",
        highlight=False,
    )
    names = [name for name in TITLES if name in found.tries[0].figures]
    table = _table(names)
    for one in sorted(found.tries, key=lambda one: one.figures[found.objective] or 0.0):
        told = one.in_words + ("" if one.kept else " (beyond the limits)")
        told += " (as it stands)" if one is found.tries[0] else ""
        table.add_row(escape(printable(told)), *(_told(one.figures[name]) for name in names))
    console.print(table)
    table = _table(names)
    for which, figures in found.held_out.items():
        table.add_row(which, *(_told(figures[name]) for name in names))
    console.print(f"On {held_out} turns that the search didn't see (seconds are medians):", highlight=False)
    console.print(table)
    console.print(
        f"best: {printable(found.best.in_words)}; {found.objective} there {found.difference:+.3g} a turn "
        f"(mean; 95 %, by call: {_told(found.interval.low, '+')} to {_told(found.interval.high, '+')})",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(f"results: {out}/: {', '.join(FILES)}", highlight=False, soft_wrap=True)


def _told(value: float | None, sign: str = "-") -> str:
    return "?" if value is None else f"{value:{sign}.3g}"


def _table(names: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("instructions", overflow="fold")
    for name in names:
        table.add_column(TITLES[name], justify="right")
    return table
