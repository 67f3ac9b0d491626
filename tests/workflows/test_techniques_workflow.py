"""What a study of the techniques shows, on tables whose figures are known."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ablation_tables import ablation_of, made_up
from paths import SAMPLES

from lab_utils.latency.ablation.plan import BASELINE, FULL
from lab_utils.latency.joint.computed_replies import Computed
from lab_utils.latency.techniques.choice import NAMES
from lab_utils.workflows.pictures import plot_providers
from lab_utils.workflows.techniques import TechniqueStudy, describe_techniques

pytestmark = pytest.mark.slow

AGENTS = ["none of the twelve", "LiveKit's default", "all twelve"]


@pytest.fixture(scope="module")
def study() -> TechniqueStudy:
    return study_of(*made_up(noise_s=0.0))


def study_of(turns: pd.DataFrame, sessions: pd.DataFrame) -> TechniqueStudy:
    return TechniqueStudy(ablation_of(turns, sessions))


def test_levels_are_those_of_the_three_agents(study):
    levels = study.levels
    assert levels.index.tolist() == AGENTS
    saved = sum(10 * place for place in range(1, 13))
    assert levels["p50"].tolist()[::2] == [2000, 2000 - saved]
    assert (levels["p95"] - levels["after commit p95"]).tolist() == [400, 400, 400]


def test_computed_figures_are_shown_saved_and_left_blank_where_nobody_answers(study, tmp_path):
    columns = pd.MultiIndex.from_product([["LiveKit's default"], ["p50", "p95"]])
    by_stt = pd.DataFrame([[0.5, np.inf]], columns=columns, index=pd.Index(["slow"], name="speech-to-text"))
    with_figures = replace(study, computed=Computed((0.25, 0.75), by_stt, 0.9, 0.2))
    assert with_figures.by_stt.loc["slow"].tolist() == [500, pd.NA]
    assert study.by_stt.empty
    with_figures.save(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert summary == with_figures.summary
    assert summary["cold_caches"] is False
    assert summary["computed"]["floor_p95_s"] == 0.75
    (row,) = summary["computed"]["by_stt"]
    assert row == {"speech-to-text": "slow", "LiveKit's default, p50": 0.5, "LiveKit's default, p95": None}


def test_an_agent_that_never_answered_has_no_latency():
    turns, sessions = made_up()
    turns.loc[turns["configuration"] == BASELINE, ["turn_total_s", "after_commit_s"]] = np.nan
    levels = study_of(turns, sessions).levels
    assert levels["p95"].isna().tolist() == [True, False, False]


def test_what_it_rests_on_tells_of_recordings_without_words(study):
    ablation = study.ablation
    assert "without words" not in ablation.counted
    assert "4 recordings, 1 without words (" in replace(ablation, untranscribed=("b",)).counted


def test_both_views_of_the_headline_by_what_a_turn_needs(study):
    turns = study.ablation.turns.copy()
    of_all = turns["configuration"] == FULL
    turns["tool"] = turns["turn_total_s"] > turns.loc[of_all, "turn_total_s"].median()
    views = TechniqueStudy(replace(study.ablation, turns=turns)).views
    assert views.index.tolist() == AGENTS
    own = turns[of_all]
    quick = own[~own["tool"]]
    short, light = quick[quick["words"] <= 6], quick[quick["answered_by"] == "small"]
    assert 0 < len(short) < len(quick)
    assert 0 < len(light) < len(quick)
    groups = {"all turns": own, "without tools": quick, "… short turns": short, "… light model": light}
    for of, rows in groups.items():
        for since, measure in (("from the end", "turn_total_s"), ("from the commit", "after_commit_s")):
            told = views.loc["all twelve", (of, since, "p95")]
            assert told == round(1000 * float(np.percentile(rows[measure].astype(float), 95)))
    assert views["… light model"].loc[AGENTS[0]].isna().all()  # it has no light model
    assert (views["all turns"]["from the end"] > views["all turns"]["from the commit"]).all(axis=None)


def test_turns_without_waits_have_no_timeout_and_need_no_tool(study):
    turns = study.ablation.turns.copy()
    turns.loc[turns["turn"] == 0, ["commit_s", "turn_total_s"]] = 2.56, 9.0
    turns.loc[turns["tool"], "turn_total_s"] = 9.0
    shown = TechniqueStudy(replace(study.ablation, turns=turns)).without_waits
    assert shown["share of turns"].tolist() == [0.62, 0.62, 0.62]  # 5 of 8
    assert shown.loc["none of the twelve", "p95"] == 2000


def test_where_every_turn_waits_nothing_is_told(study):
    turns = study.ablation.turns.assign(commit_s=9.0)
    shown = TechniqueStudy(replace(study.ablation, turns=turns)).without_waits
    assert shown["p50"].isna().all()


def test_stages_stand_beside_the_guides_figures(study):
    stages = study.stages
    first = ["stt_first_partial_ms", "llm_ttft_ms", "tts_first_audio_ms", "turn_total_ms"]
    assert stages.index[:4].tolist() == first
    assert stages[("the guide", "")].iloc[:4].tolist() == [140, 220, 90, 520]
    assert stages.loc["llm_ttft_ms", ("all twelve", "p95")] == 100
    assert stages.loc["turn_total_ms", ("none of the twelve", "p50")] == 2000


def test_each_technique_and_each_claim_has_its_row(study):
    words = describe_techniques()
    assert [row.split(". ")[1].replace(" ", "_") for row in words.frame["technique"]] == list(NAMES)
    assert ">llm_<wbr>node</code>" in words._repr_html_()
    claims = study.verdicts.frame
    assert len(claims) == len(study.ablation.summary.verdicts)
    assert claims["verdict"].str.startswith(("holds", "doesn't hold here")).all()


def test_pictures_are_drawn_and_saved(study, tmp_path):
    for picture in (study.plot_savings("after_commit_s"), plot_providers("guide")):
        assert picture.png().startswith(b"\x89PNG")
    study.save(tmp_path / "out")
    names = {"turns.parquet", "sessions.parquet", "summary.json", "waterfall.png", "savings.png"}
    names |= {"waterfall-after-commit.png", "savings-after-commit.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


def test_one_call_is_heard_under_both_agents(study, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_CACHE", os.environ.get("LAB_CACHE") or str(tmp_path))
    pair = study.sessions(SAMPLES, number=2)
    assert list(pair.logs) == AGENTS[1:]
    assert pair.recording.name == "03_blocked_card"
    default, stacked = pair.logs.values()
    assert len(default.heard) > 16_000 * pair.recording.duration_s
    assert next(event.time_s for event in default.of_kind("commit")) == pytest.approx(
        next(event.time_s for event in stacked.of_kind("commit")), abs=0.2
    )
    assert default.of_kind("llm_first_token") != stacked.of_kind("llm_first_token")
