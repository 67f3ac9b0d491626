"""Latencies of real sessions fitted and put into a provider profile."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_profiles import small_profile
from recording_fixtures import RECORDINGS, one_line
from session_reports import LLM, TRUE, TTS, USER, drawn, log_normal, write_report, write_spans

from lab_utils.core.delays import Z95, Delay
from lab_utils.latency.fitting import LEAST_FIGURES, fit, fit_stage, profile_of, read_figures
from lab_utils.session.providers.files import load_providers, save_providers
from lab_utils.session.providers.schema import Region

BASE = load_providers("guide")
TODAY = datetime.date(2026, 11, 26)


@pytest.mark.slow
def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    p50_s, sigma, runs = 0.6, 0.7, 400
    p95_s = p50_s * math.exp(Z95 * sigma)
    fits = [fit_stage("large.ttft", log_normal(40, p50_s, sigma, seed)) for seed in range(runs)]
    for name, true_s in (("p50_interval_s", p50_s), ("p95_interval_s", p95_s)):
        inside = sum(low <= true_s <= high for low, high in (getattr(one, name) for one in fits))
        assert inside / runs == pytest.approx(0.95, abs=0.035)


@given(p50_s=st.floats(0.01, 5.0), sigma=st.floats(0.02, 0.9), seed=st.integers(0, 1_000))
def test_many_figures_give_the_parameters_back(p50_s: float, sigma: float, seed: int) -> None:
    fitted = fit_stage("large.ttft", log_normal(4_000, p50_s, sigma, seed))
    assert fitted.delay.p50_s == pytest.approx(p50_s, rel=0.08, abs=1e-4)
    assert fitted.sigma == pytest.approx(sigma, rel=0.08)
    low_s, high_s = fitted.p95_interval_s
    assert low_s < math.exp(fitted.mu + Z95 * fitted.sigma) < high_s
    assert fitted.log_normal


@pytest.mark.slow
def test_log_normal_figures_pass_19_times_in_20_and_others_do_not() -> None:
    passed = [fit_stage("x", log_normal(60, 0.5, 0.5, seed)) for seed in range(300)]
    assert np.mean([one.ks <= one.ks_limit for one in passed]) == pytest.approx(0.95, abs=0.035)
    two_humps = np.concatenate((log_normal(60, 0.2, 0.1, 0), log_normal(60, 1.5, 0.1, 1)))
    assert not fit_stage("x", two_humps).log_normal


@given(st.lists(st.floats(1e-3, 60.0), min_size=LEAST_FIGURES, max_size=80))
def test_the_fitted_curve_rises_from_below_the_figures_to_above_them(values: list[float]) -> None:
    fitted = fit_stage("x", np.array(values))
    x, share = fitted.curve()
    assert (np.diff(x) > 0).all()
    assert (np.diff(share) >= 0).all()
    assert x[0] < min(values)
    assert x[-1] > max(values)
    assert 0.0 <= fitted.ks <= 1.0


def test_figures_that_are_all_the_same_are_a_constant() -> None:
    fitted = fit_stage("x", np.full(50, 0.35))
    assert fitted.delay == Delay(0.35)
    assert fitted.log_normal


@pytest.mark.parametrize("n", [0, 1, LEAST_FIGURES - 1])
def test_too_few_figures_are_refused(n: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"has {n} figures, expected at least 30"):
        fit_stage("x", np.full(n, 0.3))
    report = write_report(tmp_path / "report.json", drawn(n))
    with pytest.raises(
        ValueError, match=rf"too few turns to fit: stt\.final {n}, large\.ttft {n},"
    ) as caught:
        fit(read_figures([report], BASE))
    one_line(caught.value)


def test_as_many_as_are_needed_are_enough(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.json", drawn(LEAST_FIGURES))
    stages = fit(read_figures([report], BASE)).stages
    assert [stage.stage for stage in stages] == ["stt.final", "large.ttft", "tts.first_audio"]


def test_a_stage_with_too_few_figures_stays_as_it_was(tmp_path: Path) -> None:
    turns = drawn(40)
    for turn in turns[10:]:
        del turn[TTS]
    fitted = fit(read_figures([write_report(tmp_path / "report.json", turns)], BASE))
    assert fitted.too_few == {"small.ttft": 0, "tts.first_audio": 10}
    profile = profile_of(fitted, BASE, "mine", TODAY)
    assert profile.tts == BASE.tts
    assert profile.stt.final != BASE.stt.final


def test_delays_that_no_caller_would_wait_for_are_refused(tmp_path: Path) -> None:
    turns = [{LLM: seconds} for seconds in [0.01, 60.0] * 20]
    report = write_report(tmp_path / "report.json", turns)
    with pytest.raises(
        ValueError, match=r"large\.ttft: the fitted 95th percentile is \d+ s, expected at most 60"
    ):
        fit(read_figures([report], BASE))


@pytest.mark.parametrize("write", [write_report, write_spans])
def test_reports_and_spans_give_back_what_they_were_made_from(write, tmp_path: Path) -> None:
    for k in range(8):
        write(tmp_path / f"{k}.json", drawn(50, seed=k))
    figures = read_figures([tmp_path], BASE)
    assert len(figures.files) == 8
    fitted = {stage.stage: stage.delay for stage in fit(figures).stages}
    for stage, name in (("stt.final", USER), ("large.ttft", LLM), ("tts.first_audio", TTS)):
        assert fitted[stage].p50_s == pytest.approx(TRUE[name].p50_s, rel=0.1)
        assert fitted[stage].p95_s == pytest.approx(TRUE[name].p95_s, rel=0.15)


def test_the_session_of_a_report_and_its_spans_counts_once(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.json", drawn(40))
    spans = write_spans(tmp_path / "spans.json", drawn(40))
    copy = write_report(tmp_path / "copy" / "report.json", drawn(40))
    figures = read_figures([report, spans, copy, report], BASE)
    assert [len(values) for values in figures.seconds.values()] == [40, 40, 0, 40]
    assert [skipped.path for skipped in figures.skipped] == [spans, copy]
    real = [
        RECORDINGS / "livekit" / "call-17" / "session_report.json",
        RECORDINGS / "otlp" / "call-17.otlp.json",
    ]
    (skipped,) = read_figures(real, BASE).skipped
    assert "same session" in skipped.reason


def test_sessions_of_a_simulation_with_constant_delays_are_not_taken_for_one(tmp_path: Path) -> None:
    constant = [{USER: 0.35, LLM: 0.35, TTS: 0.2}] * 20
    one = write_report(tmp_path / "one.json", constant)
    two = write_report(tmp_path / "two.json", constant, llm="scripted")
    assert len(read_figures([one, two], BASE).files) == 2


def test_delays_of_zero_and_over_a_minute_are_left_out_and_counted(tmp_path: Path) -> None:
    turns = [*drawn(40), {USER: 0.0}, {USER: -0.1}, {LLM: 61.0}]
    figures = read_figures([write_report(tmp_path / "report.json", turns)], BASE)
    assert figures.left_out == {"stt.final": 2, "large.ttft": 1, "small.ttft": 0, "tts.first_audio": 0}
    assert len(figures.seconds["stt.final"]) == 40


@pytest.mark.parametrize("small", ["gpt-4o-mini", "openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18"])
def test_replies_of_the_small_model_go_to_the_small_model(small: str, tmp_path: Path) -> None:
    llms = [small, "gpt-4.1", "gpt-4o-mini-audio"] * 40
    figures = read_figures([write_report(tmp_path / "report.json", drawn(120), llms=llms)], BASE)
    assert len(figures.seconds["small.ttft"]) == 40
    assert figures.models["small.ttft"] == (small,)
    assert figures.models["large.ttft"] == ("gpt-4.1", "gpt-4o-mini-audio")


def test_with_one_model_for_both_all_replies_are_the_large_ones(tmp_path: Path) -> None:
    base = small_profile()
    assert base.small.model == base.large.model
    path = write_report(tmp_path / "report.json", drawn(40), llms=[base.small.model] * 40)
    figures = read_figures([path], base)
    assert (len(figures.seconds["large.ttft"]), len(figures.seconds["small.ttft"])) == (40, 0)


def test_spans_name_their_models_too(tmp_path: Path) -> None:
    figures = read_figures([write_spans(tmp_path / "spans.json", drawn(3), llm="gpt-4o-mini")], BASE)
    assert len(figures.seconds["small.ttft"]) == 3


def test_what_is_no_report_is_skipped_with_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    good = write_report(tmp_path / "good.json", drawn(40))
    cut = tmp_path / "cut.json"
    cut.write_text(good.read_text()[:-20])
    other = tmp_path / "other.json"
    other.write_text('{"a": 1}')
    (tmp_path / "audio.wav").write_bytes(b"")
    figures = read_figures([tmp_path, other], BASE)
    assert figures.files == (good,)
    reasons = {skipped.path.name: skipped.reason for skipped in figures.skipped}
    assert "damaged or cut off" in reasons["cut.json"]
    assert "neither a LiveKit session report" in reasons["other.json"]
    with pytest.raises(ValueError, match=r"none\.json: no such file"):
        read_figures([tmp_path / "none.json"], BASE)


def test_the_profile_is_the_base_with_fitted_stages_and_their_origin(tmp_path: Path) -> None:
    fitted = fit(read_figures([write_report(tmp_path / "report.json", drawn(60), llm="gpt-4.1")], BASE))
    profile = profile_of(fitted, BASE, "mine", TODAY)
    large = {stage.stage: stage for stage in fitted.stages}["large.ttft"]
    assert profile.large.ttft == large.delay
    origin = profile.large.origin_of("ttft")
    assert "1 file, n=60" in origin.source
    assert origin.date == "2026-11-26"
    assert f"{large.ks:.3f}" in origin.note
    assert "gpt-4.1" in origin.note
    assert profile.large.origin_of("input_price") == BASE.large.origin_of("input_price")
    assert BASE.large.prefill_s_per_1k > 0
    assert profile.large.prefill_s_per_1k == 0.0  # it is in the fitted first token
    assert "inside large.ttft" in profile.large.origin_of("prefill_s_per_1k").source
    assert (profile.small, profile.room, profile.tool) == (BASE.small, BASE.room, BASE.tool)
    save_providers(profile, tmp_path / "mine.yaml")
    assert load_providers(tmp_path / "mine.yaml") == profile


def test_a_report_whose_texts_were_left_out_is_read(tmp_path: Path) -> None:
    """As `lab run` writes it without --text: lengths stand where texts stood."""
    path = write_report(tmp_path / "report.json", drawn(40))
    report = json.loads(path.read_text()) | {"agent_name": {"words": 2, "characters": 13}, "tags": ["a"]}
    for item in report["chat_history"]["items"]:
        item["content"] = [{"words": 1, "characters": 3}]
    path.write_text(json.dumps(report))
    assert len(read_figures([path], BASE).seconds["large.ttft"]) == 40


def test_the_network_is_not_counted_twice(tmp_path: Path) -> None:
    regions = {
        "near": Region(round_trip=Delay(0.02, 0.03), origin=BASE.judge.origin),
        "far": Region(round_trip=Delay(0.1, 0.15), origin=BASE.judge.origin),
    }
    base = small_profile(regions=regions)
    fitted = fit(read_figures([write_report(tmp_path / "report.json", drawn(40))], base))
    profile = profile_of(fitted, base, "mine", TODAY)
    assert profile.regions["near"].round_trip == Delay(0.0)
    assert profile.regions["far"].round_trip == Delay(0.08, 0.13)
