"""Beat the endpointer: hear callers, press a key when their turn is over, and see how an endpointer does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import anywidget
import pandas as pd
import traitlets as t

from ...core.sound import Sound, interruption, wav
from ...turns.choose import frontier
from ...turns.metrics import PerRecording, figures
from ...turns.metrics.changes import change
from ...workflows.listener import HeardTurn, choose_turns, listened, meaning, scored_turns, turn_sound
from ...workflows.study import Study
from ...workflows.study.change_text import change_sentence
from ...workflows.study.figure_texts import NAMES, figure_text, plain_figures
from ..timeline import STATIC

if TYPE_CHECKING:
    from ... import plots

FIGURES = ("false_boundary_rate", "false_boundary_rate_per_turn", "latency_mean", "missed_rate")
DEFAULTS_NAME = "LiveKit's defaults, same turns"


class BeatTheEndpointer(anywidget.AnyWidget):
    """A person in the place of the endpointer: callers are heard, and a press says "the turn is over".

    Each press is a commit, and judged as one (`workflows.listener`). `turns` of a study's turns are drawn by
    `seed`, half of them with a pause inside. `table` and `plot()` compare with LiveKit's defaults on the same
    turns. What was pressed stays in the notebook.

    Raises InputError if no end of turn is labelled.
    """

    _esm = STATIC / "endpointer.js"
    _css = STATIC / "timeline.css"

    total = t.Int().tag(sync=True)
    done = t.Int(0).tag(sync=True)
    """So many turns were heard."""
    told = t.Unicode().tag(sync=True)
    """What became of the last turn."""
    cuts = t.List(t.Dict()).tag(sync=True)
    """Where the listener cut a caller off, in words, to be heard again."""
    rows = t.List(t.List(t.Unicode())).tag(sync=True)
    """At the end: the name of a figure, the listener's, and that of LiveKit's defaults."""
    sentence = t.Unicode().tag(sync=True)
    picture = t.Bytes().tag(sync=True)

    def __init__(self, study: Study, turns: int = 16, seed: int = 0) -> None:
        self._study, self._asked_for, self._seed = study, turns, seed
        self._load = lru_cache(maxsize=2)(study.load)
        self._scored = lru_cache(maxsize=2)(self._by_default)
        self._turns = choose_turns(study.corpus, turns, seed)
        self._presses: list[list[float]] = []
        self._cuts_s: list[tuple[int, float]] = []
        super().__init__(total=len(self._turns))
        self.on_msg(self._asked)

    def press(self, presses_s: Sequence[float]) -> str:
        """Say when the next turn was over, in seconds from its first word; returns what became of it.

        Several presses are several commits; none is no answer. Raises ValueError after the last turn, and for
        what are no numbers.
        """
        if self.done == self.total:
            raise ValueError(f"all {self.total} turns were heard; `again()` begins with others")
        heard = self._turns[self.done]
        if not all(math.isfinite(at_s) for at_s in presses_s):
            raise ValueError(f"presses at {list(presses_s)}, expected finite seconds")
        self._presses.append([heard.speaks_s + at_s for at_s in presses_s])
        rows = meaning(self._study.corpus, heard, self._presses[-1])
        cut = rows[rows["false_boundary"]].drop_duplicates("label_start_s")
        new = []
        for start_s, commit_s in zip(cut["label_start_s"], cut["commit_s"], strict=True):
            length_s = self._pause_s(heard.recording, start_s)
            pause = f"{commit_s - start_s:.2f} s after the start of a pause of {length_s:.2f} s"
            self._cuts_s.append((heard.recording, float(commit_s)))
            new.append({"number": len(self._cuts_s) - 1, "text": f"{heard.name}: {pause}"})
        with self.hold_sync():
            self.cuts = [*self.cuts, *new]
            self.told = _told(rows, len(new))
            self.done += 1
            if self.done == self.total:
                self._finish()
        return self.told

    def again(self) -> None:
        """Begin anew, with other turns."""
        self._seed += 1
        self._turns = choose_turns(self._study.corpus, self._asked_for, self._seed)
        self._presses, self._cuts_s = [], []
        with self.hold_sync():
            self.done, self.told, self.cuts, self.rows = 0, "", [], []
            self.sentence, self.picture = "", b""

    @property
    def table(self) -> pd.DataFrame:
        """The main figures of the listener and of LiveKit's defaults, on the turns heard so far, in words."""
        heard = self._turns[: self.done]
        columns = {"you": listened(self._study.corpus, heard, self._presses), DEFAULTS_NAME: self._rival()}
        told = {name: plain_figures(figures(of)) for name, of in columns.items()}
        rows = {
            NAMES[one]: [*(figure_text(one, of[one]) for of in told.values()), str(told["you"][one]["n"])]
            for one in FIGURES
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=[*columns, "n"])

    def plot(self) -> plots.Picture:
        """The study's trade-off with the listener in it, once a turn was heard."""
        from ... import plots

        study = self._study
        heard = self._turns[: self.done]
        figure = plots.listener_figure(
            study.table,
            frontier(study.table),
            defaults=study.score(study.defaults),
            same_turns=figures(self._rival()),
            listener=figures(listened(study.corpus, heard, self._presses)) if heard else None,
            counts=study.counts,
        )
        return plots.Picture(figure)

    def listen(self, cut: int) -> Sound:
        """A press in a pause as the caller would hear it: the agent's reply over what they go on to say.

        Raises IndexError if there were fewer.
        """
        recording, commit_s = self._cuts_s[cut]
        return interruption(self._load(recording), commit_s)

    def _rival(self) -> tuple[PerRecording, ...]:
        return self._scored(self._turns[: self.done])

    def _by_default(self, turns: tuple[HeardTurn, ...]) -> tuple[PerRecording, ...]:
        return scored_turns(self._study.corpus, self._study.defaults, turns, self._study.conditions)

    def _finish(self) -> None:
        rival, own = self._rival(), listened(self._study.corpus, self._turns, self._presses)
        self.sentence = f"From LiveKit's defaults to you: {change_sentence(change(rival, own))}."
        self.rows = [list(map(str, row)) for row in self.table.itertuples()]
        self.picture = self.plot().png()

    def _pause_s(self, recording: int, start_s: float) -> float:
        labelled = self._study.corpus.labelled[recording]
        return float(labelled.end_s[labelled.start_s == start_s][0] - start_s)

    def _asked(self, _: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        """What the page asks for; what can't be done is said there."""
        acts = {"turn": self._send_turn, "pressed": self._pressed, "hear": self._hear, "again": self._again}
        act = acts.get(str(content.get("kind")))
        if act is None:
            return
        try:
            act(content)
        except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
            self.send({"kind": "problem", "text": str(error)})

    def _send_turn(self, _: dict[str, Any]) -> None:
        if self.done == self.total:
            raise ValueError("all turns were heard")
        heard = self._turns[self.done]
        sound = wav(turn_sound(self._load(heard.recording), heard)[:, None])
        about = {
            "asked": heard.asked,
            "lead_s": heard.speaks_s - heard.from_s,
            "end_s": heard.end_s - heard.speaks_s,
        }
        self.send({"kind": "turn", "number": self.done} | about, buffers=[sound])

    def _pressed(self, content: dict[str, Any]) -> None:
        if int(content["number"]) == self.done:  # else another view of this widget was first
            self.press([float(at_s) for at_s in content["presses_s"]])

    def _hear(self, content: dict[str, Any]) -> None:
        sound = self.listen(int(content["number"]))
        self.send({"kind": "sound", "text": f"{sound.name}; caller left, agent right"}, buffers=[sound.wav])

    def _again(self, _: dict[str, Any]) -> None:
        self.again()


def _told(rows: pd.DataFrame, cut: int) -> str:
    """What became of a turn, in words."""
    said = []
    if cut:
        said.append("You cut the caller off." if cut == 1 else f"You cut the caller off {cut} times.")
    if (rows["label"] == "speech").any():
        said.append("You pressed while the caller spoke.")
    latency_s = rows["latency_s"].dropna()
    answered = (
        f"You answered {latency_s.iloc[0]:.2f} s after the end." if len(latency_s) else "You did not answer."
    )
    return " ".join([*said, answered])
