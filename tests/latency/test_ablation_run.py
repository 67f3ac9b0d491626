"""A small ablation with real sessions: what must hold by construction, and the same bytes again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_process import run_virtually
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.settings import Settings
from lab_utils.latency.ablation import run
from lab_utils.latency.ablation.cells import Cell, Plan, Rows
from lab_utils.latency.ablation.plan import BASELINE, FULL, alone, configurations, left_out, stacked
from lab_utils.latency.ablation.run import ablate
from lab_utils.latency.ablation.turns import matrix
from lab_utils.latency.techniques.choice import NAMES
from lab_utils.recordings.audio import BadRecording
from lab_utils.session.providers.files import load_providers

pytestmark = pytest.mark.slow  # whole sessions, 38 agents

CALL = "03_blocked_card"  # it has an acknowledgement, a common question and a spelled number
N_TURNS = 9


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("call")
    for path in SAMPLES.glob(f"{CALL}.*"):
        shutil.copy(path, folder)
    return folder


def techniques(call: Path, cache: Path, out: Path, jobs: int) -> str:
    """What the command prints."""
    options = ["--turns", "5", "--jobs", str(jobs), "--mistakes", "--json", "--out", str(out)]
    result = CliRunner().invoke(app, ["techniques", str(call), *options, "--cache", str(cache)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def ran(call: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """By the command, with one worker and the mistakes."""
    out = tmp_path_factory.mktemp("out") / "one"
    return json.loads(techniques(call, cache, out, 1).splitlines()[-1]), out


@pytest.fixture(scope="module")
def turns(ran) -> pd.DataFrame:
    return pd.read_parquet(ran[1] / "turns.parquet")


def saved(turns: pd.DataFrame, without: str, with_: str, measure: str = "turn_total_s") -> float:
    """The mean of the turns' own savings."""
    wide = matrix(turns, measure)
    return float((wide[without] - wide[with_]).mean())


def test_every_configuration_has_every_turn(turns) -> None:
    counts = turns.groupby("configuration", sort=False).size()
    assert list(counts.index) == list(configurations(automatic_cache=True, mistakes=True))
    assert set(counts) == {N_TURNS}
    keys = turns.groupby("configuration")[["recording", "seed", "turn"]].apply(
        lambda g: tuple(g.to_numpy().flat)
    )
    assert keys.nunique() == 1


def test_files_are_complete_and_no_session_failed(ran) -> None:
    summary, out = ran
    names = {path.name for path in out.iterdir()}
    assert names == {
        "summary.json",
        "turns.parquet",
        "sessions.parquet",
        *(f"{kind}{end}.png" for kind in ("waterfall", "savings") for end in ("", "-after-commit")),
    }
    assert json.loads((out / "summary.json").read_text()) | {"out": str(out)} == summary
    sessions = pd.read_parquet(out / "sessions.parquet")
    assert (sessions["failure"] == "").all()
    assert (sessions["errors"] == 0).all()


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    ran, turns, call, cache, tmp_path, monkeypatch
) -> None:
    """Every fourth agent is run again, by two workers; the other rows are the first run's, to save time."""
    sessions = pd.read_parquet(ran[1] / "sessions.parquet")

    def first_run(name: str) -> Rows:
        of_turns, (of_session,) = (
            table[table["configuration"] == name].to_dict("records") for table in (turns, sessions)
        )
        return Rows(tuple(of_turns), of_session)

    really = run._measured

    def measured(plan: Plan, cells: Sequence[Cell], jobs: int, quiet: bool) -> Iterator[Rows]:
        assert jobs == 2
        anew = dict(zip(cells[::4], really(plan, cells[::4], jobs, quiet), strict=True))
        return (anew[cell] if cell in anew else first_run(cell.configuration) for cell in cells)

    monkeypatch.setattr(run, "_measured", measured)
    techniques(call, cache, tmp_path / "two", 2)
    for path in ran[1].iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_batch_recognition_is_slower(turns) -> None:
    assert saved(turns, BASELINE, alone("streaming_stt")) > 0.2
    assert saved(turns, left_out("streaming_stt"), FULL) > 0.2


def test_reply_in_one_piece_is_slower(turns) -> None:
    assert saved(turns, BASELINE, alone("token_streaming"), "llm_ttft_s") > 0.1
    assert saved(turns, "mistake: buffered_reply", FULL) > 0


