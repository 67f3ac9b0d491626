"""A question to be answered before the answer is shown: predict, then look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w
from IPython.display import display

CLOSE = 0.1
"""A guess within this share of the answer is close."""


class Prediction(w.VBox):
    """A question; a field, or a menu of `choices`; and the answer once the learner has committed to a guess.

    `answer`: a finite number in `unit`, or one of `choices`. `why`: what to say of it. `shows`: whatever a
    notebook can display (a picture, a sound, a table), shown with the answer and not before. `close`: the
    distance that counts as close, in the unit; without, a tenth of the answer. `guess` is what was said.

    Raises ValueError if the answer is neither a finite number nor among the choices.
    """

    def __init__(
        self,
        question: str,
        *,
        answer: float | str,
        unit: str = "",
        choices: Sequence[str] = (),
        why: str = "",
        shows: Any = None,
        close: float | None = None,
    ) -> None:
        if choices and answer not in choices:
            raise ValueError(f"the answer {answer!r} isn't among the choices {', '.join(choices)}")
        if not choices and (isinstance(answer, str) or not math.isfinite(answer)):
            raise ValueError(f"the answer is {answer!r}, expected a finite number; or give choices")
        self._answer, self._unit, self._why, self._shows = answer, unit, why, shows
        self._close, self._choices, self._said = close, tuple(choices), ""
        self.guess: float | str | None = None
        """What the learner said; None before."""
        self.field = self._make_field(choices)
        self.button = w.Button(description="Predict", tooltip="Fix your guess, then see the answer")
        self.button.on_click(self._answer_it)
        self.feedback = w.HTML()
        self.shown = w.Output()
        row = w.HBox(
            [self.field, w.Label(unit), self.button],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        asked = w.HTML(f"<b>{escape(question)}</b>")
        super().__init__([asked, row, self.feedback, self.shown])

    def predict(self, guess: float | str) -> str:
        """Fix a guess, as the button does, and show the answer; returns what is said. The first guess counts.

        Raises ValueError for what is neither a number nor among the choices.
        """
        if self.guess is not None:
            return self._said
        known = guess in self._choices if self._choices else _number(str(guess)) is not None
        if not known:
            wanted = " or ".join(self._choices) or "a finite number"
            raise ValueError(f"the guess is {guess!r}, expected {wanted}")
        self.guess = guess
        self.field.value = str(guess)
        self.field.disabled = self.button.disabled = True
        self._said = f"{self._verdict(guess)} {self._why}".strip()
        self.feedback.value = f"<span role='status'>{escape(self._said)}</span>"
        if self._shows is not None:
            with self.shown:
                display(self._shows)
        return self._said

    def _make_field(self, choices: Sequence[str]) -> w.Dropdown | w.Text:
        if choices:
            options = [("choose …", ""), *((one, one) for one in choices)]
            return w.Dropdown(options=options, value="", layout={"width": "auto"})
        return w.Text(placeholder="your guess", layout={"width": "120px"})

    def _answer_it(self, _: object) -> None:
        text = str(self.field.value).strip()
        if isinstance(self._answer, str):
            guess: float | str | None = text or None
        else:
            guess = _number(text)
        if guess is None:
            wanted = "one of the menu" if isinstance(self._answer, str) else "a number, such as 0.5"
            self.feedback.value = f"Take a guess first: {wanted}. A wrong one teaches more than none."
            return
        self.predict(guess)

    def _verdict(self, guess: float | str) -> str:
        if isinstance(self._answer, str):
            if guess == self._answer:
                return f"Yes: {self._answer}."
            return f"You said {guess}; it is {self._answer}."
        off = float(guess) - self._answer
        answer = self._with_unit(self._answer)
        near = CLOSE * abs(self._answer) if self._close is None else self._close
        if abs(off) <= near + 1e-12:
            return f"Close: it is {answer}."
        way = "too much" if off > 0 else "too little"
        said, distance = self._with_unit(float(guess)), self._with_unit(abs(off))
        return f"You said {said}; it is {answer}. That is {distance} {way}."

    def _with_unit(self, number: float) -> str:
        return f"{number:.3g} {self._unit}".strip()


def _number(text: str) -> float | None:
    """A finite number as people type it, with a comma or a point; None for anything else."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
