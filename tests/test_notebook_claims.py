"""What the notebooks say of the samples, asserted: the notebooks themselves assert nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from paths import SAMPLES
from test_notebooks import samples_cache

import lab_utils as lab
from lab_utils import plots
from lab_utils.recordings.labels.accuracy import label_accuracy
from lab_utils.recordings.labels.file import read_labels
from lab_utils.turns.choose import NoneWithinBudget, choose

__all__ = ["samples_cache"]  # a fixture
pytestmark = pytest.mark.slow

BUDGET = lab.Budget.false_boundary_rate(0.10)
PROFILE = lab.Settings.from_knobs(
    {"min_silence_duration": 0.3, "min_delay": 0.8, "max_delay": 1.6, "unlikely_threshold": 0.5}
)


def test_01_the_detector_answers_sooner_on_average_than_silence_alone_and_later_at_worst(
    samples_cache: Path,
) -> None:
    study = lab.measure(SAMPLES / "calls" / "demo", cache=samples_cache, quiet=True)
    in_grid = study.table[study.table["detector"] == "vad"]
    assert not BUDGET.met(in_grid).any()
    with pytest.raises(NoneWithinBudget, match=r"the least in this grid is 0\.\d+"):
        choose(in_grid, BUDGET)
    ax = plots.tradeoff_figure(
        study.table, [], defaults=study.score(study.defaults), counts=study.counts
    ).axes[0]
    drawn = next(line for line in ax.lines if line.get_label() == "best with VAD alone")
    assert min(drawn.get_ydata()) == pytest.approx(100 * in_grid["false_boundary_rate"].min())

    longer = {"detector": ["vad"], "min_delay": [tenths / 10 for tenths in range(2, 31)]}
    silence = study.sweep(longer, cache=samples_cache)
    without, chosen = (one.choose(BUDGET) for one in (silence, study))
    assert without.settings.endpointing.min_delay == 1.8
    assert (chosen.settings.endpointing.min_delay, chosen.settings.endpointing.max_delay) == (1.2, 4.0)
    detects, waits = study.table.loc[chosen.row], silence.table.loc[without.row]
    assert 1 / 9.5 < detects["timeout_rate"] < 1 / 8.5
    assert max(detects["false_boundary_rate"], waits["false_boundary_rate"]) <= 0.10
    assert detects["latency_mean"] < waits["latency_mean"]
    assert detects["latency_p95"] > waits["latency_p95"]


def test_02_the_profile_breaks_fewer_turns_and_answers_later(samples_cache: Path) -> None:
    call = lab.load(SAMPLES / "02_lost_parcel.flac", cache=samples_cache)
    settings = {"defaults": lab.Settings(), "profile": PROFILE}
    tape = lab.compare(call, settings, cache=samples_cache, quiet=True)
    live = lab.compare(call, settings, mode="reactive", cache=samples_cache, quiet=True)
    assert len(tape.agreement)
    assert tape.agreement["agrees"].all()
    for ran in (tape, live):
        defaults, profile = ran.scores.to_dict("records")
        assert defaults["false boundaries"] > profile["false boundaries"]
        assert defaults["of these, heard"] >= profile["of these, heard"]
        assert defaults["e2e p50 (s)"] <= profile["e2e p50 (s)"]


def test_03_estimated_labels_are_good_enough_to_choose_by(samples_cache: Path, tmp_path: Path) -> None:
    names = ["01_table_booking", "11_phone_contract"]
    for name in names:
        shutil.copy(SAMPLES / f"{name}.flac", tmp_path)
    assert "skipped" not in lab.transcribe(tmp_path, cache=samples_cache, quiet=True)
    pairs = [
        (read_labels(tmp_path / f"{name}.labels.json"), read_labels(SAMPLES / f"{name}.labels.json"))
        for name in names
    ]
    accuracy = label_accuracy(pairs)
    assert accuracy["right"].sum() / accuracy[["true", "found"]].max(axis=1).sum() > 0.9
    grid = {
        "detector": ["vad", "v1-mini"],
        "min_silence_duration": [0.3, 0.55],
        "min_delay": [0.3, 0.5, 0.8, 1.2],
        "max_delay": [1.2, 1.6, 2.5],
        "unlikely_threshold": [0.25, 0.36, 0.5],
    }
    tables = [
        lab.measure(paths, grid=grid, phases=2, cache=samples_cache, quiet=True).table
        for paths in (tmp_path, [SAMPLES / f"{name}.flac" for name in names])
    ]
    figures = ["false_boundary_rate", "latency_mean"]
    assert ((tables[0][figures] - tables[1][figures]).abs().max() < 0.05).all()


def test_05_each_step_from_none_to_all_twelve_is_faster(samples_cache: Path) -> None:
    found = lab.techniques(SAMPLES / "calls" / "demo", turns=16, cache=samples_cache, quiet=True)
    latency = found.without_waits
    for name in ("p50", "p95"):
        none, default, every = latency[name].tolist()
        assert none > default > every


def test_06_only_words_let_the_agent_talk_through_backchannels(samples_cache: Path) -> None:
    grid = {"min_duration": [0.1, 0.5, 1.5], "min_words": [0, 2]}
    found = lab.barge_in(SAMPLES / "calls" / "demo", grid=grid, phases=1, cache=samples_cache, quiet=True)
    assert found.counts == {"recordings": 12, "interruptions": 23, "sounds": 16}
    without = found.table[found.table["min_words"] == 0]
    assert (without["stopped_for_good_rate"] == 1).all()  # whatever min_duration is
    choice = found.choose()
    assert choice.interruption.min_words == 2
    default, chosen = (frame["value"] for frame in (choice.defaults, choice.chosen))
    assert chosen["falsely_stopped_rate"] <= 0.1
    assert default["yield_mean"] < chosen["yield_mean"] < default["yield_mean"] + 0.8
