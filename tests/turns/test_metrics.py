"""Metrics against their twin, and the frontier's properties."""

from __future__ import annotations

import dataclasses
import math

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from synthetic import (
    Turn,
    block_of,
    complete,
    conditions_strategy,
    conversations,
    labels_of,
    settings_of_one_block,
    traced_of,
)

from lab_utils.core.labels import Ipu, Label, Labels, agent_turns
from lab_utils.core.timeline import SAMPLE_RATE_HZ, frame_samples
from lab_utils.core.traces import Commits
from lab_utils.turns.metrics import (
    END_OF_TURN,
    HOLD,
    LATENCIES,
    PAUSE_NAMES,
    RATES,
    UNSCORED_HOLD,
    LabelledPauses,
    SettingCounts,
    attribute,
    hypervolume,
    labelled_pauses,
    pareto_frontier,
    per_recording,
    setting_counts,
    summarize,
)
from lab_utils.turns.metrics.labelled_pauses import owners
from lab_utils.turns.metrics.scores import weighted_percentile
from lab_utils.turns.replay import decide, find_rows, replay, replay_branches, stt_events_for
from lab_utils.turns.replay.records import Decisions

TAIL_S = 4.0


FEW = 2
"""Settings of a block that the twin scores, too: it walks each branch from the recording's start."""


def commits_at(*times: float, cause: str = "detector", after_s: float = 0.0) -> Commits:
    """Commits that waited `after_s`."""
    times_s = np.array(times, dtype=float)
    return Commits(times_s, (cause,) * len(times), np.full(len(times), np.nan), times_s - after_s)


def tallies_of(labels, settings, conditions, offsets, seed):
    """The recording with its predictions, and each phase's counts of the settings."""
    block = block_of(settings, conditions)
    recording = traced_of(labels, seed=seed, offsets=offsets, tail_s=TAIL_S)
    recording = complete(recording, [block])
    counts = []
    said = recording.predictions(block.detector)
    for phase, (trace, eot) in enumerate(zip(recording.vad["livekit"], said, strict=True)):
        offset_s = trace.phase_samples / SAMPLE_RATE_HZ
        heard = stt_events_for(block, labels, offset_s)
        rows = find_rows(recording, block.vad, phase, frame_samples(block.conditions.frame_duration))
        agent = agent_turns(labels) + offset_s
        decisions = decide(rows, eot, agent, block.on(recording, offset_s), heard, trace)
        counts.append(
            setting_counts(decisions, labelled_pauses(labels, TAIL_S), offset_s, np.full(len(settings), 8.0))
        )
    return recording, counts


# --- against the twin -----------------------------------------------------------------------------


