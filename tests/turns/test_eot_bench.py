"""eot-bench's policy against a literal loop, and on an example worked by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from synthetic import Turn, conversations, labels_of, probability_of, traced_of

from lab_utils.core.settings import VadSettings
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.core.traces import EotTrace, eot_keys
from lab_utils.turns.eot_bench import (
    ACTION_DELAYS,
    FINE_VAD_DELAYS,
    THRESHOLDS,
    TIES,
    TIMEOUTS,
    counted,
    diagnostics,
    fire_times,
    operating_points,
    outcomes,
    score_grid,
    spans_of,
    vad_baseline,
)
from lab_utils.turns.metrics import pareto_frontier
from lab_utils.turns.replay import find_pauses

pytestmark = pytest.mark.slow

COLUMNS = ["recording", "duration_s", "is_hold", "score_point_s", "p"]
COARSE = {"thresholds": (0.0, 0.3, 0.5, 1.0), "action_delays": (0.2, 0.5, 1.0), "timeouts": (0.4, 1.0, 2.5)}


def table(*rows) -> pd.DataFrame:
    """Rows of (duration, is it a hold, score point or points, p or ps)."""
    return pd.DataFrame([("x", *row) for row in rows], columns=COLUMNS)


# --- the twin ---------------------------------------------------------------------------------------


def scores_of(row) -> list[tuple[float, float]]:
    """(time, p) of a span, in time order."""
    if isinstance(row.p, (list, tuple)):
        return sorted(zip(row.score_point_s, row.p, strict=True))
    return [(row.score_point_s, row.p)]


def slow_fire_time(row, threshold: float) -> float:
    for t, p in scores_of(row):
        if p > threshold:
            return t
    return math.inf


def slow_policy(spans: pd.DataFrame, threshold: float, action_delay: float, timeout: float) -> dict:
    cuts, latencies, timeouts = [], [], []
    for row in spans.itertuples():
        a = max(action_delay, slow_fire_time(row, threshold))
        if not row.is_hold:
            latencies.append(a if a <= timeout + 1e-9 else timeout)
            timeouts.append(not a <= timeout + 1e-9)
        elif 0.2 - 1e-9 <= row.duration_s <= 5.0 + 1e-9:
            cuts.append(row.duration_s > a + 1e-9 or row.duration_s > timeout + 1e-9)

    def mean(values: list) -> float:
        return sum(values) / len(values) if values else math.nan

    return {
        "threshold": threshold,
        "action_delay": action_delay,
        "timeout": timeout,
        "false_cutoff_rate": mean(cuts),
        "mean_latency": mean(latencies),
        "timeout_rate": mean(timeouts),
        "n_holds": len(cuts),
        "n_turns": len(latencies),
    }


def slow_best(rows: list[dict], most: float) -> dict | None:
    """The row within the budget that no other one precedes, by figures that are equal in nine decimals."""
    within = [row for row in rows if row["false_cutoff_rate"] <= most + 1e-9]
    return min(within, key=lambda row: [round(row[name], 9) for name in TIES], default=None)


def slow_auc(turns: list[float], holds: list[float]) -> float:
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in turns for b in holds]
    return sum(wins) / len(wins) if wins else math.nan


def slow_average_precision(turns: list[float], holds: list[float]) -> float:
    if not turns or not holds:
        return math.nan
    total, recall_before = 0.0, 0.0
    for threshold in sorted({*turns, *holds}, reverse=True):
        hits = sum(p >= threshold for p in turns)
        alarms = sum(p >= threshold for p in holds)
        total += (hits / len(turns) - recall_before) * hits / (hits + alarms)
        recall_before = hits / len(turns)
    return total


seconds = st.one_of(
    st.sampled_from([0.1, 0.2, 0.2 - 5e-10, 0.3, 0.5, 0.5 + 5e-10, 1.0, 2.5, 5.0, 5.0 + 5e-10, 5.1]),
    st.floats(0, 6),
)
probabilities = st.one_of(st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0, math.nan]), st.floats(0, 1))
points = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.0 + 5e-10, 1.7, 3.0])


@st.composite
def span_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Spans with one score each, or with streams of scores, or with both kinds."""
    one = st.tuples(points, probabilities)
    stream = st.lists(one, max_size=4).map(lambda rows: ([t for t, _ in rows], [p for _, p in rows]))
    scores = draw(st.sampled_from([one, stream, st.one_of(one, stream)]))
    rows = draw(st.lists(st.tuples(seconds, st.booleans(), scores), max_size=12))
    return table(*((d, is_hold, times, ps) for d, is_hold, (times, ps) in rows))


