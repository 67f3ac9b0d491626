"""Pinned failures: written, read, replaced, removed; files that can't be read are left as they are."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import pytest

from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.turns.pins import (
    PINS_FILE,
    Pin,
    PinnedCall,
    PinnedCommit,
    PinnedLabel,
    add_pin,
    read_pins,
    remove_pin,
)

NOON = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)


def pin(start_s: float, why: str = "", sha256: str = "ab" * 32) -> Pin:
    return Pin(
        call=PinnedCall(name="call", sha256=sha256, duration_s=60.0, traces=sha256),
        label=PinnedLabel(kind="hold", start_s=start_s, end_s=start_s + 1.0),
        commit=PinnedCommit(time_s=start_s + 0.5, cause="detector", probability=0.4),
        settings=Settings.from_knobs({"min_delay": 0.4}),
        conditions=USUAL_CONDITIONS,
        who="Ada",
        when=NOON,
        why=why,
    )


def test_pins_are_kept_one_for_each_label(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert read_pins(folder) == ()
    add_pin(folder, pin(1.0))
    add_pin(folder, pin(5.0))
    assert add_pin(folder, pin(1.004, "again")) == read_pins(folder)
    assert [(one.label.start_s, one.why) for one in read_pins(folder)] == [(5.0, ""), (1.004, "again")]
    assert read_pins(folder)[0] == pin(5.0)
    assert add_pin(folder, pin(5.0, sha256="cd" * 32))[-1].call.sha256 == "cd" * 32
    assert len(remove_pin(folder, pin(5.0))) == 2
    assert remove_pin(folder, pin(30.0)) == read_pins(folder)


def test_the_file_says_its_format_and_holds_no_words(tmp_path: Path) -> None:
    add_pin(tmp_path, pin(1.0))
    content = json.loads((tmp_path / PINS_FILE).read_text())
    assert (content["format"], content["version"]) == ("turn-pins", 1)
    (one,) = content["pins"]
    assert one["settings"]["endpointing"]["min_delay"] == 0.4
    assert one["livekit_agents"]
    assert set(one["commit"]) == {"time_s", "cause", "probability", "phase"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "damaged or cut off"),
        ('{"format": "turn-pins", "version": 2, "pins": []}', "version"),
        ('{"format": "turn-pins", "version": 1, "pins": [{}]}', "pins of this version"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / PINS_FILE).write_text(text)
    for act in (lambda: read_pins(tmp_path), lambda: add_pin(tmp_path, pin(1.0))):
        with pytest.raises(ValueError, match=told):
            act()
    assert (tmp_path / PINS_FILE).read_text() == text


def test_two_who_pin_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [threading.Thread(target=add_pin, args=(tmp_path, pin(2.0 * k))) for k in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_pins(tmp_path)) == 8
