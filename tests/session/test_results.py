"""A session's log as files: read back as it was written, and nothing else taken for one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab_utils.core.session_log import LeftOut, Reply, SessionEvent, SessionLog
from lab_utils.core.settings import Conditions, Settings
from lab_utils.session.log.files import read_session, remove_leftovers, save_session, session_folder

LOG = SessionLog(
    recording="monday/call 1",
    sha256="0" * 64,
    settings=Settings().replace(detector="vad", min_delay=0.25),
    mode="reactive",
    clock="virtual",
    seed=3,
    phase_samples=17,
    duration_s=2.5,
    events=(
        SessionEvent(0.1, "agent_state", {"state": "listening"}),
        SessionEvent(0.5, "commit", {"cause": "vad", "text": "Grüß Gott", "probability": None}),
        SessionEvent(2.5, "closed", {"reason": "user_initiated"}),
    ),
    replies=(Reply(0.5, "Grüß Gott", "Hello.", True, {"llm_node_ttft": 0.35}),),
    heard=np.arange(64, dtype=np.int16).reshape(-1, 2),
    report={"events": [{"type": "x", "created_at": 1.5}]},
    caveats=("one", "two"),
    failure="took long",
)


def test_a_log_is_read_back_as_it_was(tmp_path: Path) -> None:
    folder = save_session(LOG, tmp_path, text=True)
    again = read_session(folder)
    np.testing.assert_array_equal(again.heard, LOG.heard)
    assert replace(again, heard=LOG.heard) == replace(LOG, heard=LOG.heard)
    assert sorted(path.name for path in folder.iterdir()) == ["heard.flac", "report.json", "session.json"]


def test_without_text_its_lengths_are_read_back_and_everything_else_as_it_was(tmp_path: Path) -> None:
    again = read_session(save_session(LOG, tmp_path))
    assert not again.text
    assert again.events[1].data == {
        "cause": "vad", "probability": None, "text": {"words": 2, "characters": 9}
    }  # fmt: skip
    assert again.replies == (Reply(0.5, LeftOut(2, 9), LeftOut(1, 6), True, {"llm_node_ttft": 0.35}),)
    restored = replace(again, heard=LOG.heard, events=LOG.events, replies=LOG.replies, text=True)
    assert restored == replace(LOG, heard=restored.heard)
    assert save_session(replace(again, heard=LOG.heard), tmp_path / "again").is_dir(), "it can be saved again"


def test_a_log_of_version_1_is_read_with_the_conditions_that_were_among_its_settings(tmp_path: Path) -> None:
    log = replace(LOG, conditions=Conditions(transcription_delay=0.3))
    folder = save_session(log, tmp_path, text=True)
    values = json.loads((folder / "session.json").read_text("utf-8"))
    values["version"] = 1
    values["settings"]["conditions"] = values.pop("conditions")
    (folder / "session.json").write_text(json.dumps(values), "utf-8")
    again = read_session(folder)
    assert again.conditions == Conditions(transcription_delay=0.3)
    assert replace(again, heard=log.heard) == replace(log, heard=log.heard)


def test_equal_logs_give_equal_files(tmp_path: Path) -> None:
    one, other = save_session(LOG, tmp_path / "a"), save_session(LOG, tmp_path / "b")
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes()


def test_a_log_without_audio_has_no_audio_file_not_even_an_old_one(tmp_path: Path) -> None:
    save_session(LOG, tmp_path)
    folder = save_session(replace(LOG, heard=np.zeros((0, 2), np.int16)), tmp_path)
    assert not (folder / "heard.flac").exists()
    assert read_session(folder).heard.shape == (0, 2)


def test_names_become_folders_that_stay_inside(tmp_path: Path) -> None:
    for name in ("monday/call 1", "../x", "a:b*c", "..", ".", ""):
        assert session_folder(tmp_path, name).resolve().parent == tmp_path.resolve()


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        (np.float64(0.5), r"commit event at 0\.5 s: p is of type numpy\.float64; expected plain values"),
        (np.int64(1), r"p is of type numpy\.int64"),
        (float("nan"), r"p is nan, which JSON doesn't have"),
        (Path("x"), r"p is of type pathlib"),
    ],
)
def test_values_that_would_not_come_back_are_refused(tmp_path: Path, value: object, finding: str) -> None:
    log = replace(LOG, events=(SessionEvent(0.5, "commit", {"p": value}),))
    with pytest.raises(ValueError, match=finding):
        save_session(log, tmp_path)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        '"x"',
        "{}",
        '{"format": "sweep", "version": 1}',
        '{"format": "session-log", "version": 2}',
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: str) -> None:
    folder = save_session(LOG, tmp_path)
    (folder / "session.json").write_text(content)
    with pytest.raises(ValueError, match=r"session\.json: not a session log \(.+\); run the session again"):
        read_session(folder)


def test_a_log_with_a_field_missing_or_too_many_is_refused(tmp_path: Path) -> None:
    folder = save_session(LOG, tmp_path)
    text = (folder / "session.json").read_text("utf-8")
    for broken in (text.replace('"seed"', '"seeds"'), text.replace('"time_s"', '"time"')):
        (folder / "session.json").write_text(broken, "utf-8")
        with pytest.raises(ValueError, match="not a session log"):
            read_session(folder)
    with pytest.raises(ValueError, match="not a session log"):
        read_session(tmp_path / "nowhere")


def test_what_a_killed_save_left_is_removed_and_whole_logs_are_kept(tmp_path: Path) -> None:
    whole = save_session(LOG, tmp_path, text=True)
    part = save_session(replace(LOG, recording="other"), tmp_path)
    (part / "session.json").unlink()
    for folder in (whole, part):
        (folder / f".{'0' * 32}.tmp").write_text("half")
    for folder in (whole, part, tmp_path / "never begun"):
        remove_leftovers(folder)
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert read_session(whole).events == LOG.events
    assert len(list(whole.iterdir())) == 3