@given(span_tables())
def test_the_grid_agrees_with_a_literal_loop(spans):
    frame = score_grid(spans, **COARSE)
    policies = [(h, a, t) for h, a, t in product(*COARSE.values()) if t >= a]
    expected = pd.DataFrame([slow_policy(spans, *policy) for policy in policies])
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False, rtol=1e-12)


@given(span_tables(), st.floats(0, 1), st.sampled_from([0.2, 0.5]), st.sampled_from([0.5, 1.0]))
def test_the_outcomes_of_one_policy_add_up_to_its_row(spans, threshold, action_delay, timeout):
    spans = counted(spans)
    one = outcomes(spans, threshold, action_delay, timeout)
    expected = slow_policy(spans, threshold, action_delay, timeout)
    assert one["fire_s"].tolist() == [slow_fire_time(row, threshold) for row in spans.itertuples()]
    is_hold = spans["is_hold"].astype(bool)
    np.testing.assert_allclose(one["cut_off"][is_hold].mean(), expected["false_cutoff_rate"])
    np.testing.assert_allclose(one["latency_s"].mean(), expected["mean_latency"])
    np.testing.assert_allclose(one["timed_out"][~is_hold].mean(), expected["timeout_rate"])
    assert not one["cut_off"][~is_hold].any()
    assert not one["timed_out"][is_hold].any()
    assert one["latency_s"][is_hold].isna().all()


@given(span_tables(), st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=1, unique=True))
def test_operating_points_come_before_every_other_row_within_the_budget(spans, budgets):
    frame = score_grid(spans, **COARSE)
    best = operating_points(frame, budgets)
    assert best.index.tolist() == budgets
    usable = frame.dropna(subset=["false_cutoff_rate", "mean_latency"]).to_dict("records")
    rounded = frame.round({"false_cutoff_rate": 9, "mean_latency": 9})
    front = rounded.iloc[
        pareto_frontier(rounded["false_cutoff_rate"].to_numpy(), rounded["mean_latency"].to_numpy())
    ]
    for most, row in best.iterrows():
        expected = slow_best(usable, most)
        if expected is None:
            assert row.isna().all()
        else:
            assert row.to_dict() == expected
            told = row[["false_cutoff_rate", "mean_latency"]].astype(float).round(9)
            pair = front[["false_cutoff_rate", "mean_latency"]] == told
            assert pair.all(axis=1).any(), "an operating point lies on the frontier"


@given(span_tables())
def test_diagnostics_agree_with_their_definitions(spans):
    found = diagnostics(spans)
    highest: dict[bool, list[float]] = {True: [], False: []}
    for row in counted(spans).itertuples():
        highest[row.is_hold].append(max([p for _, p in scores_of(row) if p == p], default=math.nan))
    holds, turns = ([p for p in highest[kind] if p == p] for kind in (True, False))
    assert found["n_unscored_holds"] == len(highest[True]) - len(holds)
    assert found["n_unscored_turns"] == len(highest[False]) - len(turns)
    np.testing.assert_allclose(found["roc_auc"], slow_auc(turns, holds))
    np.testing.assert_allclose(found["average_precision"], slow_average_precision(turns, holds))
    if turns and holds:
        u = mannwhitneyu(turns, holds, method="exact").statistic
        np.testing.assert_allclose(found["roc_auc"], u / (len(turns) * len(holds)))


