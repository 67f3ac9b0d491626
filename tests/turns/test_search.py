"""Searches: what they propose, how they go on where they ended, and on what their settings are judged."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial
from synthetic import Turn, labels_of, traced_of

from lab_utils.turns.choose import Budget
from lab_utils.turns.folds import folds_of_parts
from lab_utils.turns.grid import BadGrid, expand, is_possible
from lab_utils.turns.guarantee import certify, split
from lab_utils.turns.held_out import candidates, held_out
from lab_utils.turns.metrics import hypervolume
from lab_utils.turns.origins import BY_EACH, Origins
from lab_utils.turns.search import Objectives, Range, Space, parts_of, scouts
from lab_utils.turns.search.neighbours import BEST, neighbours
from lab_utils.turns.search.proposals import Proposals
from lab_utils.turns.sweep import Corpus, sweep

GRID = {
    "vad": ["livekit", "silero"],
    "detector": ["vad", "v1-mini"],
    "endpointing_mode": ["fixed", "dynamic"],
    "min_silence_duration": [0.25, 0.9],
    "min_delay": [0.0, 3.0],
    "max_delay": [0.5, 4.0],
    "unlikely_threshold": [0.1, 0.6],
}


def metrics_of(table: pd.DataFrame) -> pd.DataFrame:
    """Figures that follow from the knobs by a formula: the longer the wait, the fewer the cuts."""
    wait_s = table["min_delay"] + 0.3 * table["max_delay"].fillna(table["min_delay"])
    rate = np.exp(-2 * wait_s) * np.where(table["detector"] == "vad", 1.0, 0.6)
    return pd.DataFrame(
        {
            "false_boundary_rate": rate,
            "latency_mean": wait_s.where(wait_s < 3.5, np.inf),
            "missed_rate": (wait_s > 3).astype(float),
        }
    )


def searched(search: Proposals, batches: int, size: int = 12) -> list[tuple]:
    for _ in range(batches):
        table = search.ask(size)
        search.tell(table, metrics_of(table))
    return search.keys


# --- what is proposed -------------------------------------------------------------------------------


def test_a_space_goes_from_the_least_to_the_greatest_value() -> None:
    space = Space.of(
        {**GRID, "min_delay": [0.5, 0.2, 0.4], "max_delay": [2.0], "activation_threshold": [0.5]}
    )
    assert space.knobs["min_delay"] == Range(0.2, 0.5, 0.01)
    assert space.knobs["min_silence_duration"] == Range(0.25, 0.9, 0.032)
    assert space.knobs["max_delay"] == (2.0,)
    assert space.knobs["vad"] == ("livekit", "silero")
    assert space.corners["max_delay"].max() == 2.0
    assert len(space.corners) == 8


def test_thresholds_by_language_are_chosen_among() -> None:
    space = Space.of({"unlikely_threshold": [{"de": 0.3}, 0.4]})
    table = Proposals(space).ask(5)
    assert {str(value) for value in table["unlikely_threshold"]} == {"de 0.3", "0.4"}
    assert len(table) == 2  # there are no others


def test_shapes_of_the_wait_are_chosen_among(tmp_path: Path) -> None:
    space = Space.of({**GRID, "detector": ["v1-mini"], "wait_shape": [None, "linear", [[0, 1], [0.5, 0]]]})
    for table in (Proposals(space, storage=tmp_path / "search.jsonl").ask(30), space.corners):
        assert is_possible(table).all()
        assert table.loc[table["endpointing_mode"] == "dynamic", "wait_shape"].isna().all()
    proposed = Proposals(space).ask(30)["wait_shape"]
    assert {str(shape) for shape in proposed.dropna()} == {"linear", "0: 1, 0.5: 0"}
    assert proposed.isna().any()


def test_idle_knobs_are_not_proposed() -> None:
    space = Space.of({**GRID, "detector": ["vad"], "endpointing_mode": ["fixed"]})
    asked: list[str] = []
    space.propose(
        lambda name, among: asked.append(name) or (among.low if isinstance(among, Range) else among[0])
    )
    assert asked == ["vad", "detector", "endpointing_mode", "min_silence_duration", "min_delay"]


def test_all_knobs_are_crossed_whatever_is_idle_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """NSGA-II crosses what all trials have; a setting counts once, whatever its idle knobs were drawn as."""
    crossed: list[set[str]] = []
    infer = NSGAIISampler.infer_relative_search_space

    def watched(self: NSGAIISampler, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        found = infer(self, study, trial)
        crossed.append(set(found))
        return found

    monkeypatch.setattr(NSGAIISampler, "infer_relative_search_space", watched)
    search = Proposals(Space.of(GRID).beginning(12, seed=0), seed=1)
    keys = searched(search, 3)
    plain = [row for row in search.rows if row["detector"] == "vad" and row["endpointing_mode"] == "fixed"]
    assert plain
    assert pd.DataFrame(plain)["max_delay"].isna().all()
    assert crossed[-1] == set(GRID)
    assert len(keys) == len(set(keys)) == 36


def test_a_search_goes_on_from_trials_without_idle_knobs(tmp_path: Path) -> None:
    """As they were kept before knobs that are idle were drawn."""
    storage = tmp_path / "search.jsonl"
    stored = Proposals(Space.of(GRID), storage=storage)
    keys = searched(stored, 1)
    lines = [json.loads(line) for line in storage.read_text("utf-8").splitlines()]
    for line in lines:
        if line.get("params", {}).get("detector") == GRID["detector"].index("vad"):
            del line["params"]["unlikely_threshold"], line["distributions"]["unlikely_threshold"]
    storage.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    again = Proposals(Space.of(GRID), storage=storage)
    assert again.keys == keys
    assert len(searched(again, 1)) == 24


def test_searches_begin_in_the_middle_where_livekit_has_no_default() -> None:
    space = Space.of({"deactivation_threshold": [0.2, 0.4], "min_delay": [0.0, 1.0]})
    starts = space.beginning_along("min_delay", 2).starts
    assert [start["deactivation_threshold"] for start in starts] == [0.3, 0.3]
    assert is_possible(space.table(starts)).all()


def test_a_space_without_a_possible_setting_is_refused() -> None:
    with pytest.raises(BadGrid, match="AgentSession accepts no setting of this space"):
        _ = Space.of({"detector": ["v1-mini"], "min_silence_duration": [0.1]}).corners


def test_what_is_proposed_is_possible_new_and_within_the_space() -> None:
    search = Proposals(Space.of(GRID))
    keys = searched(search, 3, 20)
    table = pd.DataFrame(search.rows)
    assert len(keys) == len(set(keys)) == len(search) == 60
    assert is_possible(table).all()
    assert table["min_delay"].between(0, 3).all()
    assert table["max_delay"].dropna().between(0.5, 4).all()
    steps = (table["min_silence_duration"] - 0.25) / 0.032
    np.testing.assert_allclose(steps, steps.round(), atol=1e-3)


def test_what_searches_begin_with_is_the_grids_own_and_no_recordings() -> None:
    """Corners among it; each setting once, possible, and as likely as any other."""
    grid = {**GRID, "min_delay": [0.0, 1.0, 2.0, 3.0], "unlikely_threshold": [0.1, 0.3, 0.6]}
    space = Space.of(grid)
    start = space.beginning(60, seed=2).starts
    table = space.table(start)
    assert len(start) == len(table.drop_duplicates()) == 60
    assert is_possible(table).all()
    for name in ("min_delay", "unlikely_threshold", "max_delay"):
        assert set(table[name].dropna()) <= set(grid[name])
    assert table["min_delay"].isin([1.0, 2.0]).any()
    corner = table["min_delay"].isin([0.0, 3.0]) & table["unlikely_threshold"].isin([0.1, 0.6, np.nan])
    assert corner.sum() > 30
    assert table["detector"].eq("vad").mean() < 0.4, "few of all settings are without a threshold"
    assert space.beginning(20, seed=2).starts == start[:20]
    assert space.beginning(60, seed=3).starts != start
    few = Space.of({"detector": ["vad"], "min_delay": [0.3, 0.32]})
    assert len(few.beginning(10, seed=0).starts) == 2


def test_searches_begin_alike_and_go_on_each_in_its_way(tmp_path: Path) -> None:
    """Also where one is interrupted before it is through with what it begins with."""
    space, storage = Space.of(GRID).beginning(30, seed=0), tmp_path / "search.jsonl"
    mine, other = (searched(Proposals(space, seed=seed), 4) for seed in (0, 1))
    assert mine[:30] == other[:30]
    assert not set(mine[30:]) & set(other[30:])
    searched(Proposals(space, seed=0, storage=storage), 1)
    again = Proposals(space, seed=0, storage=storage)
    assert searched(again, 3) == mine


def test_the_ends_of_a_range_are_proposed() -> None:
    """Where a hundredth of the width is a step, 5 % and more are the least or the greatest value."""
    search = Proposals(Space.of({"detector": ["v1-mini"], "min_delay": [0.0, 1.0], "max_delay": [1.0, 2.0]}))
    proposed = search.ask(100)
    for name, ends in (("min_delay", (0.0, 1.0)), ("max_delay", (1.0, 2.0))):
        assert proposed[name].between(*ends).all()
        assert proposed[name].isin(ends).mean() > 0.05


def test_a_small_space_ends() -> None:
    search = Proposals(Space.of({"detector": ["vad"], "min_delay": [0.3, 0.32]}))
    assert len(searched(search, 1)) == 3
    assert not len(search.ask(12))


def test_a_search_does_better_than_chance() -> None:
    """Of the formula's figures: what it proposes later is on their frontier more often than what it drew."""
    search = Proposals(Space.of(GRID), seed=1)
    searched(search, 4, 24)
    table = pd.DataFrame(search.rows)
    unbeaten = table["detector"].eq("v1-mini") & metrics_of(table)["missed_rate"].eq(0)
    assert unbeaten[24:].mean() > 1.5 * unbeaten[:24].mean()


