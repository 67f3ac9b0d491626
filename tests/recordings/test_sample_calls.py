"""The sample calls of audio_samples/calls/: that they are varied, and pause as people do."""

import json
import re
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from paths import SAMPLE_CALLS

sys.path.append(str(SAMPLE_CALLS))
import measure
import pauses
from scripts import KINDS, read_scripts

DOCUMENTS = measure.read_documents(SAMPLE_CALLS)
TURNS = {name: measure.turns_of(document) for name, document in DOCUMENTS.items()}
ALL = [turn for turns in TURNS.values() for turn in turns]
PLAIN = [turn for turn in ALL if not turn.number]
NUMBER = [turn for turn in ALL if turn.number]
SCRIPTS = {script.id: script for script in read_scripts()}
README = (SAMPLE_CALLS / "README.md").read_text(encoding="utf-8")
ROUNDING_S = 2e-4


def plain_holds() -> np.ndarray:
    """Return the lengths of the holds in turns that give no numbers, in seconds."""
    return np.array([hold_s for turn in PLAIN for hold_s in turn.holds_s])


def test_there_are_36_calls_with_350_turns_of_which_no_two_say_the_same() -> None:
    assert len(DOCUMENTS) == 36
    assert len(list((SAMPLE_CALLS / "demo").glob("*.flac"))) == 12
    said = Counter(" ".join(re.findall(r"[a-z']+", turn.text.lower())) for turn in ALL)
    assert len(said) == len(ALL) >= 350, [text for text, times in said.items() if times > 1]


def test_the_twelve_of_the_demo_last_no_longer_than_the_first_twelve() -> None:
    demo = [
        DOCUMENTS[path.name.removesuffix(".labels.json")] for path in (SAMPLE_CALLS / "demo").glob("*.json")
    ]
    assert sum(document["duration_s"] for document in demo) < 15.5 * 60
    assert {document["condition"] for document in demo} == {"clean", "telephone", "noise-20dB", "noise-10dB"}


def test_callers_are_many_and_none_speaks_with_the_agents_voice() -> None:
    callers = Counter(document["voices"]["user"] for document in DOCUMENTS.values())
    assert len(callers) >= 16
    assert max(callers.values()) <= 6
    assert all(document["voices"]["user"] != document["voices"]["agent"] for document in DOCUMENTS.values())


def test_turns_hold_as_often_as_people_do() -> None:
    short = [turn for turn in PLAIN if turn.length_s <= measure.LONG_TURN_S]
    assert len(short) >= 300
    assert measure.shares(short) == pytest.approx(measure.SWITCHBOARD_SHARES, abs=0.03)
    assert np.mean([len(turn.holds_s) for turn in short]) == pytest.approx(0.39, abs=0.06)


def test_holds_are_as_long_as_peoples_and_none_sits_at_a_clip() -> None:
    holds_s = plain_holds()
    wanted = dict(zip(measure.PERCENTILES, measure.SWITCHBOARD["holds"], strict=True))
    for percent in (25, 50, 75, 90, 95):
        assert np.percentile(holds_s, percent) == pytest.approx(wanted[percent], rel=0.2), percent
    lengths = Counter(np.round(holds_s, 3))
    assert max(lengths.values()) <= 3


def test_a_minority_gives_numbers_or_spells_and_holds_longer_and_more_often() -> None:
    assert 0.1 <= len(NUMBER) / len(ALL) <= 0.25
    holds_s = np.array([hold_s for turn in NUMBER for hold_s in turn.holds_s])
    assert np.mean([len(turn.holds_s) for turn in NUMBER]) > 1.2
    assert np.median(holds_s) > 1.25 * np.median(plain_holds())
    assert np.percentile(holds_s, 95) == pytest.approx(2.3, abs=0.6)


def test_gaps_and_overlaps_occur_on_both_sides() -> None:
    user_s, agent_s = (
        np.array([getattr(turn, name) for turn in ALL]) for name in ("user_gap_s", "agent_gap_s")
    )
    assert np.median(user_s) == pytest.approx(0.04, abs=0.12)
    assert np.percentile(user_s, 75) == pytest.approx(0.38, abs=0.15)
    assert 0.3 <= np.mean(user_s < 0) <= 0.55
    assert np.mean(agent_s < 0) == pytest.approx(pauses.AGENT_OVERLAPS, abs=0.05)
    assert user_s.min() >= pauses.LEAST_GAP_S["user"] - ROUNDING_S
    assert agent_s.min() >= pauses.LEAST_GAP_S["agent"] - ROUNDING_S


def test_turns_and_first_sentences_of_replies_vary_in_length() -> None:
    lengths_s = [turn.length_s for turn in ALL]
    assert np.percentile(lengths_s, 25) <= 1.6
    assert np.median(lengths_s) == pytest.approx(2.87, abs=0.9)
    assert np.percentile(lengths_s, 95) >= 6.0
    words = [count for document in DOCUMENTS.values() for count in measure.first_sentences(document)]
    assert np.percentile(words, 10) <= 2
    assert np.percentile(words, 90) >= 9