@given(span_tables())
def test_silence_alone_is_a_detector_that_always_fires_at_once(spans):
    frame = vad_baseline(spans)
    certain = spans.assign(score_point_s=0.0, p=1.0)
    expected = pd.DataFrame([slow_policy(certain, 0.5, a, a) for a in frame["action_delay"]])
    pd.testing.assert_frame_equal(frame, expected.assign(threshold=np.nan), check_dtype=False, rtol=1e-12)
    assert (frame["action_delay"] == frame["timeout"]).all()


# --- by hand ----------------------------------------------------------------------------------------

# Four holds that count, two that do not (too short, too long), three ends of turn; scored 0.2 s in.
EXAMPLE = table(
    (0.3, True, 0.2, 0.9),
    (0.8, True, 0.2, 0.4),
    (1.2, True, 0.2, 0.1),
    (2.2, True, math.nan, math.nan),
    (0.1, True, 0.1, 1.0),
    (6.0, True, 0.2, 1.0),
    (9.9, False, 0.2, 0.95),
    (9.9, False, 0.2, 0.5),
    (9.9, False, 0.2, 0.2),
)


@pytest.mark.parametrize(
    ("policy", "cut", "latency_s", "timed_out"),
    [
        # The 0.3 s hold fires and acts at 0.4: it is over. 0.8 > 0.4 is cut; 1.2 and 2.2 outlast the timeout.
        # Ends of turn: 0.95 and 0.5 act at 0.4, 0.2 waits for the timeout.
        ((0.3, 0.4, 1.0), 3 / 4, (0.4 + 0.4 + 1.0) / 3, 1 / 3),
        # A longer timeout spares the hold of 1.2 s.
        ((0.3, 0.4, 1.5), 2 / 4, (0.4 + 0.4 + 1.5) / 3, 1 / 3),
        # Only 0.9 and 0.95 fire; 0.3 > 0.2 is cut, and nothing else.
        ((0.6, 0.2, 2.5), 1 / 4, (0.2 + 2.5 + 2.5) / 3, 2 / 3),
        # p must exceed the threshold: 0.2 and 0.4 > 0.4 do not hold. 0.3 > 0.3 is no cutoff.
        ((0.4, 0.3, 2.5), 0 / 4, (0.3 + 0.3 + 2.5) / 3, 1 / 3),
        # Nothing exceeds 1: all wait for the timeout.
        ((1.0, 0.2, 1.0), 2 / 4, 1.0, 1.0),
    ],
)
def test_policies_worked_by_hand(policy, cut, latency_s, timed_out):
    frame = score_grid(EXAMPLE)
    row = frame[(frame[["threshold", "action_delay", "timeout"]] == list(policy)).all(axis=1)].iloc[0]
    assert (row["n_holds"], row["n_turns"]) == (4, 3)
    assert row["false_cutoff_rate"] == cut
    assert row["mean_latency"] == pytest.approx(latency_s, abs=1e-12)
    assert row["timeout_rate"] == pytest.approx(timed_out, abs=1e-12)


def test_operating_points_worked_by_hand():
    """No cutoff: a timeout above 2.2 s, and 0.1 must not fire. Below 0.2 all turns fire, but so does the hold
    of 0.8 s, so the delay must be as long: mean 0.8 s. Above, the third turn waits: (0.3 + 0.3 + 2.5) / 3.
    One cutoff in four: the hold of 0.8 s may be cut, 0.3 s spares the hold of 0.3 s: mean 0.3 s.
    Among equals the shortest timeout and the lowest threshold are taken.
    """
    best = operating_points(score_grid(EXAMPLE), (0.0, 0.02, 0.25))
    names = ["threshold", "action_delay", "timeout", "false_cutoff_rate", "timeout_rate"]
    assert best[names].to_numpy().tolist() == [
        [0.1, 0.8, 2.5, 0.0, 0.0],
        [0.1, 0.8, 2.5, 0.0, 0.0],
        [0.1, 0.3, 2.5, 0.25, 0.0],
    ]
    np.testing.assert_allclose(best["mean_latency"], [0.8, 0.8, 0.3])


