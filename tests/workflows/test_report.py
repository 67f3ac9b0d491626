"""The page to send: self-contained, escaped, and without voices or words unless they are asked for."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from paths import SAMPLES
from test_browser import CHROMIUM, CHROMIUM_ARGS
from typer.testing import CliRunner

import lab_utils as lab
from lab_utils.cli import app
from lab_utils.turns.told_settings import AsRecorded
from lab_utils.workflows.report import report_page, verdict, worst_failures
from lab_utils.workflows.study import Skipped
from lab_utils.workflows.study.failures import Failure, failures_of
from lab_utils.workflows.study.slices import slice_rows, slices_beside

pytestmark = pytest.mark.slow

GRID = {"detector": ["vad", "v1-mini"], "min_delay": [0.3, 0.8], "max_delay": [1.6, 2.5]}
ODD = "<b>call & co</b>"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    for name, other in (("02_lost_parcel", ODD.replace("/", "_")), ("01_table_booking", "01_table_booking")):
        for suffix in (".flac", ".labels.json"):
            shutil.copy(SAMPLES / f"{name}{suffix}", folder / f"{other}{suffix}")
    return folder


@pytest.fixture(scope="module")
def study(calls: Path, cache: Path) -> lab.Study:
    return lab.measure(calls, grid=GRID, phases=1, cache=cache, quiet=True, jobs=1)


@pytest.fixture(scope="module")
def choice(study: lab.Study) -> lab.Choice:
    return study.choose(lab.Budget.false_boundary_rate(0.10), nearest=True)


class Links(HTMLParser):
    """Whatever a browser would load, and whether each tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_whole_and_loads_nothing(study: lab.Study, choice: lab.Choice) -> None:
    page = report_page(study, choice, name="support & line", failures=3)
    links = Links(page)
    assert not links.open
    assert links.loaded
    assert all(one.startswith("data:image/png;base64,") for one in links.loaded)
    assert "default-src 'none'" in page
    assert "support &amp; line" in page
    assert len(page) < 5_000_000


def test_the_figures_are_those_of_the_choice(study: lab.Study, choice: lab.Choice) -> None:
    page = report_page(study, choice, failures=0)
    for column in choice.columns.values():
        value = column.loc["false_boundary_rate", "value"]
        assert f"{value:.1%}".replace("%", " %") in page
    assert study.profile(choice, "report").snippet().splitlines()[0].replace("'", "&#x27;") in page
    for line in study.conditions.in_words:
        assert line.split(":")[0] in page


def test_slices_and_what_the_calls_were_recorded_with_are_there(study: lab.Study, choice: lab.Choice) -> None:
    own = AsRecorded(choice.defaults, 1, 2, ("VAD: livekit <b>", "endpointing mode: fixed"))
    page = report_page(study, dataclasses.replace(choice, own=own), failures=0, by=["recording", "length"])
    assert not Links(page).open
    assert "<h2>By recording</h2>" in page
    assert "<h2>By length</h2>" in page
    rows, small = slice_rows(slices_beside(study, choice, ["recording"]), "recording")
    assert {row[0] for row in rows} == {one.name for one in study.corpus.recordings}
    assert {row[1] for row in rows} == {"LiveKit's defaults", "chosen"}
    assert small
    for cell in rows[0][2:]:
        assert f">{cell}<" in page
    assert "as recorded (1 of 2 calls)</th>" in page
    assert "assumed VAD: livekit &lt;b&gt;; endpointing mode: fixed" in page
    assert "<h2>By" not in report_page(study, choice, failures=0)


def test_names_are_shown_as_they_are(study: lab.Study, choice: lab.Choice) -> None:
    page = report_page(study, choice, failures=100)
    assert "<b>call" not in page
    assert "&lt;b&gt;call &amp; co" in page


def test_voices_and_words_are_there_only_if_asked_for(study: lab.Study, choice: lab.Choice) -> None:
    words = {one.words for one in failures_of(study, choice.settings)} - {""}
    assert words
    plain = report_page(study, choice, failures=100)
    assert "audio/wav" not in plain
    assert not [said for said in words if said in plain]
    full = report_page(study, choice, failures=100, sound=True, words=True)
    assert full.count("data:audio/wav") == len(failures_of(study, choice.settings))
    assert "media-src data:" in full
    assert any(said.replace("'", "&#x27;") in full for said in words)


def test_the_verdict_says_what_changes(choice: lab.Choice) -> None:
    told = verdict(choice)
    rate, before = (frame.loc["false_boundary_rate", "value"] for frame in (choice.chosen, choice.defaults))
    assert f"in {rate:.0%} of their pauses; LiveKit's defaults do in {before:.0%}" in told
    wait_s = choice.chosen.loc["latency_mean", "value"] - choice.defaults.loc["latency_mean", "value"]
    assert f"{abs(wait_s):.2f} s {'later' if wait_s >= 0 else 'sooner'} on average" in told


