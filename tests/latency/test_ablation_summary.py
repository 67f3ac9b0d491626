"""Percentiles, savings and verdicts, on tables whose savings are known by construction."""

import numpy as np
import pandas as pd
import pytest
from ablation_tables import BASE_S, COMMIT_S, RECORDINGS, SEEDS, TURNS, made_up
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.latency.ablation.estimates import (
    NONE,
    Estimate,
    Estimator,
    expanded_percentiles,
)
from lab_utils.latency.ablation.guide.claims import LevelClaim, SavingClaim
from lab_utils.latency.ablation.guide.verdicts import Level, Saved, judge_level, judge_saving, judge_share
from lab_utils.latency.ablation.plan import BASELINE, DEFAULT, FULL, alone, configurations
from lab_utils.latency.ablation.summary import alone_and_left_out, summarize, waterfall
from lab_utils.latency.ablation.turns import TURN_COLUMNS, table
from lab_utils.latency.techniques.choice import NAMES
from lab_utils.turns.metrics import weighted_percentile
from lab_utils.turns.metrics.uncertainty import percentile_interval

N = len(RECORDINGS) * SEEDS * TURNS
CHANCE = 0.02
"""What 200 studies may miss a coverage by."""
SAVES_S = [place / 100 for place in range(1, 13)]


@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12),
    data=st.data(),
    q=st.sampled_from([0, 5, 50, 90, 95, 100]),
)
def test_weighted_percentile_is_that_of_the_repeated_values(values, data, q):
    weights = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values))))[
        None, :
    ]
    found = weighted_percentile(np.array(values), weights, q)[0]
    repeated = np.repeat(values, weights[0])
    if len(repeated):
        assert found == pytest.approx(np.percentile(repeated, q), abs=1e-6)
    else:
        assert np.isnan(found)


def test_a_percentile_has_the_interval_of_all_other_figures():
    names = np.repeat([f"call {n}" for n in range(9)], 5)
    values = np.random.default_rng(4).lognormal(size=45)
    values[7] = np.nan
    each = [part[np.isfinite(part)] for part in values.reshape(9, 5)]
    expected = percentile_interval(each, [1.0] * 9, 50)
    found = Estimator.of(names).percentile(values, 50)
    assert (found.low, found.high) == (expected.low, expected.high)


def test_a_saving_is_bounded_by_whole_recordings_drawn_again():
    rng = np.random.default_rng(5)
    names, before, after = np.repeat([f"call {n}" for n in range(9)], 5), rng.random(45), rng.random(45)
    estimator = Estimator.of(names, seed=3, resamples=50)
    rows = [np.repeat(np.arange(45).reshape(9, 5), times, axis=0).ravel() for times in estimator.drawn]
    slow = [np.median(before[row]) - np.median(after[row]) for row in rows]
    rests_on = (before >= np.median(before)) | (after >= np.median(after))
    outer = expanded_percentiles(rests_on.reshape(9, 5).sum(axis=1).astype(float))
    found = estimator.saved_at(before, after, 50)
    assert (found.low, found.high) == pytest.approx(np.percentile(slow, outer))


def test_a_saving_is_not_told_where_its_percentiles_are_not():
    names, before = np.repeat([f"call {n}" for n in range(6)], 10), np.arange(60.0)
    found = Estimator.of(names).saved_at(before, 0.7 * before, 95)
    assert found.value == pytest.approx(0.3 * np.percentile(before, 95))
    assert np.isnan([found.low, found.high]).all()


def test_fewer_than_three_recordings_have_figures_but_no_intervals():
    estimator = Estimator.of(np.array(["a", "a", "b"]))
    before, after = np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 8.0])
    for found, value in (
        (estimator.percentile(before, 50), 2),
        (estimator.saved_at(before, after, 50), 1),
        (estimator.saved_mean(before, after), 2 / 3),
    ):
        assert found.value == pytest.approx(value)
        assert np.isnan([found.low, found.high]).all()


def test_where_few_calls_cannot_tell_how_slow_the_slowest_turns_are_the_upper_limit_is_open():
    found = Estimator.of(np.repeat(["a", "b", "c", "d"], 10)).percentile(np.arange(40.0), 95)
    assert np.isfinite(found.low)
    assert np.isnan(found.high)