@given(
    st.lists(conversations(), min_size=1, max_size=2),
    settings_of_one_block(),
    conditions_strategy(),
    st.sampled_from([(0,), (0, 300)]),
    st.integers(0, 2**32 - 1),
)
@pytest.mark.slow
def test_counts_and_summary_agree_with_the_definitions(conversations, settings, conditions, offsets, seed):
    pooled, marks, scores = [], [], [[] for _ in settings]
    for k, labels in enumerate(conversations):
        recording, counts = tallies_of(labels, settings, conditions, offsets, seed + k)
        for phase, found in enumerate(counts):
            pooled.append(found)
            marks.append(labelled_pauses(labels, TAIL_S))
            for s, one in enumerate(settings[:FEW]):
                commits = replay(recording, one, conditions, phase)
                waits = naive.waits(recording, one, conditions, phase)
                expected = naive.score(labels, commits, TAIL_S, branches=waits)
                scores[s].append(expected)
                assert found.holds_cut[s] == expected.holds_cut
                assert found.turns_cut[s] == expected.turns_cut
                assert found.turns_cut_at_most[s] == expected.turns_cut_at_most
                assert found.cut_offs_cut[s] == expected.cut_offs_cut
                assert found.in_no_label[s] == expected.in_no_label
                assert found.backchannels_hit[s] == expected.backchannels_hit
                assert found.timeouts[s] == expected.timeouts
                np.testing.assert_allclose(found.latency_s[:, s], expected.latencies_s, atol=1e-9)
    summary = summarize([[take] for take in pooled], marks)
    assert np.isnan(summary.pop("coin_flips")).all()  # of a single take each
    for s in range(len(settings[:FEW])):
        expected_summary = naive.summary(scores[s])
        assert summary.keys() == expected_summary.keys()
        for name, value in expected_summary.items():
            np.testing.assert_allclose(summary[name][s], value, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.slow
@given(conversations(), settings_of_one_block(), conditions_strategy(), st.integers(0, 2**32 - 1))
def test_each_commit_is_attributed_to_the_label_it_falls_into(labels, settings, conditions, seed):
    recording, _ = tallies_of(labels, settings, conditions, (0,), seed)
    for one in settings:
        commits = replay(recording, one, conditions)
        frame = attribute(commits, labelled_pauses(labels, TAIL_S))
        expected = naive.attribute(labels, commits, TAIL_S)
        np.testing.assert_array_equal(frame["commit_s"], commits.time_s)
        assert tuple(frame["cause"]) == commits.cause
        np.testing.assert_array_equal(frame["probability"], commits.probability)
        for name in ("label", "turn", "false_boundary", "scored"):
            assert frame[name].tolist() == [row[name] for row in expected]
        for name in ("label_start_s", "latency_s"):
            np.testing.assert_array_equal(frame[name], [row[name] for row in expected])


@pytest.mark.slow
@given(conversations(), settings_of_one_block(), conditions_strategy(), st.integers(0, 2**32 - 1))
def test_table_parquet_and_twin_tell_the_same(labels, settings, conditions, seed):
    """The compressed counts, the commits one by one and the definitions give the same figures."""
    recording, (found,) = tallies_of(labels, settings, conditions, (0,), seed)
    marks = labelled_pauses(labels, TAIL_S)
    for s, one in enumerate(settings[:FEW]):
        commits = replay(recording, one, conditions)
        waits = replay_branches(recording, one, conditions)
        frame = attribute(commits, marks, waits, 8.0)
        slow = naive.score(labels, commits, TAIL_S, branches=naive.waits(recording, one, conditions))
        scored = frame.loc[frame["scored"]].groupby("label")["label_start_s"].nunique()
        of_turns = frame.loc[frame["false_boundary"] & (frame["turn"] < marks.n_turns), "turn"].nunique()
        answered = frame[frame["latency_s"].notna()]
        for name, fast, of_commits, expected in (
            ("holds", found.holds_cut[s], scored.get("hold", 0), slow.holds_cut),
            ("cut-offs", found.cut_offs_cut[s], scored.get("cut_off", 0), slow.cut_offs_cut),
            ("turns", found.turns_cut[s], of_turns, slow.turns_cut),
            ("no label", found.in_no_label[s], (frame["turn"] < 0).sum(), slow.in_no_label),
            ("timeouts", found.timeouts[s], (answered["cause"] == "max_delay").sum(), slow.timeouts),
            ("missed", np.isinf(found.latency_s[:, s]).sum(), marks.n_turns - len(answered), slow.missed),
        ):
            assert fast == of_commits == expected, name
        latency_s = np.full(marks.n_turns, np.inf)
        latency_s[answered["turn"]] = answered["latency_s"]
        np.testing.assert_allclose(latency_s, found.latency_s[:, s], atol=1e-9)
        np.testing.assert_allclose(latency_s, slow.latencies_s, atol=1e-9)


# --- by hand --------------------------------------------------------------------------------------

CALL = Labels(
    duration_s=20.0,
    ipus=(
        Ipu("user", 1.0, 2.0),
        Ipu("user", 2.5, 3.0),
        Ipu("agent", 4.0, 7.0),
        Ipu("user", 5.0, 5.3),
        Ipu("user", 8.0, 9.0),
        Ipu("agent", 9.5, 9.8),
        Ipu("user", 10.0, 11.0),
        Ipu("agent", 12.0, 13.0),
        Ipu("user", 15.0, 16.0),
    ),
    labels=(
        Label("hold", 2.0, 2.5),
        Label("shift", 3.0, 4.0),
        Label("backchannel", 5.0, 5.3),
        Label("cut_off", 9.0, 10.0),
        Label("shift", 11.0, 12.0),
    ),
)


@pytest.mark.parametrize(
    ("last_s", "time_s", "label", "latency_s", "false_boundary"),
    [
        (0.4, 0.5, "other", math.nan, False),
        (1.2, 1.5, "speech", math.nan, False),  # the detector lost the voice; no pause was touched
        (1.9, 2.0, "hold", math.nan, True),  # heard to end a little early
        (1.9, 1.99, "speech", math.nan, False),
        (10.4, 10.5, "speech", math.nan, False),  # in the last turn with an end
        (2.1, 2.49, "hold", math.nan, True),
        (2.1, 2.55, "hold", math.nan, True),  # a moment after the user went on
        (2.1, 3.1, "hold", math.nan, True),  # speech of half a second went unheard
        (2.6, 3.1, "end_of_turn", 0.1, False),
        (3.05, 3.05, "end_of_turn", 0.05, False),
        (3.1, 4.9, "end_of_turn", 1.9, False),
        (3.1, 5.2, "end_of_turn", 2.2, False),  # after the user's "mm-hm" began
        (5.35, 5.9, "backchannel", math.nan, False),
        (5.1, 5.2, "other", math.nan, False),
        (9.1, 9.4, "cut_off", math.nan, True),  # before the recorded agent spoke
        (9.1, 9.5, "cut_off", math.nan, False),  # as it spoke, and after: nothing is known
        (9.1, 9.6, "cut_off", math.nan, False),
        (9.1, 10.1, "cut_off", math.nan, False),
        (11.1, 14.9, "end_of_turn", 3.9, False),
        (15.2, 15.5, "other", math.nan, False),  # in speech, but after the last labelled end of turn
        (16.1, 17.0, "other", math.nan, False),
    ],
)
def test_a_commit_belongs_to_the_pause_whose_silence_caused_it(
    last_s, time_s, label, latency_s, false_boundary
):
    commits = Commits(np.array([time_s]), ("detector",), np.array([0.5]), np.array([last_s]))
    (row,) = attribute(commits, labelled_pauses(CALL)).to_dict("records")
    assert (row["label"], row["false_boundary"]) == (label, false_boundary)
    np.testing.assert_allclose(row["latency_s"], latency_s)
    (slow,) = naive.attribute(CALL, commits, 0.0)
    assert (slow["label"], slow["false_boundary"]) == (label, false_boundary)


@pytest.mark.parametrize("agent_s", [9.0, 9.5, 10.0])
def test_a_cut_off_pause_is_known_until_the_agent_begins_in_it(agent_s):
    """As the pause begins, in it, or not before its end, where the user speaks on."""
    ipus = (Ipu("user", 8.0, 9.0), Ipu("user", 10.0, 11.0), Ipu("agent", agent_s, agent_s + 0.3))
    call = Labels(20.0, tuple(sorted(ipus, key=lambda i: i.start_s)), (Label("cut_off", 9.0, 10.0),))
    frame = attribute(commits_at(9.0, 9.49, 9.5, after_s=0.0), labelled_pauses(call))
    assert frame["label"].tolist() == ["cut_off"] * 3
    assert frame["false_boundary"].tolist() == [time_s < agent_s for time_s in (9.0, 9.49, 9.5)]


def test_a_turn_has_a_cut_off_pause_or_none():
    assert labelled_pauses(CALL).cut_off_turns.tolist() == [False, True]


def test_only_the_first_commit_after_an_end_of_turn_has_a_latency():
    frame = attribute(commits_at(3.4, 3.9, 11.5), labelled_pauses(CALL))
    np.testing.assert_allclose(frame["latency_s"], [0.4, np.nan, 0.5])


def test_an_end_of_turn_is_answered_on_the_tape_or_else_where_the_caller_waits():
    """The first branch leaves the tape at 3.4 s, the second at 11.5 s."""
    marks, heard = labelled_pauses(CALL), commits_at(2.2, 3.6, 4.5, after_s=0.1)
    branches = {0: (3.4, heard), 1: (11.5, commits_at(12.5, after_s=1.0))}
    columns = ["commit_s", "label", "latency_s", "on_branch"]

    def rows(*times_s: float, longest_s: float = math.inf) -> list[list[object]]:
        frame = attribute(commits_at(*times_s, after_s=0.05), marks, branches, longest_s)
        frame["latency_s"] = frame["latency_s"].round(9).where(frame["latency_s"].notna(), -1.0)
        return frame[columns].values.tolist()

    second = [12.5, "end_of_turn", 1.5, True]
    assert rows(3.3) == [[3.3, "end_of_turn", 0.3, False], second]
    assert rows(3.4) == [[3.4, "end_of_turn", -1.0, False], [3.6, "end_of_turn", 0.6, True], second]
    assert rows(3.3, 11.2) == [[3.3, "end_of_turn", 0.3, False], [11.2, "end_of_turn", 0.2, False]]
    # what comes later than the longest wait scores nothing, on the tape and on a branch
    assert rows(3.25, longest_s=0.25)[0] == [3.25, "end_of_turn", 0.25, False]
    assert rows(3.25, longest_s=0.2) == [[3.25, "end_of_turn", -1.0, False]]
    assert rows(longest_s=1.5) == [[3.6, "end_of_turn", 0.6, True], second]
    assert rows(longest_s=0.5) == []


def test_speech_after_the_last_labelled_end_of_turn_is_no_false_boundary():
    """The turn's end is not labelled, so the turn is in no denominator."""
    assert not attribute(commits_at(15.5), labelled_pauses(CALL))["false_boundary"].any()
    assert naive.score(CALL, commits_at(15.5), 0.0).turns_cut == 0


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 4)), min_size=1, max_size=8),
    st.sampled_from([0, 10, 37.5, 50, 90, 95, 100]),
)
@example([(1, 1), (2, 0)], 100)
def test_a_weighted_percentile_is_numpys_of_the_values_repeated(drawn, q):
    values, weights = np.array(drawn, dtype=np.float64).T
    (found,) = weighted_percentile(values, weights.astype(np.int64)[None, :], q)
    repeated = np.repeat(values, weights.astype(np.int64))
    np.testing.assert_allclose(found, np.percentile(repeated, q) if len(repeated) else np.nan, atol=1e-9)