def test_time_of_day_on_top_costs_the_whole_prompt(turns) -> None:
    assert saved(turns, BASELINE, alone("prefix_caching"), "llm_ttft_s") > 0.2
    assert saved(turns, "mistake: timestamp_on_top", FULL, "llm_ttft_s") > 0.1


def test_awaited_judge_is_slower_by_its_verdict(turns) -> None:
    assert 0.2 < saved(turns, BASELINE, alone("async_evaluation"), "hook_s") < 0.5


def test_far_region_is_slower_by_a_few_round_trips(turns) -> None:
    assert saved(turns, BASELINE, alone("regional_routing")) > 0.05
    assert 0.03 < saved(turns, BASELINE, alone("regional_routing"), "llm_ttft_s") < 0.08


def test_small_model_is_faster_where_it_answers(turns) -> None:
    small = turns[(turns["configuration"] == alone("model_routing")) & (turns["answered_by"] == "small")]
    assert 0 < len(small) < N_TURNS
    assert (
        saved(turns[turns["turn"].isin(small["turn"])], BASELINE, alone("model_routing"), "llm_ttft_s") > 0.1
    )


def test_common_question_is_answered_from_the_cache_at_once(turns) -> None:
    hits = turns[(turns["configuration"] == alone("semantic_cache")) & (turns["answered_by"] == "cache")]
    assert len(hits) >= 1
    assert hits["llm_ttft_s"].isna().all()
    before = turns[(turns["configuration"] == BASELINE) & turns["turn"].isin(hits["turn"])]
    assert hits["after_commit_s"].max() < before["after_commit_s"].min()


def test_prefetched_tool_is_not_waited_for(turns) -> None:
    with_tool = turns[(turns["configuration"] == BASELINE) & turns["tool"]]["turn"]
    assert len(with_tool) >= 1
    assert saved(turns[turns["turn"].isin(with_tool)], BASELINE, alone("tool_prefetch")) > 0.1


def test_costs_show_what_techniques_do(ran) -> None:
    costs = pd.DataFrame(ran[0]["costs"]).set_index("configuration")
    assert costs.loc[BASELINE, "cached_tokens"] == 0 < costs.loc[alone("prefix_caching"), "cached_tokens"]
    assert costs.loc[BASELINE, "cache_hits"] == 0 < costs.loc[alone("semantic_cache"), "cache_hits"]
    assert costs.loc[FULL, "dollars"] < costs.loc[BASELINE, "dollars"]
    assert (costs["false_boundaries"] > 0).any()


def test_one_agent_by_two_names_is_measured_once(turns) -> None:
    for one, other in ((alone(NAMES[0]), stacked(NAMES[0])), (left_out(NAMES[-1]), stacked(NAMES[-2]))):
        rows = [turns[turns["configuration"] == name].drop(columns="configuration") for name in (one, other)]
        pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in rows))


MEASURED = """
from lab_utils.latency.ablation.cells import Cell, Plan
from lab_utils.latency.ablation.measure import measure
from lab_utils.recordings.find import find_recordings
from lab_utils.session.providers.files import load_providers
from lab_utils.core.settings import Conditions, Settings
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.turns.tracing import default_cache

def rows(call, providers, greeting, *agents):
    (files,) = find_recordings(f"{SAMPLES}/{call}.flac")
    plan = Plan(Settings(), Conditions(), load_providers(providers), default_cache(), 7.0, greeting)
    return [list(measure(plan, Cell(files, "x", agent, 3)).turns) for agent in agents]
""".replace("{SAMPLES}", str(SAMPLES))


def test_turns_are_paired_so_that_luck_cancels() -> None:
    """Where delays vary widely, two agents that differ in the network differ by little else."""
    near, far = run_virtually(
        MEASURED
        + """
def main():
    agents = Techniques.of("regional_routing"), Techniques()
    measured = rows("03_blocked_card", "deepgram-openai-cartesia", None, *agents)
    return [[turn["llm_ttft_s"] for turn in turns] for turns in measured]
"""
    )
    first, other = np.array(near), np.array(far)
    both = np.isfinite(first) & np.isfinite(other)
    assert both.sum() >= 5
    assert np.std((first - other)[both]) < 0.3 * np.std(first[both])