def test_ties_break_in_the_order_that_eot_bench_states():
    """Each row is worse than the next one in one column and better in all that come after it."""
    order = ["mean_latency", "false_cutoff_rate", "timeout_rate", "timeout", "action_delay", "threshold"]
    rows = [[0.0] * k + [0.1] + [-0.1] * (5 - k) for k in range(6)] + [[0.0] * 6]
    frame = pd.DataFrame(rows, columns=order)
    for n in range(7, 0, -1):
        assert operating_points(frame.tail(n), (1.0,))[order].to_numpy().tolist() == [[0.0] * 6]


def test_the_baseline_worked_by_hand():
    frame = vad_baseline(EXAMPLE).set_index("action_delay")
    rates = {0.2: 1.0, 0.3: 0.75, 0.8: 0.5, 1.0: 0.5, 1.5: 0.25, 2.5: 0.0}
    assert {delay: frame.loc[delay, "false_cutoff_rate"] for delay in rates} == rates
    assert operating_points(vad_baseline(EXAMPLE))["action_delay"].tolist() == [2.5] * 3
    fine = operating_points(vad_baseline(EXAMPLE, FINE_VAD_DELAYS), (0.0, 0.25))
    assert fine["action_delay"].tolist() == [2.2, 1.2], "a hold of 2.2 s is over at 2.2 s"


def test_diagnostics_worked_by_hand():
    """Of 3 x 3 pairs, 0.95 wins 3, 0.5 wins 2, 0.2 wins 1. Precision at the three hits: 1/1, 2/3, 3/5."""
    found = diagnostics(EXAMPLE)
    assert found["roc_auc"] == pytest.approx(6 / 9)
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert (found["n_unscored_holds"], found["n_unscored_turns"]) == (1, 0)


def test_a_stream_fires_at_the_first_score_above_the_threshold_even_if_it_falls_again():
    stream = table((9.0, False, [0.6, 0.0, 0.3], [0.2, 0.4, 0.9]))
    assert fire_times(stream, [0.1, 0.4, 0.89, 0.9]).ravel().tolist() == [0.0, 0.3, 0.3, math.inf]
    assert outcomes(stream, 0.4, 0.5, 1.0)["latency_s"].tolist() == [0.5]


def test_the_default_grid_is_eot_benchs():
    assert (len(THRESHOLDS), THRESHOLDS[0], THRESHOLDS[57], THRESHOLDS[-1]) == (101, 0.0, 0.57, 1.0)
    assert ACTION_DELAYS == (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert TIMEOUTS == (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
    assert len(score_grid(EXAMPLE)) == 101 * 9 * 6


def test_a_timeout_below_the_action_delay_is_no_policy():
    frame = score_grid(EXAMPLE, (0.5,), (0.5, 1.0, 1.5), (1.0,))
    assert frame["action_delay"].tolist() == [0.5, 1.0]


def test_limits_of_holds_can_be_moved():
    assert score_grid(EXAMPLE, limits_s=(0.1, 6.0))["n_holds"].unique().tolist() == [6]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (EXAMPLE.drop(columns="p"), r"lacks \['p'\]"),
        (table((1.0, True, 0.2, 87.0)), "87.*per cent, or logits"),
        (table((1.0, True, [0.2, 0.3], [0.5])), "equally many"),
        (table((1.0, True, math.nan, 0.5)), "when did the detector give it"),
    ],
)
def test_slips_in_a_table_of_spans_are_named(spans, message):
    with pytest.raises(ValueError, match=message):
        score_grid(spans)


# --- from traces ------------------------------------------------------------------------------------


def heard_in(pauses, keep=lambda k: True) -> EotTrace:
    """The stand-in detector's predictions with the full buffer, of some pauses."""
    ends = np.array([s for k, s in enumerate(pauses.predict_sample) if s > 0 and keep(k)], dtype=np.int64)
    starts = np.maximum(ends - 19_200, 0)
    p = np.array([probability_of(int(a), int(b)) for a, b in zip(starts, ends, strict=True)])
    order = np.argsort(eot_keys(starts, ends))
    return EotTrace(starts[order], ends[order], p[order])


