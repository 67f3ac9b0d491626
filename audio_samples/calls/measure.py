"""What the sample calls hold, measured from their labels: the tables of README.md.

`python audio_samples/calls/measure.py` prints them; `--write` puts them into README.md between its two marks.
A test says whether the tables there are those of the labels. Times are seconds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MARKS = ("<!-- measured: audio_samples/calls/measure.py --write -->", "<!-- end of what is measured -->")
PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
LONG_TURN_S = 10.0
FILLERS = ("um", "uh")
TITLES = ("Mr.", "Mrs.")
ROUNDING_S = 2e-4
"""The label files give times to 0.1 ms."""

SWITCHBOARD: dict[str, tuple[int, ...] | tuple[float, ...]] = {
    "holds": (0.23, 0.35, 0.51, 0.77, 1.17, 1.52, 2.40),
    "gaps": (-2.17, -0.42, 0.04, 0.38, 0.90, 1.33, 2.36),
    "turns": (0.38, 1.10, 2.87, 9.07, 20.3, 29.6, 53.6),
}
"""Percentiles of 2,438 Switchboard dialogues: what the draws aim at (pauses.py)."""

SWITCHBOARD_SHARES = (0.75, 0.15, 0.07, 0.03)
"""Of the turns up to 10 s: no hold, one, two, three or more; 0.39 on average."""


@dataclass(frozen=True)
class UserTurn:
    """One turn of the caller: its times, its holds and whether "um" came before, the gaps around it."""

    start_s: float
    end_s: float
    text: str
    number: bool
    """It gives a number or a date, or spells."""
    holds_s: tuple[float, ...]
    after_filler: tuple[bool, ...]
    user_gap_s: float
    """From the agent's end to this turn's start; negative is overlap."""
    agent_gap_s: float
    """From this turn's end to the agent's start; negative is overlap."""

    @property
    def length_s(self) -> float:
        """Holds included."""
        return self.end_s - self.start_s


def read_documents(folder: Path) -> dict[str, dict[str, Any]]:
    """The label documents under a folder by their recordings' names."""
    paths = sorted(folder.glob("*/*.labels.json"))
    return {
        path.name.removesuffix(".labels.json"): json.loads(path.read_text(encoding="utf-8")) for path in paths
    }


def turns_of(document: dict[str, Any]) -> list[UserTurn]:
    """The caller's turns: IPUs joined over the holds, without backchannels."""
    labels = document["labels"]
    short = {label["start_s"] for label in labels if label["kind"] == "backchannel"}
    holds = {label["start_s"]: label for label in labels if label["kind"] == "hold"}
    reasons = {label["start_s"]: label["reason"] for label in labels if label["kind"] == "shift"}
    ipus = document["ipus"]
    agent = [(ipu["start_s"], ipu["end_s"]) for ipu in ipus if ipu["speaker"] == "agent"]
    turns, current = [], []
    for ipu in ipus:
        if ipu["speaker"] != "user" or ipu["start_s"] in short:
            continue
        current.append(ipu)
        if ipu["end_s"] in holds:
            continue
        start_s, end_s = current[0]["start_s"], current[-1]["end_s"]
        pauses = [holds[part["end_s"]] for part in current[:-1]]
        turns.append(
            UserTurn(
                start_s=start_s,
                end_s=end_s,
                text=" ".join(part["text"] for part in current),
                number="number" in reasons[end_s],
                holds_s=tuple(pause["end_s"] - pause["start_s"] for pause in pauses),
                after_filler=tuple(part["text"].split()[-1].strip(",.") in FILLERS for part in current[:-1]),
                user_gap_s=start_s - max(end for begin, end in agent if begin < start_s),
                agent_gap_s=min(begin for begin, _ in agent if begin > start_s) - end_s,
            )
        )
        current = []
    return turns


def first_sentences(document: dict[str, Any]) -> Iterator[int]:
    """How many words the first sentence of each of the agent's replies has."""
    words = [word for word in document["words"] if word["speaker"] == "agent"]
    for turn in turns_of(document):
        reply = [
            word["text"] for word in words if word["start_s"] > turn.end_s + turn.agent_gap_s - ROUNDING_S
        ]
        ends = (i for i, text in enumerate(reply) if text[-1] in ".?!" and text not in TITLES)
        yield next(ends) + 1


def row(name: str, values: Sequence[float], digits: int = 2) -> str:
    """A line of a table: how many, and the percentiles."""
    numbers = " | ".join(
        f"{value:.{digits}f}".replace("-", "−") for value in np.percentile(values, PERCENTILES)
    )
    return f"| {name} | {len(values):,} | {numbers} |"


def aimed(name: str, key: str) -> str:
    """A line of a table with what Switchboard has."""
    numbers = " | ".join(f"{value:.2f}".replace("-", "−") for value in SWITCHBOARD[key])
    return f"| *{name}* | | {numbers} |"


