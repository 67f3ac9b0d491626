"""A listener's presses, judged as a setting's commits are."""

from __future__ import annotations

import numpy as np
import pytest
from paths import SAMPLE_CALLS

import lab_utils as lab
from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.traces import EotTrace, Traced, VadTrace
from lab_utils.turns.metrics import figures
from lab_utils.turns.sweep import Corpus
from lab_utils.workflows.listener import HeardTurn, choose_turns, listened, meaning, scored_turns, turn_sound

USER = Ipu("user", 2.0, 3.0), Ipu("user", 3.8, 5.0), Ipu("user", 9.0, 10.0)
AGENT = Ipu("agent", 0.5, 1.5, "Your name?"), Ipu("agent", 6.0, 8.0, "And the date?")
LABELS = Labels(
    20.0, USER + AGENT, (Label("hold", 3.0, 3.8), Label("shift", 5.0, 6.0), Label("shift", 10.0, 11.0))
)


def corpus_of(*labels: Labels) -> Corpus:
    vad = {"silero": (VadTrace("silero", 0, np.full(625, 0.01)),)}
    return Corpus.of(
        [
            Traced(f"call {k}", f"{k}.wav", str(k), 20.0, one, vad, (EotTrace(),), tail_s=0.0)
            for k, one in enumerate(labels)
        ]
    )


CORPUS = corpus_of(LABELS)
FIRST = next(one for one in choose_turns(CORPUS, 2) if one.turn == 0)


@pytest.mark.parametrize(
    ("press_s", "label", "latency_s"),
    [
        (3.5, "hold", None),
        (3.9, "hold", None),  # a hand that was on its way when the caller went on
        (4.1, "speech", None),
        (4.9, "speech", None),  # foresaw the end, and came before it
        (5.1, "end_of_turn", 0.1),  # foresaw it
        (5.6, "end_of_turn", 0.6),
        (9.5, "end_of_turn", 4.5),  # the tape's next turn isn't heard: the caller waits
    ],
)
def test_a_press_belongs_to_the_pause_it_answers(press_s: float, label: str, latency_s: float | None) -> None:
    (row,) = meaning(CORPUS, FIRST, [press_s]).to_dict("records")
    assert row["label"] == label
    assert row["false_boundary"] == (label == "hold")
    assert row["latency_s"] == pytest.approx(np.nan if latency_s is None else latency_s, nan_ok=True)


def test_a_press_at_the_first_word_is_no_late_answer_to_the_turn_before() -> None:
    second = next(one for one in choose_turns(CORPUS, 2) if one.turn == 1)
    assert meaning(CORPUS, second, [9.05])["label"].tolist() == ["speech"]
    assert meaning(CORPUS, second, [8.9]).empty


def test_what_comes_before_the_first_word_or_after_the_longest_wait_says_nothing() -> None:
    assert meaning(CORPUS, FIRST, [1.7, FIRST.until_s + 0.01]).empty
    (one,) = listened(CORPUS, [FIRST], [[1.7]])
    assert (one.holds, one.holds_cut, one.turns, one.missed) == (1, 0, 1, 1)


def test_a_hold_is_cut_once_however_often_one_presses() -> None:
    (one,) = listened(CORPUS, [FIRST], [[4.5, 3.3, 3.5, 5.4, 5.9]])
    assert (one.holds_cut, one.turns_cut, one.in_no_label) == (1, 1, 1)
    assert one.latency_s == pytest.approx(np.array([[0.4]]))


def test_nothing_tells_that_the_turn_is_over() -> None:
    tape = np.arange(320_000, dtype=np.int16)
    tape[163_200:] = np.arange(156_800) % 7  # the longest silence of both, from 10.2 s on
    heard = turn_sound(Recording("call", "call.wav", tape, tape, "0", LABELS), FIRST)
    assert len(heard) == round((FIRST.until_s - FIRST.from_s) * 16_000)
    left = round((9.0 - FIRST.from_s) * 16_000)
    assert np.array_equal(heard[:left], tape[round(FIRST.from_s * 16_000) :][:left])
    assert not set(heard[left:].tolist()) - set(range(7))  # not the caller's next turn, at 9 s
    assert FIRST.asked == "Your name?"


def test_turns_are_drawn_by_a_seed_from_many_recordings_half_of_them_with_holds() -> None:
    corpus = corpus_of(*[LABELS] * 6)
    turns = choose_turns(corpus, 6, seed=3)
    assert turns == choose_turns(corpus, 6, seed=3)
    assert turns != choose_turns(corpus, 6, seed=4)
    assert sorted(one.turn for one in turns) == [0, 0, 0, 1, 1, 1]  # the first has a hold
    assert len({one.recording for one in turns}) == 6
    assert len(choose_turns(corpus, 100)) == 12
    assert sum(one.turn == 0 for one in choose_turns(corpus, 10)) == 5
    for n, of, why in (
        (0, corpus, "ask for 1 or more"),
        (3, corpus_of(Labels(9.0, (), ())), "no end of turn"),
    ):
        with pytest.raises(ValueError, match=why):
            choose_turns(of, n)


@pytest.mark.slow
def test_on_all_turns_a_setting_has_the_figures_of_its_study() -> None:
    study = lab.measure(SAMPLE_CALLS / "demo", grid={"detector": ["v1-mini"]}, phases=1, quiet=True, jobs=1)
    turns = choose_turns(study.corpus, 1_000)
    assert len(turns) == study.counts["turns"]
    of_turns = figures(scored_turns(study.corpus, study.defaults, turns, study.conditions))
    of_study = study.score(study.defaults)
    same = ["false_boundary_rate", "false_boundary_rate_per_turn", "timeout_rate", "missed_rate"]
    same += ["latency_mean", "latency_p95", "longest_wait", "false_boundary_rate_at_most"]
    left, right = (frame.loc[same, ["value", "low", "high", "n"]] for frame in (of_turns, of_study))
    np.testing.assert_allclose(left.astype(float), right.astype(float), rtol=1e-9)


def test_a_heard_turn_is_told_by_its_place() -> None:
    assert isinstance(FIRST, HeardTurn)
    assert (FIRST.name, FIRST.turn, FIRST.speaks_s, FIRST.end_s) == ("call 0", 0, 2.0, 5.0)
    assert (FIRST.left_s, FIRST.until_s) == (9.0, 13.0)