def test_the_verdict_owns_up_to_chance(choice: lab.Choice) -> None:
    def between(frame: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
        changed = frame.copy()
        changed.loc["false_boundary_rate", ["low", "high"]] = low, high
        return changed

    from dataclasses import replace

    near = replace(
        choice, chosen=between(choice.chosen, 0.05, 0.4), defaults=between(choice.defaults, 0.3, 0.7)
    )
    far = replace(
        choice, chosen=between(choice.chosen, 0.05, 0.2), defaults=between(choice.defaults, 0.3, 0.7)
    )
    assert "may be chance" in verdict(near)
    assert "may be chance" not in verdict(far)
    unknown = choice.chosen.copy()
    unknown.loc["latency_mean", "value"] = float("nan")
    assert verdict(replace(choice, chosen=unknown)).startswith("Not enough data")


def test_of_many_failures_and_recordings_left_out_some_are_told(study: lab.Study, choice: lab.Choice) -> None:
    every = len(failures_of(study, study.defaults))
    assert every > 1
    left_out = tuple(Skipped(f"{k}.wav", f"{k}.wav: is empty") for k in range(12))
    many = dataclasses.replace(study, skipped=left_out)
    by_default = dataclasses.replace(choice, settings=study.defaults)
    page = report_page(many, by_default, failures=1)
    assert "The 1 worst failure under the chosen setting</h2><p>Those after which" in page
    assert f"goes on soonest, of {every}; <code>lab tune</code> lists them all.</p>" in page
    assert "9.wav: is empty" in page
    assert "10.wav" not in page
    assert "Left out: 2 more; summary.json of the sweep has all." in page
    assert f"<h2>{every} failures under the chosen setting</h2>" in report_page(study, by_default, failures=0)
    several = dataclasses.replace(study, phases=4)  # whose first take is the one that is listed
    assert f"soonest, of {every} in the first take;" in report_page(several, by_default, failures=1)


def test_the_worst_are_those_after_which_the_caller_goes_on_soonest() -> None:
    def failure(number: int, after_s: float, pause_s: float) -> Failure:
        return Failure(number, "a", 1.0, "vad", None, "hold", 0.0, after_s, pause_s, "")

    found = [failure(0, 0.5, 2.0), failure(1, 0.5, 0.75), failure(2, 0.25, 0.5), failure(3, 1.0, 1.0)]
    assert [one.number for one in worst_failures(found, 3)] == [3, 1, 2]


def test_the_command_writes_it(calls: Path, cache: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        done = CliRunner().invoke(app, [str(one) for one in (*arguments, "--cache", cache, "--jobs", 1)])
        assert done.exit_code == 0, done.output
        return done.stdout

    grid = tmp_path / "grid.yaml"
    grid.write_text("\n".join(f"{name}: {json.dumps(values)}" for name, values in GRID.items()))
    with_broken = shutil.copytree(calls, tmp_path / "calls")
    for k in range(12):
        (with_broken / f"broken_{k:02}.wav").write_bytes(b"RIFF")
    run("sweep", with_broken, "--grid", grid, "--out", tmp_path / "out", "--phases", 1)
    page = tmp_path / "to send" / "page.html"
    more = ("--by", "length", "--transcription-delay", 0.4)
    told = json.loads(run("report", tmp_path / "out", "-o", page, "--failures", 2, *more, "--json"))
    assert told["report"] == str(page)
    assert told["bytes"] == page.stat().st_size
    text = page.read_text(encoding="utf-8")
    assert "<h2>By length</h2>" in text
    assert "transcripts 0.40 s after speech: given" in text
    assert re.search(r"The 2 worst failures|The 1 worst failure|No failures", text)
    assert len(re.findall(r"<li>Left out: \S+broken_\d\d\.wav: ", text)) == 10
    assert "<li>Left out: 2 more; summary.json of the sweep has all.</li>" in text
    summary = tmp_path / "out" / "summary.json"
    told = json.loads(summary.read_text())
    assert len(told.pop("skipped")) == 12
    summary.write_text(json.dumps(told))  # as before they were told
    run("report", tmp_path / "out", "-o", tmp_path / "old.html", "--failures", 0)
    bad = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--by", "colour", "-o", str(page)])
    assert "can't slice by 'colour'; expected some of language" in bad.output
    bad = CliRunner().invoke(app, ["report", str(tmp_path), "-o", str(page)])
    assert bad.exit_code == 1
    assert "give a folder made by 'lab sweep'" in bad.output
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.browser
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it")
def test_from_disk_it_is_read_heard_and_printed(study: lab.Study, choice: lab.Choice, tmp_path: Path) -> None:
    """Without a network, as by a colleague who has nothing installed; on paper nothing sticks out."""
    from playwright.sync_api import sync_playwright

    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    defaults = dataclasses.replace(choice, settings=study.defaults)  # has failures
    page = report_page(study, defaults, name="A name", sound=True, words=True, failures=2)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        context = browser.new_context(viewport={"width": 1024, "height": 800}, offline=True)
        opened = context.new_page()
        told: list[str] = []
        opened.on("console", lambda message: told.append(message.text))
        opened.goto((tmp_path / "page.html").as_uri())
        opened.locator("audio").first.evaluate("e => { e.muted = true; return e.play(); }")
        opened.wait_for_function("() => document.querySelector('audio').currentTime > 0.1")
        assert not told
        opened.emulate_media(media="print")
        opened.set_viewport_size({"width": 680, "height": 1000})  # A4 less its margins
        wide = "e => e.scrollWidth > e.clientWidth + 1"
        assert not [one for one in opened.locator("pre, .scroll, body").all() if one.evaluate(wide)]
        assert not opened.locator("audio").first.is_visible()
        opened.pdf(path=tmp_path / "page.pdf", format="A4")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        opened.emulate_media(media="screen")
        violations = axe.run(opened).response["violations"]
        browser.close()
    assert not [one["id"] for one in violations if one["impact"] in ("serious", "critical")]
