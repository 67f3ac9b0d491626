"""The course's quiz and exercises: headless, by their traits and what they say."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from lab_utils.core.errors import InputError
from lab_utils.core.settings import Settings
from lab_utils.turns.replay.decisions import MissingTraces
from lab_utils.widgets.course import Exercise, Prediction, exercise

FIGURES = {"false_boundary_rate": 0.2, "latency_mean": 0.9, "missed_rate": 0.0, "longest_wait": math.inf}


class KnownStudy:
    """Scores by a formula: more min_delay, fewer false boundaries. `lacks`: raised by `score`."""

    def __init__(self, lacks: Exception | None = None) -> None:
        self.table = pd.DataFrame({"vad": ["livekit"]})
        self.lacks, self.swept = lacks, None

    def score(self, settings: Settings) -> pd.DataFrame:
        if self.lacks is not None and self.swept is None:
            raise self.lacks
        delay_s = settings.endpointing.min_delay
        values = FIGURES | {"false_boundary_rate": 0.5 - 0.4 * delay_s, "latency_mean": delay_s + 0.05}
        return pd.DataFrame({"value": values})

    def sweep(self, grid):
        self.swept = grid
        return self


def asked() -> Prediction:
    return Prediction(
        "How <long>?", answer=0.5, unit="s", why="It counts from the last speech.", shows="the clock"
    )


class TestPrediction:
    def test_shows_nothing_before_a_guess(self) -> None:
        quiz = asked()
        assert quiz.guess is None
        assert not quiz.feedback.value
        assert not quiz.shown.outputs
        assert "0.5" not in str([child.get_state() for child in quiz.children])
        assert "How &lt;long&gt;?" in quiz.children[0].value

    def test_the_button_asks_for_a_number_and_stays(self) -> None:
        quiz = asked()
        for text in ("", "soon", "nan", "inf"):
            quiz.field.value = text
            quiz.button.click()
            assert "Take a guess first" in quiz.feedback.value
            assert quiz.guess is None
        quiz.field.value = "0,8"
        quiz.button.click()
        assert quiz.guess == 0.8
        assert quiz.button.disabled
        assert quiz.field.disabled

    @pytest.mark.parametrize(
        ("guess", "said"),
        [
            (0.5, "Close: it is 0.5 s. "),
            (0.55, "Close: it is 0.5 s. "),
            (0.56, "You said 0.56 s; it is 0.5 s. That is 0.06 s too much. "),
            (0.25, "You said 0.25 s; it is 0.5 s. That is 0.25 s too little. "),
        ],
    )
    def test_says_how_far_off_and_why(self, guess: float, said: str) -> None:
        assert asked().predict(guess) == f"{said}It counts from the last speech."

    def test_the_first_guess_counts(self) -> None:
        quiz = asked()
        first = quiz.predict(2.0)
        assert quiz.predict(0.5) == first
        assert quiz.guess == 2.0

    def test_closeness_can_be_set_also_around_zero(self) -> None:
        quiz = Prediction("How many?", answer=0, close=1)
        assert quiz.predict(1) == "Close: it is 0."

    def test_choices(self) -> None:
        quiz = Prediction("Which?", answer="silence", choices=["silence", "words"], why="So.")
        quiz.button.click()
        assert "one of the menu" in quiz.feedback.value
        with pytest.raises(ValueError, match="'noise', expected silence or words"):
            quiz.predict("noise")
        quiz.field.value = "words"
        quiz.button.click()
        assert "You said words; it is silence. So." in quiz.feedback.value

    @pytest.mark.parametrize("answer", ["long", math.nan, math.inf])
    def test_an_answer_that_nobody_can_give_is_refused(self, answer: float | str) -> None:
        with pytest.raises(ValueError, match="expected a finite number; or give choices"):
            Prediction("How long?", answer=answer)
        with pytest.raises(ValueError, match="isn't among the choices a, b"):
            Prediction("Which?", answer=answer, choices=["a", "b"])


TASK = Exercise(
    "Fast <enough>",
    at_most={"false_boundary_rate": 0.2, "latency_mean": 1.0, "missed_rate": 0.02},
    hints={"false_boundary_rate": "Wait longer.", "latency_mean": "Wait less."},
)


class TestExercise:
    @pytest.mark.parametrize(
        ("min_delay", "met", "said"),
        [
            (0.5, [False, True, True], "2 of 3 met. Wait longer."),
            (0.8, [True, True, True], "Well done"),
            (1.2, [True, False, True], "2 of 3 met. Wait less."),
        ],
    )
    def test_tells_which_conditions_hold_with_a_hint(
        self, min_delay: float, met: list[bool], said: str
    ) -> None:
        for setting in ({"min_delay": min_delay}, Settings().replace(min_delay=min_delay)):
            feedback = TASK.check(KnownStudy(), setting)
            assert [one.met for one in feedback.conditions] == met
            assert said in feedback.said
            assert feedback.done == all(met)

    def test_a_figure_can_be_asked_to_be_large(self) -> None:
        task = Exercise(
            "Be fooled", at_least={"false_boundary_rate": 0.3}, hints={"false_boundary_rate": "Pause."}
        )
        assert "false boundaries per hold at least 30.0%" in task._repr_html_()
        fooled, not_yet = (task.check(KnownStudy(), {"min_delay": delay_s}) for delay_s in (0.5, 0.6))
        assert fooled.done
        assert str(not_yet).endswith("0 of 1 met. Pause.")
        assert "it is 26.0%" in str(not_yet)
        unhinted = Exercise("Be fooled", at_least={"false_boundary_rate": 0.3})
        assert unhinted.check(KnownStudy(), {"min_delay": 0.6}).said == "0 of 1 met."

    def test_what_cannot_be_tried_here_is_told(self) -> None:
        lacks = MissingTraces("no traces")
        study = KnownStudy(lacks)
        study.sweep = lambda grid: (_ for _ in ()).throw(InputError("english: its weights aren't here"))
        said = str(TASK.check(study, {"detector": "english"}))
        assert said == "That can't be tried here: english: its weights aren't here."

    def test_every_solution_counts(self) -> None:
        done = [TASK.check(KnownStudy(), {"min_delay": delay_s}).done for delay_s in (0.76, 0.8, 0.9, 0.95)]
        assert all(done)

    @pytest.mark.parametrize(
        ("knobs", "why"),
        [
            ({"min_dely": 1}, "unknown knob 'min_dely'"),
            ({"min_delay": -1}, "min_delay"),
            ({"min_delay": 3.0, "max_delay": 1.0}, "max_delay"),
            ("min_delay=0.5", "Give names and values"),
            (None, "Give names and values"),
        ],
    )
    def test_a_learners_mistake_is_told_not_raised(self, knobs: dict[str, float], why: str) -> None:
        feedback = TASK.check(KnownStudy(), knobs)
        assert feedback.said.startswith(("AgentSession can't use that: ", "Give names"))
        assert why in feedback.said
        assert not feedback.done

    @pytest.mark.parametrize("lacks", [MissingTraces(), ValueError("was traced for waits of 4.5 s")])
    def test_what_the_study_lacks_is_traced(self, lacks: Exception) -> None:
        study = KnownStudy(lacks)
        assert TASK.check(study, {"min_delay": 0.8}).done
        assert study.swept["min_delay"] == [0.8]

    def test_a_vad_that_was_not_heard_is_traced(self) -> None:
        study = KnownStudy()
        assert TASK.check(study, {"vad": "silero", "min_delay": 0.8}).done
        assert study.swept["vad"] == ["silero"]

    def test_shows_figures_in_words_and_escapes(self) -> None:
        never = Exercise("x", at_most={"longest_wait": 2.0}, hints={}).check(KnownStudy(), {})
        assert str(never) == (
            "not yet: longest wait at most 2.00 s (it is never)\n"
            "0 of 1 met. The longest wait is too long: is it min_delay or max_delay?"
        )
        assert "Fast &lt;enough&gt;" in TASK._repr_html_()
        assert "false boundaries per hold at most 20.0%" in TASK._repr_html_()
        assert "not yet" in TASK.check(KnownStudy(), {"min_delay": 0.5})._repr_html_()

    def test_an_unknown_figure_is_refused(self) -> None:
        with pytest.raises(ValueError, match="unknown figure speed; figures are false_boundary_rate"):
            Exercise("x", at_most={"speed": 1}, hints={})
        with pytest.raises(ValueError, match="a hint for latency_p95, which has no limit"):
            Exercise("x", at_most={"latency_mean": 1}, hints={"latency_p95": "…"})


def test_an_exercise_that_there_is_not() -> None:
    for number in (0, 99):
        with pytest.raises(ValueError, match=f"there is no exercise {number}; they are 1 to 8"):
            exercise(number)