@pytest.mark.parametrize("name", DOCUMENTS)
def test_labels_are_what_the_scripts_draw(name: str) -> None:
    script = SCRIPTS[name]
    assert len(TURNS[name]) == len(script.turns)
    for turn, plan in zip(TURNS[name], script.turns, strict=True):
        assert turn.text == " ".join(plan.words)
        assert turn.number == (plan.kind == "number")
        assert turn.holds_s == pytest.approx(list(plan.holds_s.values()), abs=ROUNDING_S)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_agents_say_what_the_scripts_say_and_each_reply_follows_its_turn(name: str) -> None:
    document, script = DOCUMENTS[name], SCRIPTS[name]
    said = " ".join(word["text"] for word in document["words"] if word["speaker"] == "agent")
    assert said == " ".join(text for mark, text in script.lines if mark not in KINDS)
    assert (document["condition"], document["recording"]) == (script.condition, script.id)
    for a, b in pairwise(TURNS[name]):
        assert a.end_s < b.start_s


def test_the_readme_has_the_tables_that_the_labels_give() -> None:
    assert measure.tables(SAMPLE_CALLS) in README


def test_the_readme_and_the_licence_name_every_program_that_speaks() -> None:
    licence = (SAMPLE_CALLS / "LICENSE.txt").read_text(encoding="utf-8")
    assert "CC0-1.0" in licence
    for document in DOCUMENTS.values():
        for voice in document["voices"].values():
            assert voice.split()[0] in licence
            assert measure.brief(voice).split()[0] in README


def test_measured_tables_need_both_marks() -> None:
    with pytest.raises(ValueError, match="expected '<!-- measured"):
        measure.replaced("no marks", "tables")


# --- the draws ---


def test_planning_is_seeded() -> None:
    texts = [("plain", "I would like to book a table for four people, please.")] * 40
    assert pauses.plan_turns(texts, 1) == pauses.plan_turns(texts, 1)
    assert pauses.plan_turns(texts, 1) != pauses.plan_turns(texts, 2)


def test_shares_of_holds_are_met_exactly_and_long_turns_hold_more() -> None:
    lengths = [2, 12] * 200
    counts = pauses.count_holds(lengths, "plain", np.random.default_rng(0))
    assert np.bincount(np.minimum(counts, 3)).tolist() == [300, 60, 28, 12]
    assert sum(counts[1::2]) > sum(counts[::2])
    assert max(counts[::2]) <= 1, "two words have one boundary"


def test_too_few_long_turns_are_told() -> None:
    with pytest.raises(ValueError, match="no turn of 6 words is left for 3 holds"):
        pauses.count_holds([4] * 60, "plain", np.random.default_rng(3))


def test_gaps_are_drawn_by_switchboards_quantiles_and_overlaps_stay_short() -> None:
    rng = np.random.default_rng(0)
    gaps_s = np.array([pauses.draw_gap_s("user", 9.0, rng) for _ in range(20_000)])
    drawn = np.percentile(gaps_s, measure.PERCENTILES[2:])
    assert drawn == pytest.approx(measure.SWITCHBOARD["gaps"][2:], abs=0.06, rel=0.05)
    assert np.mean(gaps_s < 0) == pytest.approx(0.47, abs=0.02)
    assert gaps_s.min() > pauses.LEAST_GAP_S["user"]
    assert max(Counter(gaps_s.round(4)).values()) < 20, "none piles up"
    agent_s = np.array([pauses.draw_gap_s("agent", 9.0, rng) for _ in range(5_000)])
    assert np.mean(agent_s < 0) == pytest.approx(pauses.AGENT_OVERLAPS, abs=0.015)
    assert min(pauses.draw_gap_s("user", 0.1, rng) for _ in range(2_000)) >= -0.1


@pytest.mark.parametrize(("kind", "median_s"), [("plain", 0.51), ("filler", 0.57), ("number", 0.80)])
def test_holds_are_drawn_within_their_range(kind: str, median_s: float) -> None:
    rng = np.random.default_rng(0)
    holds_s = np.array([pauses.draw_hold_s(kind, rng) for _ in range(5_000)])
    assert np.median(holds_s) == pytest.approx(median_s, rel=0.06)
    assert pauses.HOLD_RANGE_S[0] <= holds_s.min() <= holds_s.max() <= pauses.HOLD_RANGE_S[1]


def test_holds_go_after_um_and_before_conjunctions_rather_than_into_a_phrase() -> None:
    rng = np.random.default_rng(0)
    text = "The um, red house and the garden"
    places = Counter(next(iter(pauses.plan(text, "plain", 1, rng).holds_s)) for _ in range(400))
    assert places[1] + places[2] > places[3] > places[0]


def test_scripts_must_alternate(tmp_path) -> None:
    calls = {
        "calls": [{"id": "99_x", "condition": "clean", "user": "a", "agent": "b", "lines": "U: Hi.\nA: Bye."}]
    }
    (tmp_path / "x.yaml").write_text(json.dumps(calls), encoding="utf-8")
    with pytest.raises(ValueError, match="99_x: lines are marked UA; expected 'A:' and"):
        read_scripts(tmp_path)
