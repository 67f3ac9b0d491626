"""Deepgram Flux and AssemblyAI by recorded confidences: tuned, told and handed on in their own parameters."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLE_CALLS
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.core.settings import Settings
from lab_utils.latency.ablation.cells import Cell, Rows
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.recordings.find import RecordingFiles
from lab_utils.session.scripted.eager_stt import EagerStt, Thresholds
from lab_utils.turns.detectors.stt_services import SERVICES
from lab_utils.workflows.detectors.eager import (
    DIFFERS,
    eager_rows,
    eager_table,
    eager_words,
    rows_by_threshold,
)
from lab_utils.workflows.detectors.given import given_detectors
from lab_utils.workflows.detectors.tuned import settings_table

CALLS = sorted((SAMPLE_CALLS / "demo").glob("*.flac"))[:2]
FLUX, ASSEMBLYAI = SERVICES["flux"], SERVICES["assemblyai"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the pauses of two calls; every third is confident."""
    path = tmp_path_factory.mktemp("confidences") / "pauses.csv"
    lab("--detector", "vad", "--questions", str(path), "--out", str(path.parent / "first"))
    table = pd.read_csv(path)
    table["probability"] = [0.93 if row % 3 == 0 else 0.55 for row in range(len(table))]
    table.to_csv(path, index=False)
    return path


def lab(*options: str, code: int = 0) -> tuple[str, str]:
    command = ["compare", *map(str, CALLS), "--phases", "1", "--jobs", "1", *options]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == code, done.output
    return done.stdout, " ".join(done.stderr.split())


@pytest.mark.slow
def test_a_table_of_confidences_is_judged_in_the_services_own_names(asked: Path, tmp_path: Path) -> None:
    """Beside the same table judged with this project's knobs."""
    flux = f"flux={asked},eager_eot_threshold=0.6"
    detectors = ["--detector", flux, "--detector", f"assemblyai={asked},min_turn_silence=300"]
    told, _ = lab(*detectors, "--predictions", f"plain={asked}", "--out", str(tmp_path))
    assert "In the services' own names" in told
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert [one["name"] for one in summary["detectors"]] == ["own:flux", "own:assemblyai", "own:plain"]
    found = {(one["point"], one["detector"]): one for one in summary["services"]}
    assert {service for _, service in found} == {"own:flux", "own:assemblyai"}
    knobs = {(one["point"], one["detector"]): one["knobs"] for one in summary["settings"]}
    for at, one in found.items():
        ours, theirs = knobs[at], one["parameters"]
        if at[1] == "own:flux":
            assert (
                theirs["eager_eot_threshold"] == 0.6 <= theirs["eot_threshold"] == ours["unlikely_threshold"]
            )
            assert theirs["eot_timeout_ms"] == 1000 * ours["max_delay"]
            assert ours["min_delay"] == 0
            assert "stt=deepgram.STTv2(" in one["worker"]
        else:
            assert theirs["min_turn_silence"] == 300 == 1000 * ours["min_delay"]
            assert theirs["max_turn_silence"] == 1000 * ours["max_delay"]
            assert theirs["end_of_turn_confidence_threshold"] == ours["unlikely_threshold"]
            assert "stt=assemblyai.STT(" in one["worker"]


@pytest.mark.slow
def test_an_eager_threshold_is_measured_in_sessions(asked: Path, tmp_path: Path) -> None:
    """Every third silence is confident of the end; in the others a draft begins, up to 0.55."""
    flux = f"flux={asked},eot_threshold=0.7,eot_timeout_ms=3000"
    told, _ = lab("--detector", flux, "--eager", "--out", str(tmp_path))
    assert "no service was asked" in told
    rows = json.loads((tmp_path / "summary.json").read_text("utf-8"))["eager"]
    by = {row["eager"]: row for row in rows}
    assert list(by) == [None, 0.3, 0.4, 0.5, 0.6]
    none, early = by[None], by[0.5]
    assert (none["drafts"], none["thrown_away"], none["saved_ms"]) == (0, 0, 0)
    assert early["drafts"] > early["thrown_away"] > 0  # begun in holds
    assert early["saved_ms"] > 300
    assert early["saved_low_ms"] is None
    assert early["p50_ms"] < none["p50_ms"]
    assert early["dollars"] > none["dollars"]
    assert by[0.6] == none | {"eager": 0.6}  # nothing lies between 0.6 and 0.7
    assert by[0.3] == early | {"eager": 0.3}
    assert len({row["false_boundary_rate"] for row in rows}) == 1
    assert none["eot_timeout_ms"] == 3000
    assert "(?)" in told, "two recordings have no interval"


