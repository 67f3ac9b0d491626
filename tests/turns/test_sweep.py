"""Sweeps against settings scored one by one, and what is held out of a choice."""

from __future__ import annotations

import io
import weakref

import naive
import numpy as np
import pandas as pd
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.knobs import KNOBS
from lab_utils.core.labels import Labels
from lab_utils.core.samples import kept_objects
from lab_utils.core.settings import Conditions, Settings
from lab_utils.turns import sweep as sweeping
from lab_utils.turns.choose import Budget, NoneWithinBudget, choose
from lab_utils.turns.folds import make_folds
from lab_utils.turns.grid import expand, row_of, settings_of
from lab_utils.turns.held_out import held_out
from lab_utils.turns.metrics import LATENCIES, RATES, attribute, labelled_pauses, pooled
from lab_utils.turns.replay import MissingPredictions, blocks_of, replay, replay_branches
from lab_utils.turns.sweep import Corpus, counts, figures_of, score_one, sweep
from lab_utils.workflows.study import commits
from lab_utils.workflows.study.commits import commits_table, write_commits

METRICS = [
    *RATES,
    "false_boundary_rate_at_most",
    "false_boundary_rate_per_turn_at_most",
    "backchannel_rate",
    "commits_in_no_label",
    "longest_wait",
    *LATENCIES,
]
CONDITIONS = Conditions(transcription_delay=0.0, prediction_delay=0.06, frame_duration=0.02)
LATE = CONDITIONS.model_copy(update={"transcription_delay": 0.5})
"""Transcripts come after END_OF_SPEECH."""
GRID = {
    "vad": ["livekit", "silero"],
    "detector": ["vad", "v1-mini"],
    "endpointing_mode": ["fixed", "dynamic"],
    "min_silence_duration": [0.25, 0.55],
    "min_delay": [0.0, 0.4, 1.2],
    "max_delay": [0.8, 2.0],
    "unlikely_threshold": [0.2, 0.6],
}


def script(k: int) -> Labels:
    """Conversation number k: turns with holds, a cut-off, a backchannel, an overlap."""
    rng = np.random.default_rng(k)
    turns = []
    for t in range(4):
        n = int(rng.integers(1, 4))
        kinds = ["hold" if rng.random() < 0.6 else "cut_off" for _ in range(n - 1)]
        turns.append(
            Turn(
                speech=tuple(rng.choice([0.3, 0.6, 1.2], size=n).tolist()),
                pauses=tuple(zip(rng.choice([0.3, 0.7, 1.5], size=n - 1).tolist(), kinds, strict=True)),
                gap=float(rng.choice([-0.2, 0.3, 1.0])),
                reply=float(rng.choice([0.8, 2.5])),
                backchannel=bool(t == 1),
                rest=0.6,
            )
        )
    return labels_of(turns)


def corpus_for(table: pd.DataFrame, conditions: Conditions, n: int = 4, offsets=(0, 256)) -> Corpus:
    blocks = [block for _, block in blocks_of(table, conditions, len(table))]
    recordings = []
    for k in range(n):
        recording = traced_of(
            script(k), name=f"call-{k}", seed=k, offsets=offsets, vads=("livekit", "silero"), tail_s=3.0
        )
        recordings.append(complete(recording, blocks))
    return Corpus.of(recordings)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return expand(GRID)[0]


@pytest.fixture(scope="module", params=[CONDITIONS, LATE], ids=["early", "late"])
def conditions(request) -> Conditions:
    return request.param


@pytest.fixture(scope="module")
def corpus(table, conditions) -> Corpus:
    return corpus_for(table, conditions)


@pytest.fixture(scope="module")
def result(corpus, table, conditions) -> sweeping.Sweep:
    return sweep(corpus, table, conditions, quiet=True)


def settings_in(row: pd.Series) -> Settings:
    """A table's row as settings."""
    return settings_of(row[list(KNOBS)].to_dict())