def slow_spans(recording, pauses, kept: set[int], offset_s: float) -> list[dict]:
    rows = []
    for label in recording.labels.labels:
        if label.kind not in ("hold", "shift"):
            continue
        end_s = label.end_s
        if label.kind == "shift":
            starts = [ipu.start_s for ipu in recording.labels.ipus if ipu.speaker == "user"]
            later = [start_s for start_s in starts if start_s >= label.start_s]
            end_s = min(later, default=recording.labels.duration_s + recording.tail_s)
        row = {"start_s": label.start_s, "is_hold": label.kind == "hold", "duration_s": end_s - label.start_s}
        row |= {"score_point_s": math.nan, "p": math.nan}
        for k, sample in enumerate(pauses.predict_sample):
            asked_s = sample / SAMPLE_RATE_HZ - offset_s
            if sample > 0 and label.start_s <= asked_s < end_s:
                row["score_point_s"] = asked_s - label.start_s
                if k in kept:
                    row["p"] = probability_of(max(int(sample) - 19_200, 0), int(sample))
                break
        rows.append(row)
    return rows


@given(
    conversations(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 170]),
    st.sampled_from([0.1, 0.25, 0.55]),
    st.integers(1, 3),
)
def test_spans_of_a_trace_agree_with_a_literal_search(labels, seed, phase, min_silence_s, every):
    recording = traced_of(labels, seed=seed, offsets=(phase,))
    vad = VadSettings(min_silence_duration=min_silence_s)
    pauses = find_pauses(recording.vad["livekit"][0], vad, 800)
    kept = {k for k in range(len(pauses)) if k % every == 0}
    offset_s = phase / SAMPLE_RATE_HZ
    frame = spans_of(recording, pauses, heard_in(pauses, kept.__contains__), offset_s)
    expected = slow_spans(recording, pauses, kept, offset_s)
    assert set(COLUMNS) <= set(frame)
    assert (frame["recording"] == "x").all()
    for name in ("start_s", "is_hold", "duration_s", "score_point_s", "p"):
        np.testing.assert_array_equal(frame[name], [row[name] for row in expected], err_msg=name)


def test_a_clear_call_is_scored_a_quarter_of_a_second_into_each_silence():
    """Speech decays for 60 ms; then come 0.2 s of counted silence and one window of 32 ms more."""
    recording = traced_of(labels_of([Turn((1.0, 1.0), ((0.8, "hold"),))]), noise=0.0)
    pauses = find_pauses(recording.vad["livekit"][0], VadSettings(), 800)
    spans = spans_of(recording, pauses, heard_in(pauses), 0.0)
    assert spans["is_hold"].tolist() == [True, False]
    np.testing.assert_allclose(spans["duration_s"][0], 0.8)
    assert spans["score_point_s"].between(0.25, 0.40).all()
    assert spans["p"].notna().all()
    assert score_grid(spans)["n_holds"].unique().tolist() == [1]

    unheard = spans_of(recording, pauses, EotTrace(), 0.0)
    assert unheard["score_point_s"].equals(spans["score_point_s"]), "asked for, but not in the trace"
    found = diagnostics(unheard)
    assert (found["n_unscored_holds"], found["n_unscored_turns"]) == (1, 1)
    assert (score_grid(unheard)["timeout_rate"] == 1.0).all()


def test_a_vad_that_is_too_quick_to_ask_leaves_every_span_unscored():
    recording = traced_of(labels_of([Turn((1.0, 1.0), ((0.8, "hold"),))]), noise=0.0)
    pauses = find_pauses(recording.vad["livekit"][0], VadSettings(min_silence_duration=0.1), 800)
    spans = spans_of(recording, pauses, EotTrace(), 0.0)
    assert len(spans) == 2
    assert spans[["score_point_s", "p"]].isna().all(axis=None)