@pytest.mark.slow
@pytest.mark.parametrize(("q", "calls"), [(50, 8), (95, 15)])
def test_intervals_of_savings_contain_the_truth_as_often_as_they_say(q, calls):
    """A technique that takes 30 % off each turn, in calls that differ from each other."""

    def draw(rng: np.random.Generator, calls: int):
        of = np.repeat(np.arange(calls), 10)
        before = np.exp(rng.normal(0, 0.25, calls)[of] + rng.normal(0, 0.45, len(of)))
        return of.astype(str), before, 0.7 * before

    _, before, after = draw(np.random.default_rng(0), 20_000)
    truth = np.percentile(before, q) - np.percentile(after, q)
    rng, told, held = np.random.default_rng(1), 0, 0
    for study in range(200):
        names, before, after = draw(rng, calls)
        found = Estimator.of(names, study, resamples=400).saved_at(before, after, q)
        told += np.isfinite(found.low)
        held += found.low <= truth <= found.high
    assert told > 100
    assert held >= (0.93 - CHANCE) * told


def test_saving_counts_only_turns_answered_in_both():
    before, after = np.array([100.0, 500.0, np.nan, 300.0]), np.array([90.0, np.nan, 10.0, 290.0])
    estimator = Estimator.of(np.array(["a", "a", "b", "b"]))
    assert estimator.saved_mean(before, after).value == 10
    assert estimator.saved_at(before, after, 50).value == 10
    assert estimator.saved_mean(before[:2], np.full(2, np.nan)) == NONE


@pytest.mark.slow
def test_a_saving_common_to_all_turns_is_certain_however_much_turns_differ():
    summary = summarize(*made_up(noise_s=0.4, recordings=tuple("abcdefghijklmnop")))
    of = summary.savings.set_index(["technique", "view", "measure", "on"])
    for name, expected in zip(NAMES, SAVES_S, strict=True):
        for view in ("alone", "left out", "stacked"):
            row = of.loc[(name, view, "turn_total_s", "all")]
            for figure in ("saved_p50", "saved_p95", "saved_mean"):
                assert row[figure] == pytest.approx(expected)
                assert row[f"{figure}_low"] == pytest.approx(expected)
                assert row[f"{figure}_high"] == pytest.approx(expected)
            assert row["turns"] == 4 * N
            assert row["affected"] == 1


