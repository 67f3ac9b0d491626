"""The command line on real input: results, exit codes, and one clear line for bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import typer
from paths import SAMPLES
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.cli.common import ending_well
from lab_utils.core.batch import Failed, WorkerDied, results
from lab_utils.core.knobs import KNOBS
from lab_utils.turns.profile import load_profile

pytestmark = pytest.mark.slow

REAL_CALL = SAMPLES.parent.parent / "shared" / "recordings" / "auto-repairs-40"
SMALL_GRID = {"min_silence_duration": [0.25, 0.55], "min_delay": [0.3, 0.8], "max_delay": [1.0, 2.5]}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sample calls with their labels, a small grid, and a bad file."""
    folder = tmp_path_factory.mktemp("calls")
    for name in sorted(SAMPLES.glob("0[12]_*")):
        shutil.copy(name, folder)
    (folder / "grid.yaml").write_text("\n".join(f"{name}: {values}" for name, values in SMALL_GRID.items()))
    return folder


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def swept(calls: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("results") / "out"
    result = lab(
        "sweep",
        calls,
        "--grid",
        calls / "grid.yaml",
        "--out",
        out,
        "--phases",
        2,
        "--jobs",
        1,
        "--cache",
        cache,
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    return out, json.loads(result.stdout)


def test_sweep_writes_what_it_promises_and_prints_one_json_object(swept) -> None:
    out, answer = swept
    names = {"summary.json", "sweep.parquet", "commits.parquet", "tradeoff.png", "profile.yaml"}
    assert {path.name for path in out.iterdir()} == names
    assert not list(out.parent.glob(".*")), "nothing temporary is left"
    summary = json.loads((out / "summary.json").read_text())
    assert summary == {key: value for key, value in answer.items() if key != "out"}
    assert summary["counts"]["holds"] > 20
    assert summary["counts"]["turns"] > 10
    table = pd.read_parquet(out / "sweep.parquet")
    assert list(table.columns[: len(KNOBS)]) == list(KNOBS)
    assert len(table) == summary["settings"] == 8
    assert load_profile(out / "profile.yaml").settings.knobs() == summary["chosen"]["settings"]


def test_the_commits_of_every_setting_of_a_small_grid_are_listed_and_add_up(swept) -> None:
    out, summary = swept
    table, commits = pd.read_parquet(out / "sweep.parquet"), pd.read_parquet(out / "commits.parquet")
    assert set(commits["setting"]) == {-1, *range(len(table))}
    for row, setting in table.iterrows():
        own = commits[commits["setting"] == row]
        cut = own[own["label"] == "hold"].drop_duplicates(["recording", "phase", "label_start_s"])
        rate = len(cut) / (summary["counts"]["holds"] * summary["phases"])
        assert rate == pytest.approx(setting["false_boundary_rate"])
        assert own["latency_s"].mean() == pytest.approx(setting["latency_mean"])


def test_the_same_command_gives_the_same_bytes(swept, calls, cache, tmp_path) -> None:
    out, _ = swept
    again = tmp_path / out.name
    result = lab(
        "sweep",
        calls,
        "--grid",
        calls / "grid.yaml",
        "--out",
        again,
        "--phases",
        2,
        "--jobs",
        2,
        "--cache",
        cache,
    )
    assert result.exit_code == 0, result.stderr
    for path in out.iterdir():
        if path.name != "tradeoff.png":
            assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_guarantee_that_two_calls_cannot_give_is_refused_and_nothing_is_written(
    swept, cache, tmp_path
) -> None:
    path = tmp_path / "careful.yaml"
    options = ["--max-false-boundary-rate", 0.1, "--guarantee", 0.9, "--name", "careful", "-o", path]
    result = lab("export", swept[0], *options, "--jobs", 1, "--cache", cache)
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert "can be certified" in told
    assert "90% confidence" in told or "none answers often enough" in told
    assert "Traceback" not in result.output
    assert not path.exists()


def test_export_under_either_budget_writes_a_profile_that_loads(swept, cache, tmp_path) -> None:
    out, _ = swept
    table = pd.read_parquet(out / "sweep.parquet")
    rate, latency = table["false_boundary_rate"].median(), table["latency_p95"].median()
    for option, value in (("--max-false-boundary-rate", rate), ("--max-latency-p95", latency)):
        path = tmp_path / "p" / "profile.yaml"
        result = lab(
            "export",
            out,
            option,
            value,
            "--name",
            "mine",
            "-o",
            path,
            "--jobs",
            1,
            "--cache",
            cache,
            "--json",
        )
        assert result.exit_code == 0, result.stderr
        profile = load_profile(path)
        assert profile.name == "mine"
        assert profile.evidence is not None
        figures = profile.evidence.chosen
        figure = figures.latency_p95 if "p95" in option else figures.false_boundary_rate
        assert figure.value is not None
        assert figure.value <= value + 1e-4
        assert json.loads(result.stdout)["profile"] == str(path)


def test_export_makes_least_what_is_asked_for(swept, cache, tmp_path) -> None:
    out, _ = swept
    table = pd.read_parquet(out / "sweep.parquet")
    rate = float(table["false_boundary_rate"].median())
    within = table[(table["false_boundary_rate"] <= rate + 1e-12) & (table["missed_rate"] <= 0.02)]
    common = ["--name", "tail", "-o", tmp_path / "p.yaml", "--jobs", 1, "--cache", cache, "--json"]
    result = lab("export", out, "--max-false-boundary-rate", rate, "--minimize", "latency_p95", *common)
    assert result.exit_code == 0, result.stderr
    evidence = load_profile(tmp_path / "p.yaml").evidence
    assert evidence.chosen.latency_p95.value == pytest.approx(within["latency_p95"].min(), abs=1e-3)
    assert json.loads(result.stdout)["budget"]["least"] == "latency_p95"
    refused = lab("export", out, "--max-latency-p95", 9, "--minimize", "latency_p95", *common)
    assert refused.exit_code == 2
    assert "goes with --max-false-boundary-rate" in " ".join(refused.stderr.replace("│", " ").split())


def test_export_writes_a_worker_beside_the_profile_and_never_over_ones_work(swept, cache, tmp_path) -> None:
    out, _ = swept
    path, worker = tmp_path / "p" / "profile.yaml", tmp_path / "p" / "agent.py"
    common = ["export", out, "--max-latency-p95", 9, "--name", "x", "-o", path, "--jobs", 1, "--cache", cache]
    result = lab(*common, "--techniques", "all", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["worker"] == str(worker)
    compile(worker.read_text(), "agent.py", "exec")
    assert 'with_name("profile.yaml")' in worker.read_text()
    assert lab(*common, "--techniques", "all").exit_code == 0  # the same again is no loss
    worker.write_text(worker.read_text() + "# mine\n")
    path.unlink()
    result = lab(*common, "--techniques", "all")
    assert result.exit_code == 1
    assert "agent.py: is there and differs; move it, or name another folder with -o" in result.stderr
    assert worker.read_text().endswith("# mine\n")
    assert not path.exists()
    result = lab(*common, "--techniques", "faster")
    assert "unknown technique 'faster'" in result.stderr


def test_results_of_0_1_0_are_exported_if_all_settings_had_one_transcription_delay(
    swept, cache, tmp_path
) -> None:
    out, _ = swept
    old = tmp_path / "old"
    shutil.copytree(out, old)
    table = pd.read_parquet(old / "sweep.parquet")
    path = tmp_path / "profile.yaml"
    common = ["--max-latency-p95", 9, "--name", "x", "-o", path, "--jobs", 1, "--cache", cache]
    table.assign(transcription_delay=0.3).to_parquet(old / "sweep.parquet")
    result = lab("export", old, *common)
    assert result.exit_code == 0, result.stderr
    evidence = load_profile(path).evidence
    assert evidence is not None
    assert evidence.conditions.transcription_delay == 0.3
    path.unlink()
    delays = [0.1, 0.3] * (len(table) // 2)
    table.assign(transcription_delay=delays).to_parquet(old / "sweep.parquet")
    result = lab("export", old, *common)
    assert result.exit_code == 1
    assert "its settings have transcription delays of 0.1, 0.3 s; a sweep assumes one for" in result.stderr
    assert not path.exists()


def test_a_budget_nobody_meets_is_an_error_that_says_how_close_one_comes(swept, cache, tmp_path) -> None:
    out, _ = swept
    path = tmp_path / "profile.yaml"
    result = lab(
        "export", out, "--max-latency-p95", 0.01, "--name", "x", "-o", path, "--jobs", 1, "--cache", cache
    )
    assert result.exit_code == 1
    assert "lab: error: no setting has latency_p95 <= 0.01; the least in this grid is" in result.stderr
    assert not path.exists()


def test_changed_audio_is_noticed_on_export(calls, cache, tmp_path) -> None:
    folder = tmp_path / "calls"
    shutil.copytree(calls, folder)
    out = tmp_path / "out"
    grid = ["--grid", folder / "grid.yaml"]
    assert (
        lab("sweep", folder, *grid, "--out", out, "--phases", 1, "--jobs", 1, "--cache", cache).exit_code == 0
    )
    path = next(folder.glob("01*.flac"))
    audio, rate = soundfile.read(path, dtype="int16")
    audio[1000] += 100
    soundfile.write(path, audio, rate)
    result = lab(
        "export", out, "--max-latency-p95", 9, "--name", "x", "-o", tmp_path / "p.yaml", "--cache", cache
    )
    assert result.exit_code == 1
    assert "changed since the sweep" in result.stderr


def test_export_works_from_another_directory_and_with_other_channel_names(
    cache, tmp_path, monkeypatch
) -> None:
    audio, rate = soundfile.read(next(SAMPLES.glob("01*.flac")), dtype="int16")
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "c1_cust.wav", audio[:, 0], rate)
    soundfile.write(tmp_path / "in" / "c1_bot.wav", audio[:, 1], rate)
    (tmp_path / "grid.yaml").write_text("min_delay: [0.3, 0.8]")
    monkeypatch.chdir(tmp_path)
    names = ["--user", "cust", "--agent", "bot"]
    common = ["--jobs", 1, "--cache", cache]
    swept = lab("sweep", "in", "--grid", "grid.yaml", "--out", "out", "--phases", 1, *names, *common)
    assert swept.exit_code == 0, swept.stderr
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    exported = lab("export", "../out", "--max-latency-p95", 9, "--name", "x", "-o", "p.yaml", *common)
    assert exported.exit_code == 0, exported.stderr


def test_a_sweep_of_a_manifest_is_exported_with_what_only_the_manifest_knows(cache, tmp_path) -> None:
    audio, rate = soundfile.read(next(SAMPLES.glob("01*.flac")), dtype="int16")
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "turned.wav", audio[:, ::-1], rate)
    grid = tmp_path / "grid.yaml"
    grid.write_text("min_delay: [0.3, 0.8]")
    assert lab("import", folder, "--swap").exit_code == 0
    common = ["--jobs", 1, "--cache", cache]
    manifest, out = folder / "manifest.parquet", tmp_path / "out"
    swept = lab("sweep", manifest, "--grid", grid, "--out", out, "--phases", 1, *common)
    assert swept.exit_code == 0, swept.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert summary["sources"] == [str(manifest)]
    soundfile.write(folder / "later.wav", audio[:800_000], rate)
    assert lab("import", folder, "--swap").exit_code == 0, "one more recording in the manifest"
    exported = lab("export", out, "--max-latency-p95", 9, "--name", "x", "-o", tmp_path / "p.yaml", *common)
    assert exported.exit_code == 0, exported.stderr
    assert [one.name for one in load_profile(tmp_path / "p.yaml").evidence.recordings] == ["turned"]


def test_the_same_audio_twice_is_counted_once(calls, cache, tmp_path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    for name in ("a", "b"):
        for path in calls.glob("01*"):
            shutil.copy(path, folder / path.name.replace("01_table_booking", name))
    grid = ["--grid", calls / "grid.yaml"]
    result = lab("sweep", folder, *grid, "--out", tmp_path / "out", "--phases", 1, "--cache", cache, "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert [item["name"] for item in summary["recordings"]] == ["a"]
    assert "the same audio as" in summary["skipped"][0]["reason"]


def test_without_an_end_of_turn_nothing_is_chosen(calls, cache, tmp_path) -> None:
    audio, rate = soundfile.read(next(calls.glob("01*.flac")), dtype="int16")
    soundfile.write(tmp_path / "mono.wav", np.stack((audio[:, 0], audio[:, 0]), axis=1), rate)
    grid = ["--grid", calls / "grid.yaml"]
    result = lab(
        "sweep", tmp_path / "mono.wav", *grid, "--out", tmp_path / "out", "--phases", 1, "--cache", cache
    )
    assert result.exit_code == 1
    assert "0 ends of turn" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_bad_recording_among_good_ones_is_skipped_and_reported(calls, cache, tmp_path) -> None:
    folder = tmp_path / "calls"
    shutil.copytree(calls, folder)
    (folder / "notes.wav").write_text("these are notes, not audio")
    out = tmp_path / "out"
    result = lab(
        "sweep",
        folder,
        "--grid",
        folder / "grid.yaml",
        "--out",
        out,
        "--phases",
        1,
        "--cache",
        cache,
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    (skipped,) = json.loads(result.stdout)["skipped"]
    assert "notes.wav" in skipped["path"]
    assert "not an audio file" in skipped["reason"]
    assert "lab: skipped: " in result.stderr


def silence(path: Path) -> None:
    soundfile.write(path, np.zeros((16_000, 2)), 16_000)


def nan(path: Path) -> None:
    samples = np.full((16_000, 2), 0.1, dtype=np.float32)
    samples[7] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def three_channels(path: Path) -> None:
    soundfile.write(path, np.full((16_000, 3), 0.1), 16_000)


def four_kilohertz(path: Path) -> None:
    soundfile.write(path, np.full((4_000, 2), 0.1), 4_000)


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 2)), 16_000)


def with_labels(content: str):
    def make(path: Path) -> None:
        random = np.random.default_rng(0)
        soundfile.write(path, random.normal(0, 0.1, (16_000, 2)), 16_000)
        path.with_suffix(".labels.json").write_text(content)

    return make


LABELS = '{"format": "turn-labels", "version": 1, "duration_s": 1.0, "ipus": [], "labels": [%s]%s}'


@pytest.mark.parametrize(
    ("make", "finding"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("hello"), "not an audio file"),
        (no_samples, "no samples|holds no"),
        (silence, "silent"),
        (nan, "NaN"),
        (three_channels, "3 channels"),
        (four_kilohertz, "4000 Hz|4 kHz"),
        (with_labels(LABELS % ('{"kind": "hold", "start_s": 0.5, "end_s": 9.0}', "")), "end_s"),
        (with_labels(LABELS % ("", ', "extra": 1')), "extra"),
        (with_labels("{"), "JSON"),
    ],
)
def test_bad_input_ends_in_one_line_that_names_the_file(make, finding, tmp_path) -> None:
    path = tmp_path / "call.wav"
    make(path)
    out = tmp_path / "out"
    result = lab("sweep", path, "--out", out, "--jobs", 1, "--cache", tmp_path / "cache")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("lab: ")]
    assert line.startswith("lab: error: ")
    assert str(tmp_path / "call") in line
    assert re.search(finding, line), line
    assert not out.exists()


