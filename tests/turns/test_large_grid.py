"""Grids too large for a table: scored threshold by threshold to the last bit, chosen from as from a table."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLES
from synthetic import Turn, complete, labels_of, traced_of

import lab_utils as lab
from lab_utils.core.errors import InputError
from lab_utils.core.knobs import KNOBS
from lab_utils.core.settings import Conditions
from lab_utils.turns import grid as grids
from lab_utils.turns import sweep
from lab_utils.turns.choose import MOST_MISSED, Budget, choose_or_nearest, frontier
from lab_utils.turns.folds import subsets_of
from lab_utils.turns.grid import large
from lab_utils.turns.grid.large import Best, LargeGrid, Stairs, best_settings
from lab_utils.turns.held_out import held_out
from lab_utils.turns.metrics import HOLD, LATENCIES, UNSCORED_HOLD, by_threshold
from lab_utils.turns.metrics.by_threshold import Take, can_share, figures_by_threshold
from lab_utils.turns.replay import blocks_of
from lab_utils.workflows.study import reopen_study, write_report

GRID = {
    "detector": ["vad", "v1-mini"],
    "min_silence_duration": [0.25, 0.4],
    "min_delay": [0.0, 0.3, 0.6, 0.9, 1.4],
    "max_delay": [0.8, 1.2, 1.8, 2.5, 3.6, 6.0],
    "unlikely_threshold": [0.2, 0.35, 0.5, 0.65, 0.8],
}
EARLY = Conditions(transcription_delay=0.0)


def corpus_of(recordings: int, conditions: Conditions = EARLY) -> sweep.Corpus:
    """Calls with holds, branches, and ends that are predicted anew soon after a commit."""
    table, _ = grids.expand(GRID)
    blocks = [block for _, block in blocks_of(table, conditions, len(table))]
    calls = []
    for k in range(recordings):
        rng = np.random.default_rng(k)
        turns = [
            Turn(
                tuple(rng.uniform(0.3, 1.4, 3).round(2)),
                ((round(rng.uniform(0.25, 0.9), 2), "hold"), (round(rng.uniform(0.3, 1.2), 2), "hold")),
                0.6,
                2.0,
                rest=0.6,
            )
            for _ in range(6)
        ]
        call = complete(traced_of(labels_of(turns), offsets=(0, 128), tail_s=10.0, noise=0.01), blocks)
        calls.append(replace(call, name=f"call-{k}", sha256=f"{k:064x}"))
    return sweep.Corpus.of(calls)


@pytest.fixture(scope="module")
def corpora() -> dict[int, sweep.Corpus]:
    return {n: corpus_of(n) for n in (1, 3)}


@pytest.fixture
def always(monkeypatch) -> None:
    """Small blocks are scored threshold by threshold, too."""
    monkeypatch.setattr(by_threshold, "LEAST_SHARED", 0)
    monkeypatch.setattr(by_threshold, "LEAST_BY_THRESHOLD", 0)


def waits(max_delay):
    """Such that some answers come too late."""
    return np.where(max_delay > 2.0, 8.0, 1.5)


@pytest.mark.parametrize("recordings", [1, 3])
def test_figures_by_threshold_are_those_of_each_setting_to_the_last_bit(
    corpora, always, recordings, monkeypatch
) -> None:
    monkeypatch.setattr(sweep, "longest_wait_s", waits)
    corpus = corpora[recordings]
    table, _ = grids.expand(GRID)
    _, subsets = subsets_of(recordings)
    scored = sweep.score_table(corpus, table, EARLY, subsets, quiet=True)
    shared = 0
    for rows, block in blocks_of(table, EARLY, len(table)):
        pauses = corpus.pauses(block.vad, EARLY.frame_duration)
        takes = [Take(r, one, corpus.labelled[r], s) for r, _, one, s in corpus.decisions(block, pauses)]
        assert can_share(takes)
        shared += sum(bool(len(take.decisions.shortened)) for take in takes)
        for places, figures in figures_by_threshold(takes, waits(block.max_delay), subsets):
            for whole, own in zip(scored, figures, strict=True):
                expected = whole.iloc[rows[places]].reset_index(drop=True)
                pd.testing.assert_frame_equal(pd.DataFrame(own)[list(expected)], expected, check_exact=True)
    assert shared  # some pauses hang on both delays
    assert scored[0]["coin_flips"].gt(0).any()
    assert scored[0]["missed_rate"].nunique() > 1


def every_budget() -> list[Budget]:
    """Of the rate and of each latency."""
    of_rate = [Budget.false_boundary_rate(most, name) for most in np.linspace(0, 1, 11) for name in LATENCIES]
    return of_rate + [
        Budget(name, float(most), "false_boundary_rate")
        for most in np.linspace(0.2, 4, 8)
        for name in LATENCIES
    ]


def choices(result: sweep.Sweep) -> list[pd.Series]:
    """What all kinds of budgets choose on all recordings and without each fold, and the frontiers."""
    rows = []
    budgets = every_budget()
    for metrics in (result.table[result.table.columns.difference(KNOBS)], *result.without):
        table = pd.concat([result.table[list(KNOBS)], metrics], axis=1)
        rows += [table.iloc[choose_or_nearest(table, budget)] for budget in budgets]
        rows += [table.iloc[row] for name in LATENCIES for row in frontier(table, name)]
    return rows


@pytest.mark.parametrize("recordings", [1, 3])
@pytest.mark.parametrize("by", ["threshold", "setting"])
def test_all_budgets_choose_as_from_all_settings(corpora, monkeypatch, recordings, by) -> None:
    monkeypatch.setattr(by_threshold, "LEAST_SHARED", 0 if by == "threshold" else 1_000_000)
    monkeypatch.setattr(by_threshold, "LEAST_BY_THRESHOLD", 0)
    monkeypatch.setattr(large, "AT_ONCE", 70)
    for module in (large, sweep):
        monkeypatch.setattr(module, "longest_wait_s", waits)
    corpus, (table, impossible) = corpora[recordings], grids.expand(GRID)
    of_grid = LargeGrid.of(GRID)
    assert (of_grid.settings, of_grid.impossible) == (len(table), impossible)
    kept = best_settings(corpus, of_grid, EARLY, quiet=True)
    assert len(kept) < len(table) / 2
    every, best = (sweep.sweep(corpus, one, EARLY, quiet=True) for one in (table, kept))
    assert every.table["missed_rate"].min() <= MOST_MISSED < every.table["missed_rate"].max()
    for one, other in zip(choices(every), choices(best), strict=True):
        pd.testing.assert_series_equal(one, other, check_names=False)


@pytest.mark.parametrize("missed", [(0.0, 0.01, 0.2), (0.01, 0.1, 0.2, 0.3), (0.1, 0.2, 0.3, 1.0), (1.0,)])
def test_what_is_kept_of_any_figures_has_what_budgets_choose(missed) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = 60
        table = pd.DataFrame({"missed_rate": rng.choice(missed, n)})
        silent = table["missed_rate"] == 1.0
        answered = 1 - table["missed_rate"].mask(silent, 0.0)  # those that answer seldom look better
        table["false_boundary_rate"] = rng.integers(0, 6, n) / 6 * answered
        for name in LATENCIES:
            table[name] = rng.choice([0.3, 0.8, 1.3, 2.1, 3.0, np.inf], n) * answered
        table["latency_mean"] = table["latency_mean"].replace(np.inf, 3.5).mask(silent)
        table.loc[silent, ["latency_p50", "latency_p90", "latency_p95"]] = np.inf
        parts = [Best(), Best(), Best()]
        order = rng.permutation(n) if seed % 2 else table["missed_rate"].argsort().to_numpy()[::-1]
        for some in np.split(order, [5, 20, 30, 45]):
            figures = {name: table[name].to_numpy()[some] for name in table}
            parts[rng.integers(3)].add(some, figures)
        best = Best()
        for part in parts:
            best.join(part)
        kept = table.iloc[best.numbers]
        for budget in every_budget()[seed::20]:
            chosen = kept.index[choose_or_nearest(kept.reset_index(drop=True), budget)]
            assert chosen == choose_or_nearest(table, budget), (seed, budget)


def test_without_holds_the_first_setting_is_held_out_as_from_all() -> None:
    corpus = corpus_of(2)
    labelled = corpus.labelled[0]
    of_fold = replace(labelled, kind=np.where(labelled.kind == HOLD, UNSCORED_HOLD, labelled.kind))
    corpus = replace(corpus, labelled=(of_fold, corpus.labelled[1]))
    slowest_first = {name: values[::-1] for name, values in GRID.items()}
    table, _ = grids.expand(slowest_first)
    kept = best_settings(corpus, LargeGrid.of(slowest_first), EARLY, quiet=True)
    every, best = (sweep.sweep(corpus, one, EARLY, quiet=True) for one in (table, kept))
    assert every.without[1]["false_boundary_rate"].isna().all()
    budget = Budget.false_boundary_rate(0.3)
    pd.testing.assert_frame_equal(*(held_out(corpus, one, budget, EARLY) for one in (every, best)))


def test_where_no_setting_answers_often_enough_those_count_that_answer_most(corpora, monkeypatch) -> None:
    monkeypatch.setattr(large, "MOST_MISSED", -1.0)
    corpus, (table, _) = corpora[1], grids.expand(GRID)
    kept = best_settings(corpus, LargeGrid.of(GRID), EARLY, quiet=True)
    every, best = (sweep.sweep(corpus, one, EARLY, quiet=True).table for one in (table, kept))
    assert best["missed_rate"].min() == every["missed_rate"].min()
    strict = Budget.false_boundary_rate(0.3, most_missed=-0.5)
    rows = [one.iloc[choose_or_nearest(one, strict)] for one in (every, best)]
    pd.testing.assert_series_equal(*rows, check_names=False)


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_no_value_in_a_large_grid_is_refused_by_name(nothing) -> None:
    with pytest.raises(grids.BadGrid, match="min_delay has a value that is none"):
        LargeGrid.of({**GRID, "min_delay": [0.3, nothing]})


def test_a_large_grid_lists_settings_as_a_table_does() -> None:
    table, _ = grids.expand(GRID)
    of_grid = LargeGrid.of(GRID)
    numbers = np.concatenate([of for part in of_grid.parts for of, _ in part.blocks(EARLY)])
    assert len(numbers) == len(np.unique(numbers)) == len(table)
    pd.testing.assert_frame_equal(of_grid.table(numbers), table)


def test_stairs_keep_what_nothing_before_beats() -> None:
    rng = np.random.default_rng(0)
    limit, keys = (
        rng.integers(0, 6, 300) / 6,
        np.stack((rng.integers(0, 5, 300), np.arange(300))).astype(float),
    )
    stairs = Stairs()
    for some in np.split(np.arange(300), [100, 101, 250]):
        stairs.add(some, limit, list(keys))
    beaten = [
        any(limit[j] <= limit[k] and tuple(keys[:, j]) < tuple(keys[:, k]) for j in range(300))
        for k in range(300)
    ]
    assert sorted(stairs.keys[-1].astype(int).tolist()) == np.flatnonzero(~np.array(beaten)).tolist()


@pytest.mark.parametrize(
    ("knob", "value", "match"),
    [
        ("unlikely_threshold", {"de": 0.3}, "by language can't stand in so large a grid"),
        ("wait_shape", "linear", "waits by policy can't stand in so large a grid"),
        ("extra_delay_asked", 0.5, "waits by policy"),
    ],
)
def test_what_a_large_grid_may_not_vary_is_told(knob, value, match) -> None:
    with pytest.raises(grids.BadGrid, match=match):
        LargeGrid.of({**GRID, "detector": ["v1-mini"], knob: [value]})


@pytest.mark.slow
def test_a_study_of_a_large_grid_keeps_the_best_and_says_of_how_many(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "1")
    small = {name: grids.DEFAULT_GRID[name][:4] for name in ("min_delay", "max_delay", "unlikely_threshold")}
    how = {"grid": small, "cache": tmp_path / "cache", "quiet": True, "jobs": 1}
    call = SAMPLES / "calls" / "demo" / "13_savings_account.flac"
    every = lab.measure(call, **how)
    monkeypatch.setattr(grids, "MOST_SETTINGS", 10)
    study = lab.measure(call, **how)
    assert study.tried == len(every.table) > len(study.table)
    budget = Budget.false_boundary_rate(0.1)
    choice = study.choose(budget, nearest=True)
    assert choice.settings == every.choose(budget, nearest=True).settings
    with pytest.raises(InputError, match=r"so large a grid .* sweep a smaller grid for a guarantee"):
        study.choose(budget, guarantee=0.9)
    for other in (replace(budget, most_missed=0.1), Budget("latency_p95", 1.0, "latency_mean")):
        with pytest.raises(InputError, match=r"best by .* missed_rate <= 0.02; choose so, or sweep"):
            study.choose(other)
    swept = every.sweep(small, jobs=1, cache=tmp_path / "cache")
    pd.testing.assert_frame_equal(swept.table, study.table)
    assert swept.tried == study.tried
    summary = write_report(study, choice, tmp_path / "out", "x", dt.date(2026, 1, 1))
    assert (summary["settings"], summary["kept_settings"]) == (study.tried, len(study.table))
    reopen = partial(reopen_study, tmp_path / "out", cache=tmp_path / "cache", quiet=True, jobs=1)
    assumed_s = study.conditions.transcription_delay
    assert reopen().tried == reopen(transcription_delay=assumed_s).tried == study.tried
    with pytest.raises(ValueError, match=r"best of .* under other delays .* run 'lab sweep' again"):
        reopen(transcription_delay=assumed_s + 0.1)
    shown = {text.get_text() for text in study.plot_tradeoff(choice).axes[0].get_legend().get_texts()}
    assert any(text.startswith(f"best of {study.tried:,} settings") for text in shown)
