"""Detectors side by side: equal ones are equal, a knowing one leads, tables answer, results are written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLE_CALLS
from recording_fixtures import RECORDINGS
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.core.policies import SHAPES
from lab_utils.workflows import detectors as workflow
from lab_utils.workflows.detectors import Comparison, compare_detectors
from lab_utils.workflows.detectors.given import given_detectors

CALLS = sorted((SAMPLE_CALLS / "demo").glob("*.flac"))[:5]
POINT = "10% false boundaries"


def ended(audio, words) -> float:
    """Whether what was said so far ends a sentence."""
    return 0.95 if words and words[-1].text.endswith((".", "?", "!")) else 0.1


def same(audio, words) -> float:
    return ended(audio, words)


def knowing_table(compared: Comparison, path: Path) -> pd.DataFrame:
    """The questions with the right answers, but for one that is left open."""
    asked = workflow.questions(compared)
    holds = {
        (one.sha256, start_s)
        for one in compared.corpus.recordings
        for start_s in one.labels.of_kind("hold")[:, 0]
    }
    pairs = zip(asked["sha256"], asked["time_s"], strict=True)
    asked["probability"] = [0.02 if pair in holds else 0.98 for pair in pairs]
    asked.loc[asked.index[asked["sha256"] == asked["sha256"][0]][-1], "probability"] = np.nan
    asked.to_csv(path, index=False)
    return asked


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Five calls: silence, LiveKit's model, one function under two names, and a table that knows all."""
    folder = tmp_path_factory.mktemp("tables")
    first = compare_detectors(CALLS, ["vad"], phases=1, quiet=True, jobs=1)
    knowing_table(first, folder / "knowing.csv")
    named = ["vad", "v1-mini", ended, same]
    tables = [folder / "knowing.csv"]
    return compare_detectors(CALLS, named, predictions=tables, phases=1, quiet=True, jobs=1)


@pytest.mark.slow
def test_equal_detectors_are_equal_everywhere_and_told_so(compared: Comparison) -> None:
    assert compared.names == ["vad", "v1-mini", "own:ended", "own:same", "own:knowing"]
    one, other = (compared.results[name].table.drop(columns="detector") for name in ("own:ended", "own:same"))
    pd.testing.assert_frame_equal(one, other)
    pairs = compared.differences
    twins = pairs[(pairs["first"] == "own:ended") & (pairs["second"] == "own:same")]
    compared_twins = twins[twins["verdict"] != "not compared"]
    assert len(twins) == 6
    assert len(compared_twins) >= 3
    assert (compared_twins["difference"] == 0).all()
    assert (compared_twins["verdict"] == "can't be told apart").all()
    assert len(pairs) == 60  # ten pairs at six points
    assert (pairs["p_holm"].dropna() >= pairs["p"].dropna()).all()


@pytest.mark.slow
def test_a_detector_that_knows_leads_and_its_open_answer_is_counted(compared: Comparison) -> None:
    points = compared.points.set_index(["point", "detector"])
    knowing, silence = points.loc[(POINT, "own:knowing")], points.loc[(POINT, "vad")]
    assert knowing["gets_there"]
    assert knowing["latency_mean"] < silence["latency_mean"]
    assert compared.calibrations["own:knowing"].roc_auc == 1.0
    assert compared.calibrations["own:knowing"].brier < compared.calibrations["v1-mini"].brier
    asked = {name: one.n + one.unanswered for name, one in compared.calibrations.items()}
    assert len(set(asked.values())) == 1
    assert (
        compared.calibrations["own:knowing"].unanswered == compared.calibrations["own:ended"].unanswered + 1
    )
    sentence = next(text for text in compared.verdicts if POINT in text)
    assert sentence.startswith(f"At {POINT}: own:knowing has the least") or "own:ended" in sentence
    assert all(text.startswith("At ") for text in compared.verdicts)
    assert len(compared.verdicts) == 6
    assert set(compared.slices["detector"]) == set(compared.names)
    costs = compared.cost_ms
    assert costs["own:ended"] >= 0
    assert np.isnan([costs["vad"], costs["own:knowing"]]).all()


@pytest.mark.slow
def test_results_are_written_whole_and_the_same_again(compared: Comparison, tmp_path: Path) -> None:
    first = workflow.write_results(compared, tmp_path / "a")
    workflow.write_results(compared, tmp_path / "b")
    assert {path.name for path in (tmp_path / "a").iterdir()} == set(workflow.FILES)
    for name in workflow.FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    read = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert read == json.loads(json.dumps(first, allow_nan=False))
    assert read["counts"]["recordings"] == 5
    assert {row["detector"] for row in read["points"]} == set(compared.names)
    drawn = compared.plot_tradeoff().axes[0]
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == compared.names
    assert "own:knowing" in compared._repr_html_()
    assert workflow.write_questions(compared, tmp_path / "q.csv") == len(workflow.questions(compared))