def test_who_speaks_first_pays_for_the_room_and_the_cold_voice() -> None:
    saved_s = run_virtually(
        MEASURED
        + """
def main():
    agents = Techniques(), Techniques.of("audio_prebuffering"), Techniques.of("tts_warmup")
    saved = {}
    for greeting in (True, False):
        # Its first turn has no pause that is long enough to catch up in.
        measured = rows("09_dentist_appointment", "guide", greeting, *agents)
        none, *others = (turns[0]["turn_total_s"] for turns in measured)
        saved[str(greeting)] = [none - other for other in others]
    return saved
"""
    )
    assert saved_s["True"] == [0.0, 0.0]
    prebuffered, warm = saved_s["False"]
    assert 0.08 < prebuffered < 0.3
    assert 0.03 < warm < 0.2


def test_thrown_away_replies_are_counted_even_if_they_were_written_to_their_end() -> None:
    """By the session's own word: whoever starts none early throws none away, whatever interrupts it."""
    none, early = run_virtually(
        MEASURED
        + """
from lab_utils.latency.ablation.measure import session

def main():
    (files,) = find_recordings(f"{SAMPLES}/01_table_booking.flac")
    plan = Plan(Settings(), Conditions(), load_providers("guide"), default_cache(), 7.0)
    found = []
    for techniques in (Techniques(), Techniques.of("streaming_stt", "prefix_caching", "kv_cache_reuse")):
        cell = Cell(files, "x", techniques, 3)
        row, log = measure(plan, cell).session, session(plan, cell)[1]
        used = len(log.of_kind("commit")) + len(log.of_kind("tool_starts"))
        row["for nothing"] = row["llm_calls"] - used
        found.append(row)
    return found
""".replace("{SAMPLES}", str(SAMPLES))
    )
    assert none["discarded_replies"] == none["for nothing"] == 0 < none["discarded_calls"]
    assert early["discarded_replies"] == early["for nothing"] > early["discarded_calls"]


def test_recordings_without_turns_are_skipped_and_none_left_is_an_error(cache, tmp_path) -> None:
    (tmp_path / "notes.wav").write_text("these are notes, not audio")
    with pytest.raises(BadRecording, match=r"notes\.wav"):
        ablate([tmp_path], Settings(), load_providers("guide"), turns=1, cache=cache, quiet=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--providers", "nobody"], "no built-in provider profile"), (["--profile", "no.yaml"], "no.yaml")],
)
def test_bad_arguments_end_in_one_line(call, tmp_path, options, message) -> None:
    result = CliRunner().invoke(app, ["techniques", str(call), "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "out" / "summary.json").exists()


def test_results_below_a_file_are_refused_before_the_work(call, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    result = CliRunner().invoke(app, ["techniques", str(call), "--out", str(out), "--turns", "1"])
    assert result.exit_code == 1
    assert result.output == f"lab: error: {tmp_path / 'file'}: is a file; give a folder with --out\n"


def test_recordings_whose_words_nobody_knows_are_told_apart(call, tmp_path) -> None:
    shutil.copy(call / f"{CALL}.flac", tmp_path)
    labels = json.loads((call / f"{CALL}.labels.json").read_text()) | {"words": []}
    labels["ipus"] = [{name: ipu[name] for name in ipu if name != "text"} for ipu in labels["ipus"]]
    (tmp_path / f"{CALL}.labels.json").write_text(json.dumps(labels))
    code = f"""
from lab_utils.latency.ablation.cells import Plan
from lab_utils.latency.ablation.run import prepare
from lab_utils.recordings.find import find_in
from lab_utils.session.providers.files import load_providers
from lab_utils.core.settings import Conditions, Settings
from lab_utils.turns.tracing import default_cache

def main():
    plan = Plan(Settings(), Conditions(), load_providers("guide"), default_cache(), 7.0)
    known, unknown = find_in([{str(call)!r}, {str(tmp_path)!r}])[0]
    return [[one.turns, one.transcribed] for one in (prepare(plan, known), prepare(plan, unknown))]
"""
    assert run_virtually(code) == [[N_TURNS, True], [N_TURNS, False]]


@pytest.mark.parametrize("arguments", [{"turns": 0}, {"wait_s": -1.0}])
def test_impossible_arguments_are_refused(call, arguments) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ablate([call], Settings(), load_providers("guide"), **arguments)


def test_another_tenants_answers_come_only_with_the_mistake_of_one_key_for_all(ran):
    wrong = pd.read_parquet(ran[1] / "sessions.parquet").groupby("configuration")["wrong_answers"].sum()
    assert wrong["mistake: shared_cache"] > 0
    assert wrong.drop("mistake: shared_cache").sum() == 0