@pytest.mark.slow
def test_own_turns_of_a_technique_are_those_where_it_acts():
    of = summarize(*made_up()).savings.set_index(["technique", "view", "measure", "on"])["turns"]
    share = {name: int(of[name, "alone", "turn_total_s", "its"]) * TURNS // N for name in NAMES}
    assert share["streaming_stt"] == TURNS
    assert share["kv_cache_reuse"] == TURNS - 1
    assert share["tts_warmup"] == share["audio_prebuffering"] == 1
    assert share["semantic_cache"] == share["model_routing"] == share["tool_prefetch"] == TURNS // 4


@pytest.mark.slow
def test_latency_says_how_many_turns_were_not_answered():
    turns, sessions = made_up()
    silent = (turns["configuration"] == FULL) & (turns["turn"] == 0)
    turns.loc[silent, ["turn_total_s", "after_commit_s"]] = np.nan
    latency = summarize(turns, sessions).latency.set_index(["configuration", "measure"])
    row = latency.loc[(FULL, "turn_total_s")]
    assert (row["turns"], row["answered"]) == (N, N - N // TURNS)
    assert latency.loc[(BASELINE, "turn_total_s"), "answered"] == N
    assert latency.loc[(FULL, "commit_s"), "p50"] == COMMIT_S


@pytest.mark.slow
def test_costs_are_per_thousand_turns():
    turns, sessions = made_up()
    sessions.loc[sessions.index[0], "failure"] = "it broke"
    costs = summarize(turns, sessions).costs.set_index("configuration")
    assert costs.loc[FULL, "llm_calls"] == pytest.approx(2 / TURNS * 1000)
    assert costs.loc[FULL, "dollars"] == pytest.approx(0.01 / TURNS * 1000)
    assert costs.loc[FULL, "discarded_share"] == pytest.approx(2 / TURNS)
    assert (costs.loc[BASELINE, "failed"], costs.loc[FULL, "failed"]) == (1, 0)
    assert costs.loc[FULL, "sessions"] == len(RECORDINGS) * SEEDS


@pytest.mark.slow
def test_summary_is_the_same_whatever_the_order_of_rows():
    turns, sessions = made_up()
    one, other = summarize(turns, sessions), summarize(_reversed(turns), sessions)
    pd.testing.assert_frame_equal(one.savings, other.savings)
    assert one.verdicts == other.verdicts


def _reversed(turns: pd.DataFrame) -> pd.DataFrame:
    """The rows of each configuration in reverse order."""
    return pd.concat([part[::-1] for _, part in turns.groupby("configuration", sort=False)])


def test_no_turns_are_refused():
    _, sessions = made_up()
    with pytest.raises(ValueError, match="labelled end of turn"):
        summarize(table([], TURN_COLUMNS), sessions)


@pytest.mark.slow
def test_waterfall_goes_from_none_to_all_and_ends_with_livekits_default():
    steps = waterfall(summarize(*made_up(noise_s=0)))
    assert list(steps["name"]) == ["none of the twelve", *NAMES, DEFAULT]
    assert steps["p95"].iloc[0] == BASE_S
    assert steps["p95"].iloc[-2] == pytest.approx(BASE_S - sum(SAVES_S))
    np.testing.assert_allclose(-np.diff(steps["p95"])[:-1], steps["saved_p95"][1:-1])
    assert steps["saved_p95"].isna().tolist() == [True] + [False] * 12 + [True]


@pytest.mark.slow
def test_alone_and_left_out_has_each_technique_once():
    frame = alone_and_left_out(summarize(*made_up(noise_s=0)))
    assert list(frame["technique"]) == list(NAMES)
    assert frame["alone_p95"].tolist() == pytest.approx(frame["left_out_p50"].tolist())


@pytest.mark.slow
@pytest.mark.parametrize("table", [waterfall, alone_and_left_out])
def test_a_measure_that_was_not_summarized_is_named_with_those_that_were(table):
    summary = summarize(*made_up(noise_s=0))
    with pytest.raises(ValueError, match="is 'turn_total_ms'; expected 'turn_total_s' or 'after_commit_s'"):
        table(summary, "turn_total_ms")


# --- verdicts -----------------------------------------------------------------------------------------

CLAIM = SavingClaim("model_routing", 0.1, 0.3, 21)


def saved(p95: float, p50: float = 0.0, mean: float = 0.0, turns: int = 10, affected: float = 1.0) -> Saved:
    return Saved(
        *(Estimate(x, x - 0.005, x + 0.005) for x in (p95, p50, mean)), turns=turns, affected=affected
    )


def judged(alone: Saved, left_out: Saved, its: Saved, claim=CLAIM, **stages: float):
    rows = {
        ("alone", "all"): alone,
        ("left out", "all"): left_out,
        ("alone", "its"): its,
        ("left out", "its"): its,
    }
    return judge_saving(claim, rows, {"llm_ttft_s": 0.0} | stages)


def test_saving_that_reaches_the_claim_both_ways_holds():
    assert judged(saved(0.15), saved(0.12), saved(0.15)).verdict == "holds"
    more = judged(saved(0.45), saved(0.35), saved(0.45))
    assert (more.verdict, more.reason) == ("holds", "more than claimed")
    assert more.words == "holds, more than claimed"


def test_saving_that_reaches_it_one_way_holds_only_then():
    assert judged(saved(0.15), saved(0.02), saved(0.15)).reason == "the other techniques are off"
    one = judged(saved(0.02), saved(0.15), saved(0.02))
    assert (one.verdict, one.reason) == ("holds only if", "the other techniques are on")
    assert one.words == "holds only if the other techniques are on"


def test_saving_where_the_technique_acts_holds_only_there():
    found = judged(saved(0.01, turns=40), saved(0.005, turns=40), saved(0.2, turns=10))
    assert found.verdict == "holds only if"
    assert "only at turns that the small model answers (25% of the turns): 200" in found.reason


def test_saving_of_the_typical_turn_only():
    assert "the typical turn" in judged(saved(0.01, p50=0.12), saved(0.005), saved(0.02)).reason


def test_saving_hidden_behind_the_wait_says_so():
    found = judged(saved(0.01, mean=0.008), saved(0.005), saved(0.02), llm_ttft_s=0.14)
    assert found.verdict == "doesn't hold here"
    assert "the first token comes 140 ms sooner" in found.reason
    assert "8 [3, 13] ms of it" in found.reason


def test_technique_that_never_acts_or_changes_nothing_says_so():
    assert (
        "there are no turns that the small model answers"
        in judged(saved(0.001), saved(0.001), saved(0, turns=0)).reason
    )
    assert "changes no turn" in judged(saved(0, affected=0.0), saved(0), saved(0)).reason
    claim = SavingClaim("tts_warmup", 0.05, 0.15, 25, on_its_turns=True)
    rows = {(view, on): saved(0, affected=0.0) for view in ("alone", "left out") for on in ("all", "its")}
    stages = {"tts_first_audio_s": 0.0}
    assert "greeting" in judge_saving(claim, rows, stages, greeted=True).reason
    assert "greeting" not in judge_saving(claim, rows, stages).reason
    assert "30% of the turns" in judged(saved(0.009, affected=0.3), saved(0), saved(0.009)).reason


def test_claim_about_certain_turns_is_judged_on_them():
    claim = SavingClaim("semantic_cache", 0.4, 0.8, 27, on_its_turns=True)
    found = judged(saved(0), saved(0), saved(0.5), claim=claim)
    assert (found.verdict, found.claim) == ("holds", "saves 400 to 800 ms at p95 on hits")


def test_verdict_is_uncertain_where_the_interval_holds_the_limit():
    assert judged(saved(0.15), saved(0.12), saved(0.15)).certain
    assert not judged(saved(0.102), saved(0.12), saved(0.15)).certain


def test_unmeasured_saving_doesnt_hold():
    nothing = Saved(NONE, NONE, NONE, 0, float("nan"))
    assert judged(nothing, nothing, nothing).verdict == "doesn't hold here"


@given(alone=st.floats(-1, 1), left_out=st.floats(-1, 1), its=st.floats(-1, 1))
def test_every_saving_gets_one_verdict_and_holds_only_with_the_figures_for_it(alone, left_out, its):
    found = judged(saved(alone), saved(left_out), saved(its))
    assert (found.verdict == "holds") == (min(alone, left_out) >= CLAIM.low_s)
    assert found.verdict == "holds" or found.reason


LEVEL = LevelClaim("all twelve", FULL, 0.5, 0.65, 31)


def level(total: float, after_commit: float, without_tool: float | None = None) -> Level:
    without_tool = after_commit if without_tool is None else without_tool
    figures = (total, after_commit, total - after_commit, without_tool)
    return Level(*(Estimate(x, x - 0.005, x + 0.005) for x in figures), turns=10)


def test_range_holds_within_or_below():
    assert judge_level(LEVEL, level(0.6, 0.2)).verdict == "holds"
    assert judge_level(LEVEL, level(0.4, 0.2)).reason == "faster than claimed"


def test_range_reached_after_the_commit_holds_only_counted_so():
    found = judge_level(LEVEL, level(1.6, 0.6))
    assert found.verdict == "holds only if"
    assert "the wait until the commit alone is 1000 [995, 1005] ms" in found.reason
    assert judge_level(LEVEL, level(1.6, 0.9)).verdict == "doesn't hold here"
    without_tool = judge_level(LEVEL, level(1.6, 0.9, 0.6))
    assert without_tool.verdict == "holds only if"
    assert "no turns that need the tool" in without_tool.reason


def test_range_without_turns_says_so():
    assert "no such turns" in judge_level(LEVEL, Level(NONE, NONE, NONE, NONE, 0)).reason
    assert "no such turns" in judge_level(LEVEL, Level(NONE, NONE, NONE, NONE, 10)).reason
    assert "no such turns" in judge_level(LEVEL, level(0.6, 0.2)._replace(turns=0)).reason


def test_share_holds_up_to_its_limit():
    assert judge_share("discarded", 0.05, [0.05, 0.05], 0.05, 528).verdict == "holds"
    assert judge_share("discarded", 0.2, [0.1, 0.3], 0.05, 528).verdict == "doesn't hold here"


def test_a_share_is_certain_where_every_recording_says_the_same():
    assert judge_share("discarded", 0.2, [0.1, 0.3], 0.05, 528).certain
    assert not judge_share("discarded", 0.2, [0.0, 0.4], 0.05, 528).certain
    assert not judge_share("discarded", 0.2, [0.2], 0.05, 528).certain


def exactly(value: float, low: float | None = None, high: float | None = None) -> Saved:
    """A saving at p95 with this interval; all else saves nothing."""
    interval = Estimate(value, value if low is None else low, value if high is None else high)
    return Saved(interval, Estimate(0, 0, 0), Estimate(0, 0, 0), 100, 0.5)


def test_a_saving_of_exactly_the_claims_lower_end_reaches_it_and_one_of_a_hair_less_does_not():
    at, below = exactly(CLAIM.low_s), exactly(np.nextafter(CLAIM.low_s, 0))
    assert judged(at, at, at).verdict == "holds"
    assert judged(at, below, at).reason == "the other techniques are off"
    assert judged(below, at, at).reason == "the other techniques are on"
    assert judged(below, below, at).verdict == "holds only if"
    assert judged(below, below, below).verdict == "doesn't hold here"


def test_a_saving_of_exactly_the_claims_upper_end_is_not_more_than_claimed():
    at, above = exactly(CLAIM.high_s), exactly(np.nextafter(CLAIM.high_s, np.inf))
    assert judged(at, at, at).reason == ""
    assert judged(at, above, at).reason == ""
    assert judged(above, above, above).reason == "more than claimed"


def test_a_stage_that_saves_exactly_as_much_hides_behind_the_wait():
    nothing = saved(0)
    assert "sooner" in judged(nothing, nothing, nothing, llm_ttft_s=CLAIM.low_s).reason
    assert "sooner" not in judged(nothing, nothing, nothing, llm_ttft_s=CLAIM.low_s - 1e-5).reason


def test_a_verdict_is_certain_unless_its_interval_holds_the_limit_or_is_unknown():
    low = CLAIM.low_s
    for interval, certain in (
        ((low, low + 0.009), True),  # the limit itself belongs to those that reach it
        ((np.nextafter(low, 0), low + 0.009), False),
        ((low - 0.009, low), False),
        ((low - 0.009, np.nextafter(low, 0)), True),
        ((np.nan, np.nan), False),
        ((low, np.nan), True),  # open above: no lower than the limit
        ((np.nan, np.nextafter(low, 0)), True),
        ((low - 0.009, np.nan), False),
        ((np.nan, low + 0.009), False),
    ):
        one = exactly(low + 0.001, *interval)
        assert judged(one, one, one).certain is certain, interval
        assert judged(one, exactly(low + 0.001), one).certain is certain, interval


def test_an_interval_is_told_as_far_as_it_is_known():
    told = [
        judged(one, one, one).measured.removeprefix("alone ").split(", left out ")[0]
        for one in (
            exactly(0.2, 0.1, 0.3),
            exactly(0.2, 0.1, np.nan),
            exactly(0.2, np.nan, 0.3),
            exactly(0.2, np.nan, np.nan),
        )
    ]
    assert told == ["200 [100, 300] ms", "200 [100, –] ms", "200 [–, 300] ms", "200 ms"]


def test_range_holds_up_to_its_upper_end_and_is_faster_below_its_lower_one():
    at_low, at_high = judge_level(LEVEL, level(0.5, 0.2)), judge_level(LEVEL, level(0.65, 0.2))
    assert [(one.verdict, one.reason) for one in (at_low, at_high)] == [("holds", ""), ("holds", "")]
    after = judge_level(LEVEL, level(np.nextafter(0.65, 0.999), 0.65))
    assert after.verdict == "holds only if"
    assert after.reason.startswith("one counts from the commit: the wait")
    assert judge_level(LEVEL, level(0.9, np.nextafter(0.65, 0.999), 0.65)).verdict == "holds only if"
    assert judge_level(LEVEL, level(0.9, np.nextafter(0.65, 0.999))).verdict == "doesn't hold here"


def test_a_share_above_its_limit_by_a_hair_does_not_hold_and_says_why():
    at, above = 0.05, float(np.nextafter(0.05, 1))
    held, broken = (judge_share("discarded", x, [x, x], at, 528) for x in (at, above))
    assert (held.verdict, held.reason, held.certain) == ("holds", "", True)
    assert (broken.verdict, broken.certain) == ("doesn't hold here", True)
    assert broken.reason.startswith("because every pause inside a turn")
    assert not judge_share("discarded", at, [at, above], at, 528).certain
    assert judge_share("discarded", at, [at, 0.0], at, 528).certain
    assert (held.claim, held.measured, held.line) == ("at most 5% of the turns", "5.0%", 528)


@pytest.mark.slow
def test_verdicts_cover_every_claim():
    verdicts = summarize(*made_up()).verdicts
    assert [one.subject for one in verdicts[:12]] == list(NAMES)
    assert len(verdicts) == 12 + 3 + 2


# --- plan ---------------------------------------------------------------------------------------------


def test_configurations_are_38_and_42_with_mistakes():
    chosen = configurations(automatic_cache=False)
    assert len(chosen) == 38
    assert len(configurations(automatic_cache=False, mistakes=True)) == 42
    assert chosen[BASELINE].on == ()
    assert chosen[FULL].on == NAMES
    assert all(chosen[alone(name)].on == (name,) for name in NAMES)
    assert "prefix_caching" not in chosen[DEFAULT].on
    assert "prefix_caching" in configurations(automatic_cache=True)[DEFAULT].on