def test_of_two_pauses_that_begin_as_far_away_a_commit_belongs_to_the_earlier():
    labels = Labels(
        9.0,
        (Ipu("user", 1.0, 2.0), Ipu("user", 2.75, 3.0)),
        (Label("hold", 2.0, 2.75), Label("shift", 3.0, 4.0)),
    )
    last_s = np.array([2.5, 2.5 + 1e-6])
    assert owners(last_s, np.full(2, 3.2), labelled_pauses(labels)).tolist() == [0, 1]


def test_a_commit_as_speech_ends_without_a_label_is_no_more_in_it():
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0), Ipu("user", 4.0, 5.0)), (Label("shift", 5.0, 6.0),))
    commits = commits_at(1.0, 1.99, 2.0, 3.0)
    expected = ["speech", "speech", "other", "other"]
    assert attribute(commits, labelled_pauses(labels))["label"].tolist() == expected
    assert [row["label"] for row in naive.attribute(labels, commits, 0.0)] == expected


def test_speech_that_begins_as_the_last_turn_ends_is_none_of_its_own():
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0), Ipu("user", 2.0, 3.0)), (Label("shift", 2.0, 2.0),))
    commits = commits_at(1.5, 2.5, after_s=0.1)
    assert attribute(commits, labelled_pauses(labels))["label"].tolist() == ["speech", "other"]
    assert [row["label"] for row in naive.attribute(labels, commits, 0.0)] == ["speech", "other"]