def rows_of(recording: str, totals_s: list[float], false_boundaries: int = 1, failure: str = "") -> Rows:
    """What a session of an eager sweep comes to."""
    turns = tuple({"recording": recording, "turn_total_s": total_s} for total_s in totals_s)
    counted = {"drafts": 2, "discarded_replies": 1, "dollars": 0.01, "false_boundaries": false_boundaries}
    return Rows(turns, {"turns": len(turns), "failure": failure, **counted})


def test_an_unanswered_turn_is_later_than_any_and_a_saving_has_its_interval() -> None:
    names = ("a", "b", "c")
    none = [rows_of(name, [1.0, 2.0, 3.0]) for name in names]
    early = [rows_of(name, [0.8, 1.8 - 0.1 * k, np.nan]) for k, name in enumerate(names)]
    swept = eager_table({None: none, 0.5: early}, holds=60)
    patient, eager = swept.to_dict("records")
    assert (patient["answered"], eager["answered"], eager["turns"]) == (9, 6, 9)
    assert (patient["p50_ms"], patient["p95_ms"]) == (2000, 3000)
    assert eager["p50_ms"] == pytest.approx(1700)
    assert eager["p95_ms"] == np.inf
    assert eager["saved_ms"] == pytest.approx(250)
    assert eager["saved_low_ms"] < 250 < eager["saved_high_ms"]
    assert eager["false_boundary_rate"] == 3 / 60
    _, (first, second) = eager_rows(swept)
    assert first[:4] == ["none", "2000", "3000", ""]
    assert second[:3] == ["0.5", "1700", "no answer"]
    assert second[3].startswith("250 (")
    alone = eager_table({None: none[:1], 0.5: early[:1]}, holds=20)
    assert eager_rows(alone)[1][1][3] == "200 (?)"


def test_a_session_that_failed_is_told_and_no_figures() -> None:
    files = RecordingFiles("a", CALLS[0], None, None, "stereo")
    stt = EagerStt((), Thresholds(0.7, 3.0, 0.5))
    cells = [Cell(files, str(k), Techniques(), 0, stt=stt) for k in range(2)]
    fine, failed = rows_of("a", [1.0]), rows_of("a", [1.0], failure="it hung")
    assert rows_by_threshold(cells, [fine, fine]) == {0.5: [fine, fine]}
    with pytest.raises(InputError, match=f"{CALLS[0].name}: a session failed: it hung"):
        rows_by_threshold(cells, [fine, failed])


@pytest.mark.parametrize(("point_rate", "differs"), [(0.05, False), (0.035, False), (0.0, True)])
def test_sessions_that_cut_other_holds_than_the_comparison_are_told(point_rate: float, differs: bool) -> None:
    """Three of 60 holds are cut; a difference of one hold is none."""
    swept = eager_table({None: [rows_of(name, [1.0]) for name in "abc"]}, holds=60)
    told = {
        "point_rate": point_rate,
        "eot_threshold": 0.7,
        "eot_timeout_ms": 3000,
        "silences": 9,
        "untold": 2,
    }
    words = eager_words(swept.assign(**told))
    assert f"5.0% in these sessions, {point_rate:.1%} in the comparison" in words
    assert (DIFFERS in words) == differs


def test_an_eager_end_of_turn_needs_confidences(tmp_path: Path) -> None:
    _, told = lab("--detector", "vad", "--eager", "--out", str(tmp_path), code=1)
    assert "can't be told without the service's recorded confidences" in told