def test_a_worker_that_died_is_told_in_one_line(capsys) -> None:
    with pytest.raises(typer.Exit) as ended, ending_well():
        list(results([Failed(WorkerDied("it ended 4 workers, one after another"))]))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == (
        "lab: error: a worker died at its work: it ended 4 workers, one after another\n"
    )


def test_unequal_channels_of_a_pair_are_named_with_both_lengths(tmp_path) -> None:
    random = np.random.default_rng(0)
    for name, seconds in (("caller", 2), ("agent", 5)):
        soundfile.write(tmp_path / f"{name}.wav", random.normal(0, 0.1, seconds * 8_000), 8_000)
    result = lab("sweep", tmp_path, "--out", tmp_path / "out", "--cache", tmp_path / "cache", "--jobs", 1)
    assert result.exit_code == 1
    assert "2.000 s" in result.stderr
    assert "5.000 s" in result.stderr


def test_a_bad_grid_is_named_before_anything_is_traced(tmp_path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("min_delays: [0.3]")
    result = lab("sweep", SAMPLES, "--grid", grid, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "unknown knob 'min_delays'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["sweep"], ["export", "x"], ["demo", "--phases", "0"], ["fly"]])
def test_wrong_usage_ends_with_2(arguments) -> None:
    assert lab(*arguments).exit_code == 2


def test_export_needs_exactly_one_budget(tmp_path) -> None:
    base = ["export", tmp_path, "--name", "x", "-o", tmp_path / "p.yaml"]
    assert lab(*base).exit_code == 2
    assert lab(*base, "--max-latency-p95", 1, "--max-false-boundary-rate", 0.1).exit_code == 2


@pytest.mark.skipif(not REAL_CALL.exists(), reason="the real call in ../shared/recordings is not here")
def test_a_real_call_goes_the_whole_way(tmp_path, cache, calls) -> None:
    out = tmp_path / "out"
    grid = ["--grid", calls / "grid.yaml"]
    result = lab(
        "sweep", REAL_CALL, *grid, "--out", out, "--phases", 1, "--cache", cache, "--jobs", 1, "--json"
    )
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["recordings"][0]["labels"] == "two channels"
    assert summary["counts"]["holds"] > 10
    assert summary["counts"]["turns"] > 5
    assert summary["held_out"] is None, "one recording has no held-out figures"


def test_the_choice_is_judged_on_bad_lines(calls, cache, tmp_path) -> None:
    (tmp_path / "g.yaml").write_text("detector: [vad]\nmin_delay: [0.5, 0.9]\n")
    arguments = ("sweep", calls, "--grid", tmp_path / "g.yaml", "--phases", 1, "--cache", cache)
    out = tmp_path / "out"
    result = lab(*arguments, "--out", out, "--condition", "noise:10+telephone", "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["lines"]
    assert {row["channel_condition"] for row in rows} == {"clean", "pink:10+telephone"}
    assert {row["setting"] for row in rows} == {"LiveKit's defaults", "chosen"}
    assert (out / "channel_conditions.png").exists()
    assert (out / "channel_conditions.parquet").exists()
    assert lab(*arguments, "--out", out).exit_code == 0
    assert not (out / "channel_conditions.png").exists()


def test_an_unknown_condition_is_named_before_anything_is_traced(calls, tmp_path) -> None:
    result = lab("sweep", calls, "--out", tmp_path / "out", "--condition", "rain:10")
    assert result.exit_code == 1
    assert "unknown part 'rain'" in result.stderr