def test_no_commits_give_an_empty_frame_with_all_columns():
    frame = attribute(commits_at(), labelled_pauses(CALL))
    assert len(frame) == 0
    assert {"commit_s", "cause", "label", "turn", "latency_s", "false_boundary"} <= set(frame.columns)


def test_a_recording_without_labels_has_no_intervals():
    marks = labelled_pauses(Labels(10.0, (), ()))
    assert (len(marks.start_s), marks.n_turns) == (0, 0)
    assert attribute(commits_at(1.0), marks)["label"].tolist() == ["other"]


@pytest.mark.parametrize(
    ("duration_s", "kind"),
    [
        (0.19, UNSCORED_HOLD),
        (0.2, HOLD),
        (0.2 - 4e-10, HOLD),  # what lies below a nanosecond is rounding
        (0.2 - 2e-9, UNSCORED_HOLD),
        (0.3, HOLD),
        (5.0, HOLD),
        (5.0 + 4e-10, HOLD),
        (5.01, UNSCORED_HOLD),
    ],
)
def test_holds_from_two_tenths_to_five_seconds_are_scored_both_included(duration_s, kind):
    labels = Labels(20.0, (), (Label("hold", 7.1, 7.1 + duration_s),))
    assert labelled_pauses(labels).kind.tolist() == [kind]


