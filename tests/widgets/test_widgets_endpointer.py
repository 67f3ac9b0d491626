"""Beat the endpointer: judged headless by what Python says, and played by keyboard in Chromium."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from calls import copy_samples
from test_browser import CHROMIUM, CHROMIUM_ARGS
from widget_page import live

import lab_utils as lab
from lab_utils.workflows.listener import choose_turns

NAMES = ("02_lost_parcel", "01_table_booking", "03_blocked_card")
TURNS = 8
IN_HOLD_S = 0.1

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> lab.Study:
    folder = copy_samples(tmp_path_factory.mktemp("calls"), *NAMES)
    grid = {"detector": ["v1-mini"], "min_delay": [0.3, 0.5], "max_delay": [2.5]}
    return lab.measure(folder, grid=grid, phases=1, quiet=True, jobs=1)


def holds_s(study: lab.Study, heard: Any) -> list[float]:
    """Where a turn's holds begin, from its first word."""
    labels = study.corpus.recordings[heard.recording].labels
    starts_s = labels.of_kind("hold")[:, 0].tolist()
    return [at_s - heard.speaks_s for at_s in starts_s if heard.speaks_s < at_s < heard.end_s]


def test_who_waits_for_the_end_is_right_and_who_presses_in_every_pause_cuts_them_all(
    study: lab.Study,
) -> None:
    turns = choose_turns(study.corpus, TURNS)
    patient, eager = lab.BeatTheEndpointer(study, TURNS), lab.BeatTheEndpointer(study, TURNS)
    for heard in turns:
        end_s = heard.end_s - heard.speaks_s
        assert patient.press([end_s + 0.5]) == "You answered 0.50 s after the end."
        pauses = holds_s(study, heard)
        said = eager.press([*(at_s + IN_HOLD_S for at_s in pauses), end_s + 0.25])
        assert said.startswith("You cut the caller off") == bool(pauses)
    rate, _, latency, missed = patient.table["you"]
    assert (rate.split(" %")[0], latency.split(" (")[0], missed.split(" %")[0]) == ("0.0", "500 ms", "0.0")
    assert eager.table["you"].iloc[0].startswith("100.0 %")
    assert patient.table[patient.table.columns[1]].equals(eager.table[eager.table.columns[1]])
    assert "LiveKit's defaults" in patient.table.columns[1]
    assert patient.sentence.startswith("From LiveKit's defaults to you: ")
    assert "cut off" in eager.sentence
    assert len(patient.rows) == 4
    assert patient.picture.startswith(b"\x89PNG")
    assert patient.cuts == []
    said = [one["text"] for one in eager.cuts]
    assert said
    assert all(re.search(r": 0\.10 s after the start of a pause of \d\.\d\d s$", one) for one in said)
    assert len(eager.listen(0).stereo) > 3 * 16_000
    labels = [str(one.get_label()) for one in eager.plot().axes[0].get_lines()]
    assert any(one.startswith("you") for one in labels)
    with pytest.raises(ValueError, match=r"all 8 turns were heard; `again\(\)` begins with others"):
        eager.press([])
    eager.again()
    assert (eager.done, eager.cuts, eager.rows, eager.picture) == (0, [], [], b"")


def test_before_anything_was_heard_there_is_a_picture_without_you_and_no_figure(study: lab.Study) -> None:
    game = lab.BeatTheEndpointer(study, 2)
    assert not any(str(one.get_label()).startswith("you") for one in game.plot().axes[0].get_lines())
    assert set(game.table["you"]) == {"–"}
    with pytest.raises(ValueError, match="expected finite seconds"):
        game.press([float("nan")])
    assert game.press([]) == "You did not answer."
    assert game.press([-0.1, 0.02]).endswith("You did not answer.")
    assert game.table.loc["missed ends of turn", "you"] == "100.0 %"


@pytest.mark.browser
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}")
def test_it_is_played_by_keyboard(study: lab.Study, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    game = lab.BeatTheEndpointer(study, 2, seed=3)
    with live(tmp_path, game, threading.Lock()) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1024, "height": 900}, color_scheme="dark")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        page.locator(".lab-endpointer").focus()
        for number, heard in enumerate(choose_turns(study.corpus, 2, seed=3)):
            page.keyboard.press(" ")
            page.get_by_text("Listen …").wait_for()
            for at_s in holds_s(study, heard)[:1]:
                page.wait_for_timeout(1000 * (at_s + 0.9))  # lead and start take 0.7 s
                page.keyboard.press(" ")
            page.get_by_text("The turn is over (space)").wait_for()
            page.wait_for_timeout(
                1000 * (heard.end_s - heard.speaks_s + 1.0 - sum(holds_s(study, heard)[:1]))
            )
            page.keyboard.press(" ")
            page.wait_for_function("n => state.done === n", arg=number + 1)
        page.get_by_text("all 2 turns heard").wait_for()
        page.get_by_alt_text("The trade-off, with you in it").wait_for()
        page.wait_for_function("() => document.querySelector('.lab-picture').naturalWidth > 300")
        assert page.locator(".lab-endpointer tbody tr").count() == 4
        assert "From LiveKit's defaults to you" in page.locator(".lab-result").inner_text()
        page.screenshot(path=tmp_path / "endpointer.png", full_page=True)
        assert not problems
        browser.close()
