"""Imported sessions under the settings that they had, beside LiveKit's defaults."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.errors import InputError
from lab_utils.core.labels import Labels
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.traces import Traced
from lab_utils.turns import grid
from lab_utils.turns.choose import Budget
from lab_utils.turns.replay import Block, blocks_of
from lab_utils.turns.sweep import Corpus, score_one, sweep
from lab_utils.turns.told_settings import as_recorded, own_settings
from lab_utils.workflows.study.choice import choose_settings, make_profile

TOLD = {"min_endpointing_delay": 0.9, "max_endpointing_delay": 1.4, "min_interruption_words": 2}
CONDITIONS = Conditions()


def turns_with(hold_s: float, kind: str = "hold") -> Labels:
    return labels_of([Turn((1.0, 1.2), ((hold_s, kind),), gap=1.0, reply=1.0, rest=0.4) for _ in range(3)])


def call(seed: int, told: dict[str, object], hold_s: float = 0.7) -> Traced:
    recording = replace(traced_of(turns_with(hold_s), name=f"call {seed}", seed=seed), told=told)
    own = own_settings(told, recording.labels)
    table, _ = grid.expand({"min_delay": [0.3, 0.6]})
    blocks = [block for _, block in blocks_of(table, CONDITIONS, 9)] + [Block.of(Settings(), CONDITIONS)]
    return complete(recording, blocks + ([] if own is None else [Block.of(own[0], CONDITIONS)]))


def test_what_a_session_tells_of_its_settings_is_taken_and_the_rest_is_listed():
    found = own_settings(TOLD, turns_with(0.7))
    assert found is not None
    settings, assumed = found
    assert (settings.endpointing.min_delay, settings.endpointing.max_delay) == (0.9, 1.4)
    assert settings.interruption.min_words == 0, "the labels know no words"
    assert "min_words: 0 (no words, or no speech of the agent, are labelled)" in assumed
    assert "endpointing mode: fixed (LiveKit's default)" in assumed
    assert own_settings({}, turns_with(0.7)) is None
    assert own_settings({"min_endpointing_delay": "soon"}, turns_with(0.7)) is None
    assert own_settings({"min_endpointing_delay": 900.0}, turns_with(0.7)) is None, "milliseconds, perhaps"


@pytest.mark.slow
def test_each_session_is_scored_under_its_own_settings():
    other = {"min_endpointing_delay": 0.2, "max_endpointing_delay": 0.5}
    corpus = Corpus.of([call(0, TOLD), call(1, other), call(2, {})])
    found = as_recorded(corpus, CONDITIONS)
    assert found is not None
    assert (found.title, found.recordings, found.of) == ("as recorded (2 of 3 calls)", 2, 3)
    n, hits = 0, 0.0
    for one in corpus.recordings[:2]:
        own = own_settings(one.told, one.labels)
        alone = score_one(Corpus.of([one]), own[0], CONDITIONS).loc["missed_rate"]
        n, hits = n + alone["n"], hits + alone["n"] * alone["value"]
    assert found.figures.loc["missed_rate", "n"] == n
    assert found.figures.loc["missed_rate", "value"] == pytest.approx(hits / n)
    assert as_recorded(Corpus.of([corpus.recordings[2]]), CONDITIONS) is None
    assert as_recorded(Corpus.of([corpus.recordings[0]]), CONDITIONS).title == "as recorded"


@pytest.mark.slow
def test_it_is_a_column_beside_livekits_defaults_and_stands_in_the_evidence():
    corpus = Corpus.of([call(0, TOLD), call(1, TOLD)])
    table, _ = grid.expand({"min_delay": [0.3, 0.6]})
    result = sweep(corpus, table, CONDITIONS, quiet=True)
    choice = choose_settings(corpus, result, Budget.false_boundary_rate(0.5), CONDITIONS, nearest=True)
    assert list(choice.columns)[:3] == ["LiveKit's defaults", "as recorded", "chosen"]
    assert "as recorded" in choice._repr_html_()
    assert "on-device detector v1-mini" in choice._repr_html_()
    date = pd.Timestamp("2026-01-01").date()
    evidence = make_profile(corpus, choice, CONDITIONS, 1, "p", date).evidence
    assert evidence.as_recorded.missed_rate.n == choice.own.figures.loc["missed_rate", "n"]
    assert evidence.note.endswith("gets the cloud's v1, which can't be measured offline.")


@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        (
            turns_with(6.0),
            r"0 holds and 3 ends of turn: .*all 3 holds are shorter than 0.2 s or longer than 5 s",
        ),
        (turns_with(0.7, "cut_off"), r"0 holds and 3 ends of turn: .*cut off all 3 pauses inside turns"),
        (
            labels_of([Turn((1.0,), (), gap=1.0, reply=1.0, rest=0.4)]),
            r"0 holds and 1 ends of turn: .*never pause inside a turn",
        ),
        (labels_of([]), r"0 holds and 0 ends of turn: .*check that the second channel is the agent's"),
    ],
)
def test_what_is_lacking_is_told_with_advice_that_fits(labels, advice):
    table, _ = grid.expand({"detector": ["vad"], "min_delay": [0.3, 0.6]})
    blocks = [block for _, block in blocks_of(table, CONDITIONS, 9)]
    corpus = Corpus.of([complete(traced_of(labels), [*blocks, Block.of(Settings(), CONDITIONS)])])
    result = sweep(corpus, table, CONDITIONS, quiet=True)
    with pytest.raises(InputError, match=advice):
        choose_settings(corpus, result, Budget.false_boundary_rate(0.1), CONDITIONS, nearest=True)