def test_the_ends_of_scored_holds_can_be_moved():
    labels = Labels(20.0, (), (Label("hold", 1.0, 1.1), Label("hold", 2.0, 8.0)))
    assert labelled_pauses(labels, shortest_hold_s=0.1, longest_hold_s=6.0).count(HOLD) == 2


def test_the_last_end_of_turn_waits_until_the_end_of_the_added_silence():
    labels = Labels(10.0, (Ipu("user", 1.0, 9.0),), (Label("shift", 9.0, 9.0),))
    marks = labelled_pauses(labels, tail_s=8.0)
    assert marks.end_s[marks.kind == END_OF_TURN].tolist() == [18.0]


def test_the_pause_after_a_turn_lasts_until_the_users_next_sound():
    marks = labelled_pauses(CALL)
    assert marks.end_s[marks.kind == END_OF_TURN].tolist() == [5.0, 15.0]


def test_labels_rounded_to_a_hundredth_still_give_disjoint_intervals():
    """Label files may contradict themselves by 10 ms; every moment still has one meaning."""
    labels = Labels(
        20.0,
        (Ipu("user", 1.0, 2.005), Ipu("user", 2.995, 4.008), Ipu("user", 6.004, 6.3), Ipu("user", 8.0, 9.0)),
        (Label("hold", 2.0, 3.0), Label("shift", 4.0, 5.0), Label("backchannel", 6.0, 6.3)),
    )
    marks = labelled_pauses(labels)
    assert np.all(marks.end_s[:-1] <= marks.start_s[1:])
    assert [PAUSE_NAMES[k] for k in marks.kind] == ["hold", "end_of_turn", "backchannel"]
    backchannel = PAUSE_NAMES.index("backchannel")
    assert marks.end_s[marks.kind == backchannel].tolist() == [8.0]


@given(conversations())
def test_intervals_are_disjoint_and_in_order(labels):
    marks = labelled_pauses(labels, TAIL_S)
    assert np.all(marks.start_s <= marks.end_s)
    assert np.all(marks.end_s[:-1] <= marks.start_s[1:])


def counts_at(times_s, labels: Labels, longest_wait_s: float = 8.0) -> SettingCounts:
    """One setting that commits at these times without a wait."""
    times_s = np.asarray(times_s, dtype=float)
    n = len(times_s)
    column = np.zeros(1, dtype=np.int64)
    decisions = Decisions(
        accepted_s=times_s[:, None],
        rejected_s=times_s[:, None],
        threshold=np.zeros(1),
        accepted=np.ones((n, 1), np.bool_),
        rejected=np.zeros((n, 1), np.bool_),
        level=column,
        min_column=column,
        max_column=column,
        probability=np.full((n, 1), np.nan),
        last_speaking_s=times_s[:, None],
        branch=np.full(n, -1),
    )
    return setting_counts(decisions, labelled_pauses(labels), 0.0, np.array([longest_wait_s]))


def test_an_end_of_turn_may_be_answered_up_to_the_longest_wait():
    found = [
        counts_at([3.5, 13.25], CALL, longest_s).latency_s[:, 0].tolist() for longest_s in (0.5, 0.4, 2.25)
    ]
    assert found == [[0.5, math.inf], [math.inf, math.inf], [0.5, 2.25]]


