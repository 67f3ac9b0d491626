"""Figures by slice: the whole's, in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import SAMPLES
from synthetic import (
    Turn,
    complete,
    conditions_strategy,
    conversations,
    labels_of,
    settings_strategy,
    traced_of,
)

from lab_utils.core.errors import InputError
from lab_utils.core.labels import Ipu, Label, Labels, Word, user_turns
from lab_utils.core.settings import Settings
from lab_utils.recordings.band import background_of, band_of
from lab_utils.recordings.conditions import ChannelCondition, degrade
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.labels.file import read_labels
from lab_utils.turns.metrics import per_recording
from lab_utils.turns.replay import Block
from lab_utils.turns.slices import KEYS, commit_columns, slices, statistics, turn_kinds
from lab_utils.turns.sweep import Corpus, score_one

COUNTS = (
    *("holds", "holds_cut", "holds_cut_at_most", "turns", "turns_cut", "turns_cut_at_most"),
    *("timeouts", "missed"),
)


def corpus_of(drawn: list[Labels], block: Block) -> Corpus:
    languages = ("", "de", "")
    parts = [
        replace(
            traced_of(labels, name=f"call {k}", seed=k, offsets=(0, 301)),
            language=languages[k % 3],
            band=("telephone", "wide band", "")[k % 3],
        )
        for k, labels in enumerate(drawn)
    ]
    return Corpus.of([complete(one, [block]) for one in parts])


@pytest.mark.slow
@given(st.lists(conversations(), min_size=1, max_size=3), settings_strategy(), conditions_strategy())
@settings(max_examples=25)
def test_the_counts_of_all_slices_add_up_to_the_whole(drawn, chosen, conditions):
    block = Block.of(chosen, conditions)
    corpus = corpus_of(drawn, block)
    tallies = corpus.score(block, corpus.pauses(block.vad, conditions.frame_duration))
    whole = [per_recording(row, labelled) for row, labelled in zip(tallies, corpus.labelled, strict=True)]
    takes = list(commit_columns(corpus, chosen, conditions))
    for one, columns, labelled in zip(whole, takes, corpus.labelled, strict=True):
        every = statistics(columns, labelled, np.ones(labelled.n_turns + 1, np.bool_))
        for name in COUNTS:
            assert getattr(every, name) == pytest.approx(getattr(one, name)), name
        np.testing.assert_allclose(every.latency_s, one.latency_s, rtol=0, atol=1e-9)
    table = slices(corpus, chosen, conditions, tuple(KEYS))
    figures = score_one(corpus, chosen, conditions)
    for key in KEYS:
        part = table[table["by"] == key].set_index("metric")
        for metric in ("false_boundary_rate", "false_boundary_rate_per_turn", "missed_rate", "timeout_rate"):
            n, value = part.loc[[metric], "n"], part.loc[[metric], "value"]
            assert n.sum() == figures.loc[metric, "n"]
            hits = (value.fillna(0.0) * n).sum()
            expected = 0.0 if not n.sum() else figures.loc[metric, "value"] * n.sum()
            assert hits == pytest.approx(expected), (key, metric)


def test_small_slices_say_so_and_give_no_interval():
    turns = [Turn((1.0, 1.2), ((0.7, "hold"),), gap=1.0, reply=1.0, rest=0.4) for _ in range(6)]
    chosen = Settings().replace(detector="vad")
    corpus = corpus_of([labels_of(turns)] * 3, Block.of(chosen))
    table = slices(corpus, chosen, by=["recording", "line", "length"]).set_index(["by", "slice", "metric"])
    alone = table.loc[("recording", "call 0", "false_boundary_rate")]
    assert alone["note"] == "not enough data: 6 holds, 1 recording"
    assert (alone["told"], alone["recordings"]) == ("can't be told", 1)
    assert np.isnan([alone["low"], alone["high"]]).all()
    unknown = table.loc[("line", "unknown", "latency_mean")]
    assert unknown["note"] == "not enough data: 6 ends of turn, 1 recording"
    enough = table.loc[("length", "1 to 3 s", "false_boundary_rate")]
    assert (enough["note"], enough["n"], enough["recordings"]) == ("", 18, 3)
    with pytest.raises(InputError, match="can't slice by 'colour'; expected some of language, length"):
        slices(corpus, chosen, by=["colour"])
    with pytest.raises(InputError, match="nothing to slice by; name some of language"):
        slices(corpus, chosen, by=[])


def test_what_a_turn_is_about_is_told_by_its_words():
    user_says = ["It's double five.", "A, I mean yes.", "M-A-Y.", "", "B 7"]
    agent_says = [
        "Hi. Could you give me your phone number?",
        "Do you mean that?",
        "Please spell your name.",
        "One moment, please.",
        "Why?",
    ]
    user = [Ipu("user", 2.0 + 3 * k, 3.0 + 3 * k, text) for k, text in enumerate(user_says)]
    agent = [Ipu("agent", 0.5 + 3 * k, 1.0 + 3 * k, text) for k, text in enumerate(agent_says)]
    shifts = [Label("shift", ipu.end_s, ipu.end_s + 0.5) for ipu in user]
    labels = Labels(20.0, (*user, *agent), tuple(shifts))
    numbers, other = "numbers or spelling", "other words"
    assert turn_kinds.numbers(labels) == [numbers, other, numbers, "no words known", numbers]
    assert turn_kinds.asked(labels) == [
        "a number or spelling",
        "yes or no",
        "a number or spelling",
        "nothing",
        "something else",
    ]
    silent = replace(labels, ipus=tuple(replace(ipu, text="") for ipu in labels.ipus))
    assert set(turn_kinds.asked(silent)) == {"no words known"}
    said = replace(silent, words=(Word("agent", 0.6, 0.9, "Why?"), Word("user", 2.1, 2.5, "42 17")))
    assert turn_kinds.asked(said)[0] == "something else"
    assert turn_kinds.numbers(said)[0] == numbers


@pytest.mark.skipif(not (SAMPLES / "calls").is_dir(), reason="no sample calls here")
def test_turns_that_give_numbers_are_known_in_the_sample_calls():
    """Against what the scripts say: each hold, and each end, of such a turn is marked."""
    right = n = 0
    for path in sorted((SAMPLES / "calls").rglob("*.labels.json")):
        labels = read_labels(path)
        marked = [one.start_s for one in labels.labels if "number or spells" in one.reason]
        for turn, kind in zip(user_turns(labels), turn_kinds.numbers(labels), strict=False):
            truth = any(abs(turn.end_s - start_s) < 0.01 for start_s in marked)
            right += truth == (kind == "numbers or spelling")
            n += 1
    assert n > 350
    assert right / n > 0.9


@pytest.mark.slow
def test_the_band_of_a_line_is_heard():
    (files,) = find_recordings(SAMPLES / "01_table_booking.flac")
    recording = load_recording(files)
    assert band_of(recording.user) == "wide band"
    assert band_of(degrade(recording, ChannelCondition.parse("telephone"), 0).user) == "telephone"
    assert band_of(degrade(recording, ChannelCondition.parse("noise:10"), 0).user) == "wide band"
    assert band_of(recording.user[:100]) == ""


@pytest.mark.slow
def test_noise_behind_the_voice_is_heard():
    (files,) = find_recordings(SAMPLES / "01_table_booking.flac")
    recording = load_recording(files)
    assert background_of(recording.user) == "quiet"
    assert background_of(degrade(recording, ChannelCondition.parse("noise:10"), 0).user) == "noisy"
    assert background_of(degrade(recording, ChannelCondition.parse("telephone"), 0).user) == "quiet"
    assert background_of(recording.user[:100]) == background_of(np.zeros(16_000, dtype=np.int16)) == ""