def test_a_worker_sets_the_plug_ins_own_parameters() -> None:
    """Names and units of livekit-plugins-deepgram and -assemblyai 1.8.9; milliseconds are whole."""
    given = {"eot_threshold": 0.7, "eot_timeout_ms": 2500.0}
    settings = Settings().replace(detector="own:flux", unlikely_threshold=0.7, max_delay=2.5, min_delay=0.0)
    assert FLUX.options_of(settings) == given
    stt = arguments_of(FLUX.worker_code(given), "STTv2")
    assert stt == {"model": "flux-general-en", "eot_threshold": 0.7, "eot_timeout_ms": 2500}
    assert isinstance(stt["eot_timeout_ms"], int)
    session = arguments_of(FLUX.worker_code(given), "AgentSession")
    assert session["turn_handling"] == {"turn_detection": "stt", "endpointing": {"min_delay": 0.0}}
    assert set(arguments_of(ASSEMBLYAI.worker_code({"min_turn_silence": 400}), "STT")) == {
        "model",
        "min_turn_silence",
    }


def arguments_of(code: str, constructor: str) -> dict[str, object]:
    """What a call is given, where that is a value."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and constructor == getattr(
            node.func, "attr", getattr(node.func, "id", "")
        ):
            values = {one.arg: one.value for one in node.keywords if one.arg}
            return {
                name: ast.literal_eval(value)
                for name, value in values.items()
                if not isinstance(value, ast.Call)
            }
    raise AssertionError(f"no {constructor} in {code}")


@pytest.mark.parametrize(
    ("service", "fixed", "why"),
    [
        ("flux", "eot_threshold=0.4", "eot_threshold 0.4: expected a confidence from 0.5 to 1"),
        ("flux", "eot_timeout_ms=400", "eot_timeout_ms 400: expected whole ms from 500 to 60000"),
        ("flux", "eot_timeout_ms=1000.5", "eot_timeout_ms 1000.5: expected whole ms"),
        ("flux", "eager_eot_threshold=0.2", "eager_eot_threshold 0.2: expected a confidence from 0.3 to 0.9"),
        (
            "flux",
            "eager_eot_threshold=0.8,eot_threshold=0.7",
            "eager_eot_threshold 0.8 is above eot_threshold",
        ),
        (
            "flux",
            "min_turn_silence=100",
            "has no min_turn_silence; it has eager_eot_threshold, eot_threshold",
        ),
        ("flux", "eot_threshold=high", "'eot_threshold=high' is no parameter with a number"),
        ("assemblyai", "end_of_turn_confidence_threshold=70", "expected a confidence from 0 to 1"),
        ("flux", "eot_threshold=1", "eot_threshold 1 ends no turn by confidence, which isn't modelled"),
        ("assemblyai", "min_turn_silence=160", "whole ms from 250 to 60000; shorter silences can't be told"),
        (
            "assemblyai",
            "min_turn_silence=6000",
            "min_turn_silence 6000 is above max_turn_silence 5000; give a shorter min_turn_silence",
        ),
        ("assemblyai", "max_turn_silence=260", "min_turn_silence 300 is above max_turn_silence 260"),
    ],
)
def test_what_a_service_refuses_is_refused(tmp_path: Path, service: str, fixed: str, why: str) -> None:
    table = tmp_path / "pauses.csv"
    table.write_text("sha256,time_s,probability\nabc,1.0,0.6\n")
    with pytest.raises(InputError, match=why):
        given_detectors([f"{service}={table},{fixed}"])


def test_what_it_is_tuned_to_lies_within_its_ranges(tmp_path: Path) -> None:
    table = tmp_path / "pauses.csv"
    table.write_text("sha256,time_s,probability\nabc,1.0,0.6\n")
    for name, service in SERVICES.items():
        (one,) = given_detectors([f"{name}={table}"])
        settings = settings_table(one)
        assert len(settings) > 50
        for option in service.options.values():
            if option.knob:
                values = settings[option.knob] * (1000 if option.is_ms else 1)
                assert values.between(option.low, option.high).all()
                assert values.nunique() == len(option.values)
    for given, why in (
        (["flux="], "expected a table"),
        ([f"flux={table}+wait_shape"], "decides by itself"),
        ([f"flux={table}"] * 2, "called own:flux; a service takes one table"),
    ):
        with pytest.raises(InputError, match=why):
            given_detectors(given)