@pytest.mark.parametrize(
    ("time_s", "holds", "turns", "cut_offs", "backchannels", "latencies_s"),
    [
        (0.9, 0, 0, 0, 0, []),
        (1.0, 0, 0, 0, 0, []),
        (2.0, 1, 1, 0, 0, []),
        (2.5, 0, 0, 0, 0, []),
        (3.0, 0, 0, 0, 0, [0.0]),
        (5.0, 0, 0, 0, 0, []),
        (5.3, 0, 0, 0, 1, []),
        (8.0, 0, 0, 0, 0, []),
        (9.0, 0, 1, 1, 0, []),
        (9.5, 0, 0, 0, 0, []),
        (10.0, 0, 0, 0, 0, []),
        (11.0, 0, 0, 0, 0, [0.0]),
        (15.0, 0, 0, 0, 0, []),
    ],
)
def test_intervals_include_their_start_and_not_their_end(
    time_s, holds, turns, cut_offs, backchannels, latencies_s
):
    found = counts_at([time_s], CALL)
    assert found.holds_cut.tolist() == [holds]
    assert found.turns_cut.tolist() == [turns]
    assert found.cut_offs_cut.tolist() == [cut_offs]
    assert found.backchannels_hit.tolist() == [backchannels]
    assert found.latency_s[np.isfinite(found.latency_s)].tolist() == latencies_s


@pytest.mark.parametrize("n", [3, 127, 128, 256, 512])
def test_a_turn_cut_very_often_counts_once(n):
    """256 hits of one turn must not add up to none in a byte."""
    holds = tuple(Label("hold", float(k), k + 0.9) for k in range(n))
    labels = Labels(n + 10.0, (), (*holds, Label("shift", n + 1.0, n + 1.0)))
    found = counts_at(np.arange(n) + 0.5, labels)
    assert (found.turns_cut[0], found.holds_cut[0]) == (1, n)


# --- percentiles and rates ------------------------------------------------------------------------


def tally_of(latency_s, **counts) -> SettingCounts:
    """A tally of one setting per column of latencies."""
    latency_s = np.asarray(latency_s, dtype=float)
    none = np.zeros(latency_s.shape[1], dtype=np.int64)
    names = [one.name for one in dataclasses.fields(SettingCounts) if one.name != "latency_s"]
    return SettingCounts(**{name: np.asarray(counts.get(name, none)) for name in names}, latency_s=latency_s)


def marks_with(n_holds: int, n_turns: int) -> LabelledPauses:
    start_s = np.arange(n_holds, dtype=float)
    kind = np.full(n_holds, HOLD, dtype=np.int64)
    zeros = np.zeros(n_holds, dtype=np.int64)
    return LabelledPauses(
        start_s, start_s + 0.5, kind, zeros, np.full(n_holds, np.inf), n_turns, np.zeros((0, 2))
    )


@given(
    st.integers(0, 30).flatmap(
        lambda n: st.lists(
            st.lists(st.one_of(st.floats(0, 20), st.just(math.inf)), min_size=n, max_size=n),
            min_size=1,
            max_size=4,
        )
    )
)
def test_a_missed_turn_is_infinite_in_percentiles_and_left_out_of_the_mean(columns):
    latency_s = np.array(columns).T.reshape(-1, len(columns))
    summary = summarize([[tally_of(latency_s)]], [marks_with(0, len(latency_s))])
    for s, column in enumerate(columns):
        seen = [t for t in column if t < math.inf]
        for q in (50, 90, 95):
            expected = naive.percentile(column, q) if column else np.nan
            np.testing.assert_allclose(summary[f"latency_p{q}"][s], expected, rtol=1e-12, atol=1e-12)
            if len(seen) == len(column) > 0:
                np.testing.assert_allclose(expected, np.percentile(column, q), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(summary["latency_mean"][s], np.mean(seen) if seen else np.nan, atol=1e-12)
        np.testing.assert_allclose(summary["longest_wait"][s], max(column, default=np.nan))


def test_a_rate_without_a_denominator_is_not_a_number():
    summary = summarize([[tally_of(np.zeros((0, 2)))]], [marks_with(0, 0)])
    for name in (*RATES, *LATENCIES, "backchannel_rate"):
        assert np.isnan(summary[name]).all(), name
        assert summary[name].shape == (2,)


# --- Pareto frontier ------------------------------------------------------------------------------

figures = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3, math.nan, math.inf]), st.floats(0, 1))


@given(st.lists(st.tuples(figures, figures), max_size=30))
def test_the_frontier_is_that_of_the_double_loop(points):
    rate, latency_s = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    found = pareto_frontier(rate, latency_s)
    assert found.tolist() == naive.pareto(rate.tolist(), latency_s.tolist())
    assert np.all(np.diff(rate[found]) > 0)
    assert np.all(np.diff(latency_s[found]) < 0)