def scores(
    corpus: Corpus, settings: Settings, conditions: Conditions, recordings: list[int]
) -> list[naive.Score]:
    """Setting and recordings one by one: replay, then the definitions."""
    return [
        naive.score(
            one.labels,
            replay(one, settings, conditions, phase),
            one.tail_s,
            branches=naive.waits(one, settings, conditions, phase),
        )
        for one in (corpus.recordings[r] for r in recordings)
        for phase in range(one.phases)
    ]


def summary(scored: list[naive.Score], takes: int = 2) -> dict[str, float]:
    """The definitions, with commits in no label per take."""
    found = naive.summary(scored)
    return found | {"commits_in_no_label": found["commits_in_no_label"] / takes}


# --- the table --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_gives_each_setting_what_it_gets_alone(corpus, table, result, conditions):
    everyone = list(range(len(corpus.recordings)))
    for row in np.random.default_rng(0).permutation(len(table))[:20]:
        settings = settings_in(table.iloc[row])
        expected = summary(scores(corpus, settings, conditions, everyone))
        for name in METRICS:
            np.testing.assert_allclose(
                result.table[name].iloc[row], expected[name], rtol=1e-12, atol=1e-12, err_msg=f"{row} {name}"
            )


@pytest.mark.slow
def test_each_fold_has_the_metrics_of_the_other_recordings(corpus, table, result, conditions):
    assert result.folds == ((0,), (1,), (2,), (3,))
    for fold, without in zip(result.folds, result.without, strict=True):
        others = [r for r in range(4) if r not in fold]
        for row in (0, len(table) // 3, len(table) - 1):
            expected = summary(scores(corpus, settings_in(table.iloc[row]), conditions, others))
            for name in METRICS:
                np.testing.assert_allclose(without[name].iloc[row], expected[name], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_the_settings_differ_in_their_figures(result):
    """The tests above would be idle if every setting did the same."""
    assert len(result.table[METRICS].drop_duplicates()) > len(result.table) / 4
    assert result.table["timeout_rate"].max() > 0.2
    assert result.table["missed_rate"].max() > 0
    assert result.table["backchannel_rate"].max() > 0
    assert result.table["commits_in_no_label"].max() > 0
    worst = result.table["false_boundary_rate_at_most"] - result.table["false_boundary_rate"]
    assert worst.max() > 0


def test_rows_keep_their_order_and_their_knobs(table, result):
    pd.testing.assert_frame_equal(result.table[list(KNOBS)], table)
    assert result.table.index.tolist() == list(range(len(table)))
    assert list(result.table.columns) == [*KNOBS, *result.without[0].columns]
    assert {*METRICS, "coin_flips"} == set(result.without[0].columns)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_from_a_file_gives_the_same_and_holds_one_recording(
    corpus, table, result, conditions, jobs, monkeypatch, tmp_path
):
    if conditions is LATE:
        pytest.skip("it is the same for recordings")
    monkeypatch.setattr(sweeping, "TRACES_BYTES", 0)
    monkeypatch.setattr(sweeping, "BLOCK_LATENCIES", 4000)
    monkeypatch.setattr(pooled, "LATENCIES_AT_ONCE", 2000)
    monkeypatch.setattr(pooled, "SORTED_AT_ONCE", 500)
    monkeypatch.setattr(commits, "ROWS_AT_ONCE", 1)
    kept = Corpus.of(iter(corpus.recordings))
    assert isinstance(kept.recordings, kept_objects.OnDemand)
    loaded, load = [], kept_objects._File.__call__

    def counted_load(file, number):
        assert sum(one() is not None for one in loaded) <= 2  # until the next is there
        found = load(file, number)
        loaded.append(weakref.ref(found))
        return found

    monkeypatch.setattr(kept_objects._File, "__call__", counted_load)
    again = sweep(kept, table, conditions, jobs=jobs, quiet=True)
    assert jobs > 1 or len(loaded) > len(kept.recordings)
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    for one, other in zip(again.without, result.without, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    settings = {number: settings_in(table.iloc[number]) for number in (0, 70)}
    write_commits(kept, settings, conditions, tmp_path / "commits.parquet")
    expected = commits_table(corpus, settings, conditions)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "commits.parquet"), expected)


def test_coin_flips_are_pairs_of_takes_that_disagree_on_a_hold(corpus, table, result, conditions):
    """Twin: which holds each take cuts, then all pairs of takes of each recording."""
    for row in np.random.default_rng(1).permutation(len(table))[:8]:
        settings, differ, n = settings_in(table.iloc[row]), 0, 0
        for one in corpus.recordings:
            holds = [x for x in naive.pauses_of(one.labels, one.tail_s) if x.kind in ("hold", "cut_off")]
            cut = []
            for phase in range(one.phases):
                commits = replay(one, settings, conditions, phase)
                rows = naive.attribute(one.labels, commits, one.tail_s)
                cut.append({found["label_start_s"] for found in rows if found["scored"]})
            for a in range(len(cut)):
                for b in range(a):
                    differ, n = differ + len(cut[a] ^ cut[b]), n + len(holds)
        np.testing.assert_allclose(result.table["coin_flips"].iloc[row], differ / n)
    assert result.table["coin_flips"].max() > 0


def test_a_shuffled_table_gives_the_same_figures_in_its_own_order(corpus, table, result, conditions):
    shuffled = table.sample(40, random_state=1)
    again = sweep(corpus, shuffled, conditions, quiet=True)
    expected = result.table.loc[shuffled.index].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.table, expected)


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 200, 10**9])
def test_figures_do_not_depend_on_the_size_of_the_blocks(
    corpus, table, result, conditions, monkeypatch, most
):
    monkeypatch.setattr(sweeping, "BLOCK_LATENCIES", most)
    part = table.iloc[::5]
    again = sweep(corpus, part, conditions, quiet=True)
    expected = result.table.loc[part.index].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.table, expected)


def parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


@pytest.mark.slow
def test_the_saved_table_is_the_same_to_the_byte_with_any_number_of_jobs(corpus, table, result, conditions):
    for jobs in (1, 2):
        again = sweep(corpus, table, conditions, jobs=jobs, quiet=True)
        assert parquet(again.table) == parquet(result.table)
        assert again.folds == result.folds
        for ours, theirs in zip(again.without, result.without, strict=True):
            assert parquet(ours) == parquet(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_says_which_predictions_are_missing_also_from_another_process(table, jobs):
    bare = Corpus.of([traced_of(script(0), vads=("livekit", "silero"))])
    with pytest.raises(MissingPredictions, match="predictions are not in the trace; trace") as caught:
        sweep(bare, table, CONDITIONS, jobs=jobs, quiet=True)
    assert len(caught.value.starts) == len(caught.value.ends) > 0


def test_the_agents_turns_shift_with_the_phase():
    """Dynamic endpointing must see the agent in stream time. The "phase" of one second makes a slip show."""
    table, _ = expand(
        {"detector": ["vad"], "endpointing_mode": ["dynamic"], "min_delay": [0.2, 0.4], "max_delay": [3.0]}
    )
    corpus = Corpus.of([traced_of(script(k), seed=k, offsets=(16_000,), noise=0.0) for k in range(8)])
    result = sweep(corpus, table, quiet=True)
    for row in range(len(table)):
        settings = settings_in(table.iloc[row])
        slow = [
            naive.score(r.labels, naive.replay(r, settings), r.tail_s, branches=naive.waits(r, settings))
            for r in corpus.recordings
        ]
        assert result.table["latency_mean"].iloc[row] == pytest.approx(summary(slow)["latency_mean"])


# --- folds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 9, 10, 11, 25, 100])
def test_each_recording_is_left_out_once(n):
    folds = make_folds(n)
    assert len(folds) == min(n, 10)
    assert sorted(r for fold in folds for r in fold) == list(range(n))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n", [0, 1])
def test_one_recording_cannot_be_held_out(n):
    assert make_folds(n) == ()


def test_one_recording_has_figures_but_no_held_out_ones(table):
    one = table.iloc[::20]
    alone = corpus_for(one, CONDITIONS, n=1)
    result = sweep(alone, one, CONDITIONS, quiet=True)
    assert result.without == ()
    assert held_out(alone, result, Budget.false_boundary_rate(1.0), CONDITIONS) is None


# --- held out ---------------------------------------------------------------------------------------


def call_with_holds_of(pause_s: float, name: str):
    """Three user turns, each with one hold; a trace without noise."""
    labels = labels_of([Turn((1.2, 1.2), ((pause_s, "hold"),), gap=2.5, reply=1.0, rest=2.0)] * 3)
    return traced_of(labels, name=name, noise=0.0)


def test_the_held_out_figures_are_those_of_settings_chosen_on_other_recordings():
    """One call has long holds. Without it, a short delay meets the budget, and then cuts that very call."""
    calls = [
        call_with_holds_of(1.0, "long"),
        call_with_holds_of(0.4, "short"),
        call_with_holds_of(0.4, "other"),
    ]
    corpus = Corpus.of(calls)
    table, _ = expand({"detector": ["vad"], "min_delay": [0.5, 1.3]})
    result = sweep(corpus, table, quiet=True)
    budget = Budget.false_boundary_rate(0.0)
    assert choose(result.table, budget) == 1
    assert result.table["false_boundary_rate"].tolist() == [pytest.approx(1 / 3), 0.0]
    figures = held_out(corpus, result, budget)
    assert figures is not None
    assert figures.loc["false_boundary_rate", "value"] == pytest.approx(1 / 3)
    assert figures.loc["missed_rate", "value"] == 0.0
    # "long" is judged at 0.5 s, the other two at 1.3 s, for their folds still have "long" to be chosen on
    latencies = [
        result.without[0]["latency_mean"].iloc[1],
        score_one(corpus, settings_of(table.iloc[0])).loc["latency_mean", "value"],
    ]
    assert latencies[1] < figures.loc["latency_mean", "value"] < latencies[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "budget",
    [
        Budget.false_boundary_rate(0.2),
        Budget.false_boundary_rate(0.0, "latency_p95"),
        Budget.latency_p95(1.0),
    ],
)
def test_held_out_figures_pool_each_folds_choice_on_its_own_recordings(
    corpus, table, result, conditions, budget
):
    """Twin: in each fold choose by double loop on the others, then score the one left out."""
    pooled = []
    for r in range(len(corpus.recordings)):
        others = [k for k in range(len(corpus.recordings)) if k != r]
        metrics = result.without[r].to_dict("records")
        row = naive.choose(metrics, budget.limit, budget.most, budget.least)
        if row is None:
            missed = max(0.02, min(m["missed_rate"] for m in metrics))
            usable = [m[budget.limit] for m in metrics if m["missed_rate"] <= missed]
            row = naive.choose(metrics, budget.limit, min(usable), budget.least, missed)
        expected = summary(scores(corpus, settings_in(table.iloc[row]), conditions, others))
        assert metrics[row]["latency_mean"] == pytest.approx(expected["latency_mean"])
        pooled += scores(corpus, settings_in(table.iloc[row]), conditions, [r])
    expected = summary(pooled)
    frame = held_out(corpus, result, budget, conditions)
    assert frame is not None
    for name in frame.index.drop("coin_flips"):
        np.testing.assert_allclose(frame.loc[name, "value"], expected[name], rtol=1e-12, err_msg=name)


# --- one setting ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_settings_figures_are_those_of_its_row_with_an_interval_and_n(corpus, table, result, conditions):
    row = int((result.table["timeout_rate"] * result.table["missed_rate"]).idxmax())
    assert result.table["missed_rate"].iloc[row] > 0.1
    frame = score_one(corpus, settings_in(table.iloc[row]), conditions)
    assert set(frame.index) == {*METRICS, "coin_flips"} - {"backchannel_rate"}
    for name in frame.index:
        value, low, high = frame.loc[name, ["value", "low", "high"]]
        np.testing.assert_allclose(value, result.table[name].iloc[row], rtol=1e-12)
        assert np.isnan(low) or low <= value
        assert np.isnan(high) or value <= high
    assert frame.loc["false_boundary_rate", "told"] == "two-sided"
    found = counts(corpus)
    committed = found["turns"] * (1 - result.table["missed_rate"].iloc[row])
    assert frame.loc["false_boundary_rate", "n"] == found["holds"] + found["cut_offs"]
    assert frame.loc["timeout_rate", "n"] == found["turns"]
    assert frame.loc["latency_mean", "n"] == round(committed)
    assert frame.loc["latency_p95", "n"] == found["turns"]


def test_counts_are_those_of_the_labels(corpus):
    labels = [label for one in corpus.recordings for label in one.labels.labels]
    scored_holds = [label for label in labels if label.kind == "hold" and naive.is_scored(label)]
    assert counts(corpus) == {
        "holds": len(scored_holds),
        "unscored_holds": sum(label.kind == "hold" for label in labels) - len(scored_holds),
        "cut_offs": sum(label.kind == "cut_off" for label in labels),
        "backchannels": sum(label.kind == "backchannel" for label in labels),
        "turns": sum(label.kind == "shift" for label in labels),
    }
    assert min(counts(corpus)[name] for name in ("holds", "cut_offs", "backchannels", "turns")) > 0


def test_recordings_without_turns_have_figures_that_are_not_numbers():
    silent = Corpus.of([traced_of(Labels(3.0, (), ()), noise=0.0)] * 2)
    table, _ = expand({"detector": ["vad"], "min_delay": [0.3, 0.5]})
    result = sweep(silent, table, quiet=True)
    assert result.table["false_boundary_rate"].isna().all()
    with pytest.raises(NoneWithinBudget, match="none was scored"):
        choose(result.table, Budget.false_boundary_rate(0.1))
    frame = score_one(silent, settings_of(table.iloc[0].to_dict()))
    assert frame.loc["commits_in_no_label", "value"] == 0.0
    frame = frame.drop("commits_in_no_label")
    assert frame["n"].tolist() == [0] * len(frame)
    assert frame[["value", "low", "high"]].isna().all(axis=None)
    assert held_out(silent, result, Budget.false_boundary_rate(0.1)) is not None


@pytest.mark.slow
def test_the_commits_of_a_setting_are_listed_with_what_they_mean(corpus, table, conditions):
    rows = {7: table.iloc[0], 3: table.iloc[len(table) // 2], 11: table.iloc[-1]}
    chosen = {number: settings_in(row) for number, row in rows.items()}
    frame = commits_table(corpus, chosen, conditions)
    assert set(frame["setting"]) == set(chosen)
    total = 0
    for number, settings in chosen.items():
        for recording in corpus.recordings:
            for phase in range(recording.phases):
                commits = replay(recording, settings, conditions, phase)
                marks = labelled_pauses(recording.labels, recording.tail_s)
                waits = replay_branches(recording, settings, conditions, phase)
                expected = attribute(commits, marks, waits, 8.0)
                of_run = (
                    (frame["setting"] == number)
                    & (frame["phase"] == phase)
                    & (frame["recording"] == recording.name)
                )
                found = frame.loc[of_run, list(expected.columns)].reset_index(drop=True)
                pd.testing.assert_frame_equal(found, expected, check_dtype=False)
                total += len(expected)
    assert len(frame) == total > 0
    assert not frame["on_branch"].all()


def test_todays_defaults_are_scored_beside_the_grid(corpus, conditions):
    """`row_of` gives a row that a sweep accepts as it is."""
    settings = Settings().replace(
        min_silence_duration=0.25, min_delay=0.4, max_delay=2.0, unlikely_threshold=0.2
    )
    result = sweep(corpus, row_of(settings), conditions, quiet=True)
    block = sweeping.Block.of(settings, conditions)
    frame = figures_of(corpus.score(block, corpus.pauses(settings.vad, 0.02)), corpus.labelled)
    assert result.table["latency_mean"].tolist() == [pytest.approx(frame.loc["latency_mean", "value"])]


def test_a_vad_that_was_not_traced_is_named() -> None:
    corpus = Corpus.of([traced_of(Labels(4.0, (), ()))])
    with pytest.raises(
        ValueError, match=r"x\.wav: traced with the VAD livekit, not with silero; measure again"
    ):
        score_one(corpus, Settings().replace(vad="silero"))
    with pytest.raises(ValueError, match=r"a grid that has it, as in 'vad: \[livekit, silero\]'"):
        replay(corpus.recordings[0], Settings().replace(vad="silero"))