@pytest.mark.slow
def test_a_table_about_other_audio_is_refused_and_one_about_some_leaves_out_the_others(
    compared: Comparison, tmp_path: Path
) -> None:
    table = knowing_table(compared, tmp_path / "all.csv")
    some = table[table["sha256"] != compared.corpus.recordings[0].sha256]
    some.to_csv(tmp_path / "some.csv", index=False)
    less = compare_detectors(
        CALLS[:3], ["vad"], predictions=[tmp_path / "some.csv"], phases=1, quiet=True, jobs=1
    )
    assert [one.name for one in less.corpus.recordings] == [path.stem for path in CALLS[1:3]]
    assert [item.path for item in less.skipped] == [str(CALLS[0])]
    assert "own:some says nothing about this audio (sha256" in less.skipped[0].reason
    table.assign(sha256="f" * 64, time_s=range(len(table))).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(
        InputError, match=r"own:other says nothing about this audio .* the table is about other"
    ):
        compare_detectors(
            CALLS[:1], ["vad"], predictions=[tmp_path / "other.csv"], phases=1, quiet=True, jobs=1
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--detector", "nope"],
            "unknown detector 'nope'; expected vad, stt, english, multilingual, v1-mini, smart-turn, "
            "cloud-v1, recorded, or a function",
        ),
        (["--detector", "no_such_module_here:f"], "no module 'no_such_module_here' here or installed"),
        (["--detector", "json:dumb"], "json has no function 'dumb'; it has"),
        (["--detector", "vad", "--detector", "vad"], "two detectors are called vad; give one another name"),
        (["--predictions", "none.csv"], "none.csv: No such file or directory; give a table of probabilities"),
    ],
)
def test_detectors_that_are_none_are_told_in_a_line(options: list[str], message: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.app, ["compare", str(CALLS[0]), "--out", str(tmp_path / "out"), *options])
    assert found.exit_code == 1
    assert message in " ".join(found.output.split())
    assert found.output.count("\n") == 1


def test_recordings_without_a_session_have_no_recorded_answers() -> None:
    with pytest.raises(InputError, match="recorded: no recording holds what its own detector said"):
        compare_detectors(CALLS[0], ["recorded"], quiet=True, jobs=1)


@pytest.mark.slow
def test_what_a_recorded_sessions_detector_said_is_compared_and_told_as_approximate(tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / "otlp" / "call-17.otlp.json", tmp_path)
    shutil.copy(RECORDINGS / "livekit" / "call-17" / "audio.ogg", tmp_path / "call-17.ogg")
    found = compare_detectors(tmp_path, ["vad", "recorded"], phases=1, quiet=True, jobs=1)
    assert found.names == ["vad", "own:recorded"]
    told = found.detectors[1].in_words
    assert told.startswith("own:recorded: 2 answers about 1 recording(s)")
    assert told.endswith("approximate")
    assert found.calibrations["own:recorded"].n + found.calibrations["own:recorded"].unanswered > 0
    assert workflow.summary_of(found)["detectors"][1]["answers"] == told


def test_detectors_are_named_by_themselves_or_as_given() -> None:
    found = given_detectors(["v1-mini", "length=lab_utils.turns.detectors.examples:is_quiet", ended])
    assert [one.name for one in found] == ["v1-mini", "own:length", "own:ended"]


@pytest.mark.slow
def test_a_detector_stands_beside_itself_with_waits_that_fall_with_its_probability(tmp_path: Path) -> None:
    quiet = "quiet=lab_utils.turns.detectors.examples:is_quiet"
    given = [quiet, f"{quiet}+wait_shape", f"{quiet}+extra_delay"]
    found = compare_detectors(CALLS[:2], given, phases=1, quiet=True, jobs=1)
    assert found.names == ["own:quiet", "own:quiet+wait_shape", "own:quiet+extra_delay"]
    two, shaped, extended = (found.results[name].table for name in found.names)
    assert set(extended["extra_delay_numbers"]) == {0.0, 0.7, 1.4}
    others = ["min_silence_duration", "min_delay", "max_delay", "unlikely_threshold"]
    assert (extended.groupby(others)["latency_mean"].nunique() > 1).any()
    assert two["wait_shape"].isna().all()
    assert set(map(str, shaped["wait_shape"])) == {"linear", "early", "late"}
    assert set(shaped["detector"]) == set(two["detector"]) == {"own:quiet"}
    assert set(found.differences["second"]) == {"own:quiet+wait_shape", "own:quiet+extra_delay"}
    assert found.calibrations["own:quiet"].n == found.calibrations["own:quiet+wait_shape"].n
    workflow.write_results(found, tmp_path)
    knobs = json.loads((tmp_path / "summary.json").read_text())["settings"][1]["knobs"]
    assert knobs["wait_shape"] in [[list(point) for point in shape] for shape in SHAPES.values()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("vad+wait_shape", r"vad\+wait_shape: vad gives no probability, which such waits need; leave"),
        ("v1-mini+wait_shape+extra_delay", r"v1-mini\+wait_shape has a policy already; leave \+extra"),
        ("none+wait_shape", "unknown detector 'none'"),
    ],
)
def test_waits_can_fall_only_with_a_probability(given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        given_detectors([given])