points = st.tuples(
    st.one_of(st.just(math.nan), st.integers(0, 10).map(lambda k: k / 8)),
    st.one_of(st.just(math.nan), st.just(math.inf), st.integers(0, 12).map(lambda k: k / 2)),
)


@given(st.lists(points, max_size=8))
@example([(0.5, 6.0), (1.25, 1.0), (0.25, 2.0)])
def test_the_frontiers_area_is_that_of_the_cells_that_some_setting_beats(points):
    """Cells of an eighth by half a second, up to a rate of 1 and a latency of 5 s."""
    cells = [(k / 8, n / 2) for k in range(8) for n in range(10)]
    beaten = sum(any(rate <= r and latency_s <= s for rate, latency_s in points) for r, s in cells)
    rate, latency_s = np.array(points, dtype=np.float64).reshape(-1, 2).T
    assert hypervolume(rate, latency_s) == beaten / 16


def test_coin_flips_are_the_pairs_of_takes_that_disagree_setting_by_setting():
    """Two calls of 2 and 70 pauses; bits of two words, so that an axis can't be taken for the other."""
    few, many = marks_with(2, 0), marks_with(70, 0)

    def take(*words: tuple[int, int]) -> SettingCounts:
        return tally_of(np.zeros((0, 2)), cut_words=np.array(words, dtype=np.uint64))

    first = [take((0b01, 0b10)), take((0b11, 0b10)), take((0b00, 0b10))]
    second = [take((0, 1), (0, 0)), take((0, 0), (0b111, 0)), take((0, 0), (0b111, 0))]
    flips = summarize([first, second], [few, many])["coin_flips"]
    assert flips.tolist() == [(1 + 1 + 2 + 3 + 3) / (3 * 72), (1 + 1) / (3 * 72)]
    assert np.isnan(summarize([first[:1], second[:1]], [few, many])["coin_flips"]).all()
    # the same of each call by itself: how many holds two takes differ in, on average
    assert [per_recording(first, few, k).flipped for k in (0, 1)] == [4 / 3, 0.0]
    assert [per_recording(second, many, k).flipped for k in (0, 1)] == [2.0, 2 / 3]
    assert np.isnan(per_recording(first[:1], few).flipped)


def test_what_a_recording_tells_of_a_setting_is_the_mean_of_its_takes():
    """Four settings' counts in two takes, all of them different; one hold and one cut-off pause."""
    labelled = labelled_pauses(CALL)
    names = [
        one.name for one in dataclasses.fields(SettingCounts) if one.name not in ("cut_words", "latency_s")
    ]
    takes = [
        tally_of(
            np.array([[0.5, 0.25], [math.inf, 1.0]]) + take / 8,
            cut_words=np.zeros((1, 2), dtype=np.uint64),
            **{name: np.array([k, 10 * k + 4]) + take for k, name in enumerate(names, 1)},
        )
        for take in (0, 1)
    ]
    found = [per_recording(takes, labelled, setting) for setting in (0, 1)]
    for one, scale, more in zip(found, (1, 10), (0.5, 4.5), strict=True):
        means = {name: scale * k + more for k, name in enumerate(names, 1)}
        assert (one.holds, one.turns, one.takes) == (2, 2, 2)
        assert one.holds_cut == means["holds_cut"] + means["cut_offs_cut"]
        assert one.holds_cut_at_most == means["holds_cut"] + 1
        for name in ("turns_cut", "turns_cut_at_most", "timeouts", "in_no_label"):
            assert getattr(one, name) == means[name]
    assert [one.missed for one in found] == [1.0, 0.0]
    assert found[1].latency_s.tolist() == [[0.25, 1.0], [0.375, 1.125]]


def test_the_script_of_a_conversation_gives_every_kind_of_label():
    """The tests above would be idle if the made-up conversations lacked something."""
    labels = labels_of(
        [
            Turn((1.0, 0.5, 0.5), ((0.5, "hold"), (0.8, "cut_off")), reply=3.0, backchannel=True),
            Turn((0.5, 0.5), ((5.5, "hold"),), gap=-0.3),
            Turn((1.0,), (), reply=0.0),
        ]
    )
    marks = labelled_pauses(labels)
    assert {PAUSE_NAMES[k] for k in marks.kind} == set(PAUSE_NAMES)
    assert marks.n_turns == 2