def shares(turns: Sequence[UserTurn]) -> tuple[float, float, float, float]:
    """Shares of the turns without a hold, with one, two, and three or more."""
    counts = np.bincount([min(len(turn.holds_s), 3) for turn in turns], minlength=4) / len(turns)
    return float(counts[0]), float(counts[1]), float(counts[2]), float(counts[3])


def share_row(name: str, turns: Sequence[UserTurn]) -> str:
    """A line of the table of holds per turn."""
    numbers = " | ".join(f"{share:.0%}".replace("%", " %") for share in shares(turns))
    mean = np.mean([len(turn.holds_s) for turn in turns])
    return f"| {name} | {len(turns)} | {numbers} | {mean:.2f} |"


def tables(folder: Path = HERE) -> str:
    """The tables of README.md, as Markdown."""
    documents = read_documents(folder)
    turns = [turn for document in documents.values() for turn in turns_of(document)]
    plain = [turn for turn in turns if not turn.number]
    number = [turn for turn in turns if turn.number]
    short = [turn for turn in plain if turn.length_s <= LONG_TURN_S]
    holds = {id(turn): list(zip(turn.holds_s, turn.after_filler, strict=True)) for turn in turns}
    head = "| | n | " + " | ".join(f"{p} %" for p in PERCENTILES) + " |"
    rule = "|---|--:|" + "--:|" * len(PERCENTILES)
    words = [count for document in documents.values() for count in first_sentences(document)]
    return "\n".join(
        [
            "Holds of a turn:",
            "",
            "| turns of the caller | n | none | one | two | three or more | mean |",
            "|---|--:|--:|--:|--:|--:|--:|",
            share_row("plain, up to 10 s", short),
            "| *Switchboard, up to 10 s* | | "
            + " | ".join(f"{s:.0%}".replace("%", " %") for s in SWITCHBOARD_SHARES)
            + " | 0.39 |",
            share_row("that give a number or a date, or spell", number),
            share_row("all", turns),
            "",
            "Lengths in seconds:",
            "",
            head,
            rule,
            row("holds in plain turns", [h for turn in plain for h in turn.holds_s]),
            aimed("Switchboard, holds ≥ 0.2 s", "holds"),
            row("… after “um”, “uh”", [h for turn in turns for h, filler in holds[id(turn)] if filler]),
            row("holds in turns that give numbers or spell", [h for turn in number for h in turn.holds_s]),
            row("gap from the agent's end to the caller", [turn.user_gap_s for turn in turns]),
            row("gap from the caller's end to the agent", [turn.agent_gap_s for turn in turns]),
            aimed("Switchboard, gaps (negative: overlap)", "gaps"),
            row("length of a caller's turn", [turn.length_s for turn in turns]),
            aimed("Switchboard, turns", "turns"),
            row("words in the first sentence of a reply", words, 0),
            "",
            "Calls:",
            "",
            *call_table(documents),
        ]
    )


def call_table(documents: dict[str, dict[str, Any]]) -> Iterator[str]:
    """One line per call."""
    yield "| recording | s | condition | caller | agent | turns | holds | backchannels |"
    yield "|---|--:|---|---|---|--:|--:|--:|"
    for name, document in documents.items():
        kinds = [label["kind"] for label in document["labels"]]
        who = " | ".join(brief(document["voices"][speaker]) for speaker in ("user", "agent"))
        counts = " | ".join(str(kinds.count(kind)) for kind in ("shift", "hold", "backchannel"))
        yield f"| `{name}` | {document['duration_s']:.1f} | {document['condition']} | {who} | {counts} |"


def brief(voice: str) -> str:
    """The short name of a voice: hibari, joe or the Kokoro style, and its pitch if that was changed."""
    words = voice.split()
    if words[0].startswith("Kokoro"):
        return words[2]
    name = "hibari" if words[0].startswith("hibari") else "joe"
    return f"{name} × {voice.split(' at ')[1].split()[0]}" if " at " in voice else name


def replaced(text: str, new: str) -> str:
    """A README with other tables between the marks; ValueError if a mark is missing."""
    if text.count(MARKS[0]) != 1 or text.count(MARKS[1]) != 1:
        raise ValueError(f"README.md: expected {MARKS[0]!r} and {MARKS[1]!r} once each")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return f"{before}{MARKS[0]}\n\n{new}\n\n{MARKS[1]}{after}"


def main() -> None:
    """Print the tables, or write them into README.md."""
    parser = argparse.ArgumentParser(description="Measure the sample calls from their labels.")
    parser.add_argument("--folder", type=Path, default=HERE, help="the folder of demo/ and more/")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    arguments = parser.parse_args()
    if not arguments.write:
        print(tables(arguments.folder))
        return
    readme = HERE / "README.md"
    readme.write_text(
        replaced(readme.read_text(encoding="utf-8"), tables(arguments.folder)), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
