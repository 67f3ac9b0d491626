"""`lab check`: judgements, what CI reads, exit codes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLES
from synthetic import traced_of
from typer.testing import CliRunner

from lab_utils import cli, load
from lab_utils.core.labels import Labels
from lab_utils.core.recording import Recording
from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.core.traces import Traced
from lab_utils.recordings.labels.file import read_labels
from lab_utils.recordings.recording_files import FindOptions, RawFormat
from lab_utils.turns.metrics.changes import Change, Difference
from lab_utils.turns.metrics.uncertainty import UNTOLD, Interval
from lab_utils.turns.pins import Pin, PinnedCall, PinnedCommit, PinnedLabel, add_pin
from lab_utils.turns.profile import Profile, save_profile
from lab_utils.workflows import check as checks
from lab_utils.workflows.check import Allowances, Budgets, Check, junit, markdown, plain
from lab_utils.workflows.check.judge import CALLS_AS_COLUMNS, PinFinding, findings_of

SAME = Difference(0.1, 0.1, 0.0, Interval(0.0, 0.0))
NO_BUDGETS = Budgets(missed_rate=None)


def changed(
    rate: Difference = SAME, latency: Difference = SAME, missed: Difference = SAME, recordings: int = 12
) -> Change:
    return Change(recordings, rate, latency, replace(SAME, interval=UNTOLD), missed)


def by(difference: float, low: float | None, high: float | None) -> Difference:
    return Difference(0.2, 0.2 + difference, difference, Interval(low, high))


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (by(-0.10, -0.15, -0.05), "no worse"),
        (by(0.01, 0.00, 0.02), "no worse"),  # worse beyond chance, and no more than is allowed
        (by(0.01, -0.01, 0.03), "can't be told"),
        (by(0.05, -0.01, 0.11), "can't be told"),
        (by(0.05, 0.01, 0.09), "worse"),
        (by(0.015, 0.001, 0.029), "can't be told"),  # less than is allowed, as far as was seen
        (by(0.00, -0.05, 0.05), "can't be told"),  # no difference on the whole, but one call against another
        (by(0.05, None, None), "can't be told"),
        (Difference(np.nan, np.nan, np.nan), "can't be told"),
    ],
)
def test_a_figure_is_judged_by_its_paired_interval_and_its_allowance(
    found: Difference, judgement: str
) -> None:
    (first, *others) = findings_of(changed(rate=found), Allowances(), NO_BUDGETS)
    assert first.judgement == judgement
    assert {one.judgement for one in others} == {"no worse"}


def test_equal_settings_are_no_worse_on_a_single_call() -> None:
    one_call = replace(SAME, interval=UNTOLD)
    found = findings_of(changed(one_call, one_call, one_call, 1), Allowances(), NO_BUDGETS, same=True)
    assert {one.judgement for one in found} == {"no worse"}


def test_a_budget_is_judged_by_the_figure_itself() -> None:
    slow = changed(latency=by(-0.5, -0.6, -0.4))
    found = findings_of(slow, Allowances(), Budgets(latency_mean=-0.4, latency_p95=0.1, missed_rate=0.2))
    assert [(one.figure, one.judgement) for one in found if one.budget] == [
        ("latency_mean", "no worse" if slow.latency_mean.after <= -0.4 else "worse"),
        ("latency_p95", "no worse"),
        ("missed_rate", "no worse"),
    ]
    assert found[-3].judgement == "worse"


@pytest.mark.parametrize(
    ("rates", "whole"),
    [
        ([SAME, SAME], "no worse"),
        ([by(0.05, -0.01, 0.11), SAME], "can't be told"),
        ([by(0.05, -0.01, 0.11), by(0.9, 0.8, 1.0)], "worse"),
    ],
)
def test_the_whole_is_as_bad_as_its_worst_part(rates: list[Difference], whole: str) -> None:
    found = changed(rates[0], rates[1])
    assert Check(findings_of(found, Allowances(), NO_BUDGETS), (), found, pd.DataFrame()).judgement == whole


def pin_of(call: Recording | Traced, start_s: float) -> Pin:
    return Pin(
        call=PinnedCall(name=call.name, sha256=call.sha256, duration_s=call.duration_s, traces=""),
        label=PinnedLabel(kind="hold", start_s=start_s, end_s=start_s + 1.0),
        commit=PinnedCommit(time_s=start_s + 0.5, cause="vad", probability=None),
        settings=Settings(),
        conditions=USUAL_CONDITIONS,
        when=dt.datetime(2026, 11, 29, tzinfo=dt.UTC),
    )


def check_with_names() -> Check:
    """A worse profile; names that would be markup."""
    pin = pin_of(traced_of(Labels(9.0, (), ()), name="<call>"), 3.0)
    pins = (PinFinding(pin, 4, 0), PinFinding(pin, 4, 3), PinFinding(pin, 0, 0, found=False))
    rows = [
        ("a|b <b>_call_", "cuts off", 4.25, np.nan, 0.3),
        ("call\n2", "later", 9.0, 0.4, 1.5),
        ("call 3", "later", 9.0, 0.4, np.nan),
    ]
    found = changed(by(0.05, 0.01, 0.09), by(0.2, -0.1, 0.5))
    calls = pd.DataFrame(rows, columns=CALLS_AS_COLUMNS)
    return Check(findings_of(found, Allowances(), Budgets(missed_rate=0.2)), pins, found, calls)


def test_junit_has_a_case_per_figure_with_the_calls_in_failures() -> None:
    suite = ElementTree.fromstring(junit(check_with_names(), "new <1>", "old & gone"))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "7", "failures": "2", "errors": "2"
    }  # fmt: skip
    assert [case.get("classname") for case in suite.iter("testcase")] == ["new <1>"] * 7
    failure, of_pin = suite.iter("failure")
    assert of_pin.get("message") == "worse: pinned pause of <call> at 3.00 s: cut off in 3 of 4 takes"
    assert failure.get("message", "").startswith("worse: false boundaries per hold: 20.0 % → 25.0 %")
    assert (failure.text or "").splitlines() == [
        "a|b <b>_call_ at 4.25 s: cuts the caller off 0.30 s into a pause that the baseline lets pass",
        "call 2 at 9.00 s: answers after 1.50 s instead of 0.40 s",
        "call 3 at 9.00 s: never answers, the baseline after 0.40 s",
    ]


def test_markdown_shows_names_as_they_are() -> None:
    text = markdown(check_with_names(), "new_1", "old")
    assert r"a\|b \<b\>\_call\_ at 4.25 s" in text
    assert text.startswith("### Turn-taking: new\\_1 is **worse** than old\n")
    assert "call 2" in text


def test_json_has_nulls_and_no_nan() -> None:
    found = json.loads(json.dumps(plain(check_with_names()), allow_nan=False))
    assert found["judgement"] == "worse"
    assert found["calls"][0]["baseline_s"] is None
    assert found["findings"][0]["low"] == 0.01


@pytest.mark.slow
def test_ci_gets_0_for_no_worse_1_for_worse_and_2_for_what_cannot_be_told_or_run(tmp_path: Path) -> None:
    def settings(min_delay: float) -> Path:
        path = tmp_path / f"{min_delay:g}.yaml"
        knobs = {"detector": "vad", "min_delay": min_delay}
        save_profile(Profile(name=f"silence {min_delay:g} s", settings=Settings.from_knobs(knobs)), path)
        return path

    calls = sorted((SAMPLES / "calls" / "demo").glob("*.flac"))[:4]

    def run(profile: Path, baseline: Path, *more: str, n: int = 4) -> tuple[int, str]:
        of = ["--profile", str(profile), "--baseline", str(baseline), "--phases", "1"]
        found = CliRunner().invoke(cli.app, ["check", *map(str, calls[:n]), *of, *more])
        return found.exit_code, found.output

    quick, slow = settings(0.5), settings(1.5)
    report = tmp_path / "check.xml"
    assert run(quick, quick)[0] == 0
    assert run(slow, quick, "--allow-latency", "2")[0] == 0
    code, told = run(slow, quick, "--junit", str(report), "--json")
    assert (code, json.loads(told[told.index("{") :])["judgement"]) == (1, "worse")
    assert ElementTree.parse(report).getroot().get("failures") == "1"
    code, told = run(quick, slow)
    assert code == 1
    assert "cuts the caller off" in told
    assert run(quick, quick, "--max-false-boundary-rate", "0.1")[0] == 1
    assert run(slow, quick, n=1)[0] == 2
    assert run(tmp_path / "none.yaml", quick)[0] == 2
    assert run(quick, quick, "--pins", str(tmp_path))[0] == 2

    labels = read_labels(calls[0].with_suffix(".labels.json"))
    short = next(one for one in labels.labels if one.kind == "hold" and 0.8 < one.end_s - one.start_s < 1.4)
    add_pin(tmp_path, pin_of(load(calls[0]), short.start_s))
    assert run(slow, slow, "--pins", str(tmp_path))[0] == 0
    code, told = run(quick, quick, "--pins", str(tmp_path))
    assert code == 1
    assert "cut off in 1 of 1 takes" in told

    pinned = tmp_path / "calls.pinned.json"
    made = CliRunner().invoke(
        cli.app, ["pin", str(calls[0]), "--pins", str(tmp_path), "-o", str(pinned), "--phases", "1", "--json"]
    )
    assert json.loads(made.stdout) == {"pins": 1, "calls": 1, "out": str(pinned)}
    for profile, expected in ((slow, 0), (quick, 1)):
        found = CliRunner().invoke(cli.app, ["check", str(pinned), "--profile", str(profile)])
        assert found.exit_code == expected, found.output


def test_check_finds_recordings_as_sweep_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def seen(paths: list[Path], *_: object, options: FindOptions, **__: object) -> None:
        given.append(options)
        raise ValueError("enough seen")

    monkeypatch.setattr(checks, "check", seen)
    profile = tmp_path / "new.yaml"
    save_profile(Profile(name="new", settings=Settings()), profile)
    how = ["--pair", "{name}-{channel:rx|tx}.wav", "--raw", "ulaw,8000", "--swap"]
    CliRunner().invoke(cli.app, ["check", str(tmp_path), "--profile", str(profile), *how])
    assert given == [
        FindOptions("caller", "agent", "{name}-{channel:rx|tx}.wav", RawFormat("ulaw", 8000, 1), True)
    ]