def test_starting_points_come_first_each_once_also_if_a_search_goes_on(tmp_path: Path) -> None:
    space = Space(Space.of({**GRID, "wait_shape": [None, "late"]}).knobs, ("fast",))
    space = space.beginning_along("min_delay", 3)
    few = Proposals(space, storage=tmp_path / "search.jsonl")
    begun = few.ask(5)
    few.tell(begun, metrics_of(begun))
    goes_on = Proposals(space, storage=tmp_path / "search.jsonl").ask(30)
    table = pd.concat([begun, goes_on], ignore_index=True)
    starts = table[table["fast"] & table["min_delay"].isin([0.0, 1.5, 3.0])].head(len(space.starts))
    assert starts.index.tolist() == list(range(len(starts)))
    assert len(starts) >= 16
    for vad, detector in product(GRID["vad"], GRID["detector"]):
        of_both = starts[(starts["vad"] == vad) & (starts["detector"] == detector)]
        assert {0.0, 1.5} <= set(of_both["min_delay"])
    assert starts["wait_shape"].isna().all()
    assert (starts["min_silence_duration"] == 0.25).all()


def test_what_must_hold_is_searched_for() -> None:
    """With a limit of false boundaries more of what is proposed keeps it."""

    def kept(limits: tuple[tuple[str, float], ...]) -> int:
        search = Proposals(Space.of(GRID), Objectives(limits=limits), seed=1)
        searched(search, 4, 30)
        return int((metrics_of(pd.DataFrame(search.rows))["false_boundary_rate"] <= 0.05).sum())

    assert kept((("false_boundary_rate", 0.05),)) > kept(())


