"""The scripts of dialogues/: who speaks which words, and the callers' turns as planned over the whole set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pauses import Planned, plan_turns

HERE = Path(__file__).resolve().parent
KINDS = {"U": "plain", "N": "number"}
"""Marks of a caller's line; the agent's is `A`."""


@dataclass(frozen=True)
class Script:
    """One call of dialogues/: the folder it goes to, and the caller's turns as planned."""

    id: str
    folder: str
    condition: str
    voices: dict[str, str]
    speed: float
    lines: list[tuple[str, str]]
    """The mark and the text of each line."""
    turns: list[Planned]


def read_scripts(folder: Path = HERE / "dialogues", seed: int = 2026) -> list[Script]:
    """Read all scripts of a folder, check them, and plan all callers' turns together.

    Raises ValueError, naming the call, for lines that don't alternate between agent and caller.
    """
    read: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = []
    for path in sorted(folder.glob("*.yaml")):
        for call in yaml.safe_load(path.read_text(encoding="utf-8"))["calls"]:
            lines = [(line[0], line[3:].strip()) for line in call["lines"].splitlines()]
            marks = "".join("U" if mark in KINDS else mark for mark, _ in lines)
            if marks != "AU" * (len(lines) // 2) + "A":
                expected = "'A:' and 'U:' or 'N:' by turns, the agent's first and last"
                raise ValueError(f"{path.name}: {call['id']}: lines are marked {marks}; expected {expected}")
            read.append((path.stem, call, lines))
    texts = [(KINDS[mark], text) for _, _, lines in read for mark, text in lines if mark in KINDS]
    planned = iter(plan_turns(texts, seed))
    return [
        Script(
            id=call["id"],
            folder=stem,
            condition=call["condition"],
            voices={"user": call["user"], "agent": call["agent"]},
            speed=call.get("speed", 1.0),
            lines=lines,
            turns=[next(planned) for mark, _ in lines if mark in KINDS],
        )
        for stem, call, lines in read
    ]