def test_steps_from_the_best_come_closer_to_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least latency within the limits, where switches are chosen too."""
    limit = (("false_boundary_rate", 0.05),)

    def least() -> float:
        space = Space(Space.of(GRID).knobs, ("fast",)).beginning_along("min_delay", 3)
        search = Proposals(space, Objectives(limits=limit), seed=2)
        searched(search, 6, 24)
        metrics = metrics_of(pd.DataFrame(search.rows))
        return float(metrics["latency_mean"][metrics["false_boundary_rate"] <= 0.05].min())

    stepping = least()
    monkeypatch.setattr("lab_utils.turns.search.proposals.neighbours", lambda *_: [])
    best_s = -np.log(0.05 / 0.6) / 2  # by the formula of `metrics_of`
    assert stepping - best_s < 0.5 * (least() - best_s)
    assert stepping >= best_s


def test_steps_are_from_the_best_of_each_detector_within_the_space() -> None:
    space = Space(Space.of(GRID).knobs, ("fast",)).beginning_along("min_delay", 4)
    search = Proposals(space, Objectives(limits=(("missed_rate", 0.1),)), seed=2)
    searched(search, 3, 24)
    trials = search._complete
    found = neighbours(trials, 200, np.random.default_rng(0))
    best = sorted(trials, key=lambda one: (max(0.0, one.constraints["missed_rate"]), one.values[1]))
    bounds = trials[0].distributions["min_delay"]
    for detector in ('"vad"', '"v1-mini"'):
        known = [one.params["min_delay"] for one in best if one.params["detector"] == detector][:BEST]
        stepped = [one["min_delay"] for one in found if one["detector"] == detector]
        assert len(stepped) > 40
        kept = [value for value in stepped if value in known]
        assert 0.4 < len(kept) / len(stepped) < 0.8  # the others were moved
        assert all(bounds.low <= value <= bounds.high for value in stepped)


def test_scouts_keep_the_limits_with_waits_that_chance_does_not_find() -> None:
    """And are what a search with switches then begins with."""
    asked: list[pd.DataFrame] = []

    def score(table: pd.DataFrame) -> pd.DataFrame:
        asked.append(table)
        metrics = metrics_of(table)
        tail_s = metrics["latency_mean"] + (table["min_silence_duration"].to_numpy() - 0.5) ** 2
        return metrics.assign(latency_p50=metrics["latency_mean"], latency_p95=tail_s)

    space = Space(Space.of(GRID).knobs, ("fast",))
    limits = (("false_boundary_rate", 0.05), ("e2e_p50", 1.0))  # a replay doesn't tell the second one
    found = scouts(space, Objectives(limits=limits), score, 400, 3, 1)
    assert sum(len(table) for table in asked) <= 400
    assert len(asked) == 4
    answers = iter([False, True])
    scouts(space, Objectives(), score, 400, 3, 1, lambda: next(answers))
    assert len(asked.pop()) <= 100, "the time is over after one generation"
    assert len(asked) == 4
    by_chance, all_of_them = score(asked[0]), pd.concat([score(table) for table in asked[:4]])
    kept = by_chance[by_chance["false_boundary_rate"] <= 0.05]
    search = Proposals(space)
    search.begin_with(found)
    begun = search.ask(len(found))
    assert begun["fast"].all()
    waits = score(begun)
    assert (waits["false_boundary_rate"] <= 0.05).all()
    within = all_of_them[all_of_them["false_boundary_rate"] <= 0.05]
    assert waits["latency_p95"][0] == within["latency_p95"].min()
    best_s = -np.log(0.05 / 0.6) / 2  # by the formula of `metrics_of`
    assert waits["latency_p95"][0] - best_s < 0.5 * (kept["latency_p95"].min() - best_s)
    assert found == scouts(space, Objectives(limits=limits), score, 400, 3, 1)


def test_scouts_go_on_after_a_generation_that_agentsession_refuses() -> None:
    """Without one that it accepts they find nothing."""
    tables: list[pd.DataFrame] = []

    def score(table: pd.DataFrame) -> pd.DataFrame:
        assert len(table)
        tables.append(table)
        metrics = metrics_of(table)
        return metrics.assign(latency_p50=metrics["latency_mean"], latency_p95=metrics["latency_mean"])

    refused = Space.of({"detector": ["v1-mini"], "min_silence_duration": [0.1]})
    assert scouts(refused, Objectives(), score, 8, 3, 0) == []
    assert not tables
    half = Space.of({"detector": ["v1-mini"], "min_silence_duration": [0.1, 0.5], "min_delay": [0.0, 1.0]})
    assert scouts(half, Objectives(), score, 4, 3, 2)  # one setting a generation; the first is refused
    assert len(tables) < 4


# --- the same again, and on from where it ended -----------------------------------------------------


def test_a_seed_gives_the_same_settings_also_if_the_search_is_interrupted(tmp_path: Path) -> None:
    through = searched(Proposals(Space.of(GRID), seed=3), 3, 24)
    storage = tmp_path / "search.jsonl"
    first = Proposals(Space.of(GRID), seed=3, storage=storage)
    searched(first, 1, 24)
    first.ask(24)  # and ends here
    again = Proposals(Space.of(GRID), seed=3, storage=storage)
    assert again.keys == through[:24]
    assert searched(again, 2, 24) == through
    assert searched(Proposals(Space.of(GRID), seed=4), 1, 24) != through[:24]


def test_an_interrupted_search_with_switches_finds_the_same_settings(tmp_path: Path) -> None:
    """It begins with impossible settings, with some twice, and with more than a batch that scouts found."""
    space = Space(Space.of({**GRID, "detector": ["v1-mini"], "endpointing_mode": ["fixed"]}).knobs, ("fast",))
    starts = space.beginning_along("min_delay", 8).starts
    assert not is_possible(space.table(starts)).all()
    space = Space(space.knobs, space.switches, (*starts, *starts[:3]))
    scouted = [{**starts[0], "min_delay": 0.01 * k} for k in range(60)]
    scouted += scouted[:3]
    through = Proposals(space, seed=3)
    through.begin_with(scouted)
    storage = tmp_path / "search.jsonl"
    first = Proposals(space, seed=3, storage=storage)
    assert not first.has_begun
    first.begin_with(scouted)
    for _ in range(7):
        searched(through, 1)
        again = Proposals(space, seed=3, storage=storage)
        assert again.has_begun
        assert searched(again, 1) == through.keys
    assert len(through) == 84


def test_a_storage_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.jsonl"
    Proposals(Space.of(GRID), storage=path, of={"phases": 4, "seed": 0})
    with pytest.raises(ValueError, match=r"search\.jsonl: is of a search with other phases; give another"):
        Proposals(Space.of(GRID), storage=path, of={"phases": 1, "seed": 0})
    path.write_text("no\njournal\n")
    with pytest.raises(ValueError, match=r"search\.jsonl: not a search's storage .*; move it away"):
        Proposals(Space.of(GRID), storage=path)


# --- what it is worth -------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8))
def test_the_hypervolume_counts_what_is_beaten(pairs) -> None:
    """Twin: a reference of 10 by 10, cell by cell."""
    beaten = sum(any(r <= x and t <= y for r, t in pairs) for x in range(10) for y in range(10))
    rate, latency_s = np.array(pairs, dtype=float).reshape(-1, 2).T
    assert hypervolume(rate, latency_s, 10.0, 10.0) == pytest.approx(beaten)


# --- judged on other recordings ---------------------------------------------------------------------


def calls(n: int) -> Corpus:
    """Calls whose holds are longer from one to the next."""
    found = []
    for k in range(n):
        turns = [Turn((1.2, 1.2), ((0.4 + 0.1 * (k % 5), "hold"),), gap=2.5, reply=1.0, rest=2.0)] * 3
        found.append(traced_of(labels_of(turns), name=f"call {k}", noise=0.0))
    return Corpus.of(found)


def test_recordings_are_parted_as_a_guarantee_tests_them() -> None:
    corpus = calls(6)
    first, others = parts_of(corpus)
    ordering, testing, _ = split(corpus)
    assert (list(first), list(others)) == (sorted(ordering), sorted(testing))
    assert [len(part) for part in parts_of(calls(2))] == [1, 1]
    assert parts_of(calls(1)) == ((0,),)


@pytest.mark.parametrize("sizes", [(3, 9), (1, 1), (2, 30), (5,)])
def test_no_fold_has_recordings_of_two_parts(sizes: tuple[int, ...]) -> None:
    numbers = iter(range(sum(sizes)))
    parts = [tuple(next(numbers) for _ in range(size)) for size in sizes]
    folds = folds_of_parts(parts)
    if len(sizes) == 1:
        assert folds == ()
        return
    assert sorted(r for fold in folds for r in fold) == list(range(sum(sizes)))
    assert all(sum(bool(set(fold) & set(part)) for part in parts) == 1 for fold in folds)
    assert len(folds) <= 11


def test_what_a_recording_led_to_is_not_judged_on_it() -> None:
    """Twin: in each fold the best of the settings that the other part found, and that both found."""
    corpus = calls(5)
    parts = parts_of(corpus)
    table, _ = expand({"detector": ["vad"], "min_delay": [0.3, 0.5, 0.7, 0.9, 1.1]})
    origins = Origins(parts, (0, 1, 0, BY_EACH, 1))
    result = sweep(corpus, table, quiet=True, origins=origins)
    budget = Budget.false_boundary_rate(0.4)
    total_s, turns = 0.0, 0
    for fold, metrics in zip(result.folds, result.without, strict=True):
        other = 1 - next(k for k, part in enumerate(parts) if set(fold) <= set(part))
        allowed = [row for row in range(5) if origins.part[row] in (other, BY_EACH)]
        rows = metrics.iloc[allowed].to_dict("records")
        row = allowed[naive.choose(rows, budget.limit, budget.most, budget.least)]
        here = sweep(corpus.of_some(fold), table.iloc[[row]], quiet=True).table
        n = sum(corpus.labelled[r].n_turns for r in fold)
        total_s, turns = total_s + here["latency_mean"][0] * n, turns + n
    found = held_out(corpus, result, budget)
    assert found is not None
    assert found.loc["latency_mean", "value"] == pytest.approx(total_s / turns)
    everything = held_out(corpus, sweep(corpus, table, quiet=True), budget)
    assert everything is not None
    assert set(candidates(result, budget)) >= {0, 1}


def test_nothing_is_held_out_where_all_settings_are_owed_to_one_part() -> None:
    corpus = calls(5)
    table, _ = expand({"detector": ["vad"], "min_delay": [0.3, 0.5]})
    result = sweep(corpus, table, quiet=True, origins=Origins(parts_of(corpus), (0, 0)))
    assert held_out(corpus, result, Budget.false_boundary_rate(0.4)) is None


def test_only_what_the_ordering_calls_led_to_is_certified() -> None:
    corpus = calls(30)
    table, _ = expand({"detector": ["vad"], "min_delay": [1.2, 1.6]})
    budget = Budget.false_boundary_rate(0.1)
    parts = parts_of(corpus)
    found = {
        owed: certify(corpus, sweep(corpus, table, quiet=True, origins=Origins(parts, owed)), budget)
        for owed in [(0, 0), (1, 0), (1, 1), (BY_EACH, 1)]
    }
    assert {owed: one.row for owed, one in found.items()} == {(0, 0): 0, (1, 0): 1, (1, 1): None, (-1, 1): 0}
