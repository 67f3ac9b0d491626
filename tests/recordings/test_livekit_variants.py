"""LiveKit's reports and manifests as other SDKs and calls of the API give them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import CASES
from recording_fixtures import AGENT, RECORDINGS, USER, copied

from lab_utils.core.recording import Recording
from lab_utils.recordings.audio import BadRecording, read_pcm16k, write_wav
from lab_utils.recordings.find import find_all, find_recordings, load_recording
from lab_utils.recordings.formats.livekit_node import options_in_seconds, snake_case, unix_s
from lab_utils.recordings.formats.livekit_report import read_turns
from lab_utils.recordings.importing import import_folder

pytestmark = pytest.mark.slow

CALL = RECORDINGS / "livekit" / "call-17"
RATE_HZ = 16_000


def load(path: Path, **options: Any) -> Recording:
    (files,) = find_recordings(path, **options)
    return load_recording(files)


def python_report() -> dict[str, Any]:
    return json.loads((CALL / "session_report.json").read_text())


def node_report() -> dict[str, Any]:
    """The fixture's report as sessionReportToJSON of @livekit/agents gives it."""
    old = python_report()
    options = {name: old["options"][name] for name in old["options"]}
    for name in ("min_endpointing_delay", "max_endpointing_delay", "min_interruption_duration"):
        options[name] = 1000 * options[name]
    options["preemptive_generation"] = {"enabled": True, "preemptiveTts": False, "maxSpeechDuration": 10_000}
    items = [dict(item, created_at=1000 * item["created_at"]) for item in old["chat_history"]["items"]]
    return {
        "job_id": "AJ_x", "room_id": "RM_x", "room": "demo", "events": [],
        "audio_recording_path": "session/audio.ogg",
        "audio_recording_started_at": 1000 * old["audio_recording_started_at"],
        "options": options, "chat_history": {"items": items}, "enable_user_data_training": True,
        "timestamp": 1000 * old["timestamp"], "usage": None, "sdk_version": "1.4.5",
    }  # fmt: skip


def camel(value: Any) -> Any:
    """Keys in camelCase, at every depth."""
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), key): camel(one)
            for key, one in value.items()
        }
    return [camel(one) for one in value] if isinstance(value, list) else value


def stringified_report() -> dict[str, Any]:
    """As JSON.stringify of the report itself gives it."""
    report = camel(node_report())
    old = report.pop("options")
    report["options"] = {
        "turnHandling": {
            "endpointing": {"minDelay": old["minEndpointingDelay"], "maxDelay": old["maxEndpointingDelay"]},
            "interruption": {"enabled": True, "minDuration": old["minInterruptionDuration"]},
        },
        "maxToolSteps": 3,
    }
    return report | {"startedAt": report["audioRecordingStartedAt"] - 300.0, "duration": 20_000.0}


def put(folder: Path, report: dict[str, Any]) -> Path:
    call = copied("livekit", folder) / "call-17"
    (call / "session_report.json").write_text(json.dumps(report))
    return call


@pytest.mark.parametrize("make", [node_report, stringified_report])
def test_a_node_report_tells_what_the_python_one_does(tmp_path, make):
    recording, python = load(put(tmp_path, make())), load(CALL)
    assert recording.notes == ()
    assert recording.provenance is not None
    assert python.provenance is not None
    for one, two in zip(recording.provenance.turns, python.provenance.turns, strict=True):
        assert (one.speaker, one.text, dict(one.stages)) == (two.speaker, two.text, dict(two.stages))
        assert (one.start_s, one.end_s) == pytest.approx((two.start_s, two.end_s), abs=1e-3)
    for name in ("min_endpointing_delay", "max_endpointing_delay", "min_interruption_duration"):
        assert recording.provenance.settings[name] == python.provenance.settings[name]


def test_options_of_node_come_in_seconds_and_snake_case():
    settings, notes = options_in_seconds(node_report()["options"])
    assert settings["preemptive_generation"]["max_speech_duration"] == 10.0
    assert settings["user_away_timeout"] == 15.0
    assert notes == ()
    assert snake_case({"e2eLatency": 1, "llmNodeTtft": [{"aB": 2}]}) == {
        "e2e_latency": 1,
        "llm_node_ttft": [{"a_b": 2}],
    }


def test_a_delay_that_may_be_in_seconds_is_left_out_of_a_node_report():
    settings, notes = options_in_seconds({"minEndpointingDelay": 0.5, "maxEndpointingDelay": 3000})
    assert settings == {"max_endpointing_delay": 3.0}
    assert notes == ("option min_endpointing_delay is 0.5, expected milliseconds; left out",)


@pytest.mark.parametrize(("clock", "seconds"), [
    (None, None), (100.0, 100.0), (1_787_000_000.5, 1_787_000_000.5), (1_787_000_000_500.0, 1_787_000_000.5)
])  # fmt: skip
def test_the_unit_of_a_clock_is_told_by_its_time(clock, seconds):
    assert unix_s(clock) == seconds


@pytest.mark.parametrize("clock", [1.787e10, 1.787e15])
def test_a_time_of_neither_unit_is_refused(tmp_path, clock):
    with pytest.raises(ValueError, match="is no time in seconds or milliseconds since 1970"):
        unix_s(clock)
    call = put(tmp_path, python_report() | {"audio_recording_started_at": clock})
    with pytest.raises(BadRecording, match=r"session_report\.json: .* is no time in seconds or milliseconds"):
        load(call)


@pytest.mark.parametrize(
    ("drop", "told"),
    [
        (("audioRecordingStartedAt",), "its turns count from the start of the session"),
        (("audioRecordingStartedAt", "startedAt"), "its turns count from the start of the session"),
        (("audioRecordingStartedAt", "startedAt", "duration"), "doesn't tell when the session began"),
        (("audioRecordingStartedAt", "startedAt", "timestamp"), "doesn't tell when the session began"),
    ],
)
def test_a_report_without_the_start_of_the_recording_says_so(tmp_path, drop, told):
    report = stringified_report()
    report["duration"] = report["timestamp"] - report["startedAt"]
    recording = load(put(tmp_path, {key: value for key, value in report.items() if key not in drop}))
    assert told in recording.notes[0]
    assert recording.provenance is not None
    times = [turn.start_s for turn in recording.provenance.turns]
    assert times == [None, None] if "no times" in recording.notes[0] else all(times)


def test_latencies_in_milliseconds_are_left_out_of_an_import_with_a_note(tmp_path):
    report = node_report()
    for item in report["chat_history"]["items"]:
        for key in ("llm_node_ttft", "e2e_latency"):
            if key in item.get("metrics", {}):
                item["metrics"][key] *= 1000
    recording = load(put(tmp_path, report))
    assert "latencies are no seconds (llm_node_ttft " in recording.notes[0]
    assert recording.provenance is not None
    assert "llm_node_ttft" not in recording.provenance.turns[-1].stages


def test_a_report_whose_events_fill_its_beginning_is_recognised(tmp_path):
    report = {"job_id": "x", "events": []} | python_report()
    report["events"] = [{"type": "error", "error": "x" * 100_000}]
    call = put(tmp_path, report)
    assert load(call).provenance is not None
    assert len(read_turns(call / "session_report.json")) == 2


def infos(egress: Path) -> list[dict[str, Any]]:
    """The fixture's manifests as the API's EgressInfo; the manifests are removed."""
    found = []
    for path in sorted(egress.glob("*.json")):
        old = json.loads(path.read_text())
        path.unlink()
        name = "calls/" + old["files"][0]["filename"]
        found.append(
            {
                "egressId": old["egress_id"],
                "roomId": old["room_id"],
                "roomName": old["room_name"],
                "status": "EGRESS_COMPLETE",
                "startedAt": str(old["started_at"]),
                "participant": {"identity": old["publisher_identity"]},
                "fileResults": [{"filename": name, "startedAt": str(old["started_at"])}],
            }
        )
    return found


SHAPES = {
    "list": lambda found: json.dumps(found),
    "items": lambda found: json.dumps({"items": found, "nextPageToken": ""}),
    "webhooks": lambda found: json.dumps([{"event": "egress_ended", "egressInfo": one} for one in found]),
    "lines": lambda found: "\n".join(json.dumps(one) for one in found) + "\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_list_of_egress_infos_is_as_good_as_a_file_each(tmp_path, shape):
    egress = copied("egress", tmp_path)
    name = "egress.jsonl" if shape == "lines" else "egress.json"
    (egress / name).write_text(SHAPES[shape](infos(egress)))
    (entry,) = import_folder(egress, quiet=True).entries
    assert entry.sha256 == load(RECORDINGS / "egress").sha256
    assert entry.notes == tuple(load(RECORDINGS / "egress").notes)


def test_half_a_character_in_an_egress_is_told(tmp_path):
    """A lone surrogate can stand in JSON; it is no text, and no list of recordings could hold it."""
    egress = copied("egress", tmp_path)
    (egress / "odd.json").write_text(r'{"egressId": "\ud800", "fileResults": [{"filename": "room.wav"}]}')
    imported = import_folder(egress, quiet=True)
    assert [item.path.name for item in imported.skipped] == ["odd.json"]
    assert "not JSON" in imported.skipped[0].reason
    assert imported.entries


def test_what_is_wrong_with_one_egress_of_a_list_spoils_nothing(tmp_path):
    egress = copied("egress", tmp_path)
    others = [
        {"egressId": "EG_video", "trackKind": "VIDEO", "fileResults": [{"filename": "a.mp4"}]},
        {"egressId": "EG_failed", "status": "EGRESS_FAILED", "error": "no response", "fileResults": []},
        {"egressId": "EG_hls", "segmentResults": [{"playlistName": "live/a.m3u8"}]},
        {"egressId": "EG_odd", "startedAt": -5},
        7,
    ]
    (egress / "egress.json").write_text(json.dumps([*infos(egress), *others]))
    imported = import_folder(egress, quiet=True)
    assert len(imported.entries) == 1
    reasons = " ".join(item.reason for item in imported.skipped)
    assert "egress 3 of 7: is the manifest of a video track" in reasons
    assert "egress 4 of 7: EG_failed names no file (status EGRESS_FAILED, no response)" in reasons
    assert "EG_hls names segments, not files; join them: ffmpeg -i a.m3u8" in reasons
    assert "egress 6 of 7: " in reasons
    assert "egress 7 of 7: " in reasons


def reconnected(egress: Path, again_s: float, cut_s: float) -> None:
    """The user's track ends at `cut_s`; another file of the participant begins `again_s` into the call."""
    found = infos(egress)
    user = next(one for one in found if not one["participant"]["identity"].startswith("agent"))
    audio = egress / Path(user["fileResults"][0]["filename"]).name
    pcm = read_pcm16k(audio)[:, 0]
    audio.unlink()
    write_wav(egress / "user-1.wav", pcm[: round(cut_s * RATE_HZ)])
    write_wav(egress / "user-2.wav", pcm[round(again_s * RATE_HZ) :])
    started = int(user["startedAt"])
    second = started + round(again_s * 1e9)
    user["fileResults"] = [{"filename": "user-1.wav", "startedAt": str(started)}]
    again = user | {"egressId": "EG_again", "startedAt": str(second)}
    again["fileResults"] = [{"filename": "user-2.wav", "startedAt": str(second)}]
    (egress / "egress.json").write_text(json.dumps([again, *found]))


@pytest.mark.parametrize(("again_s", "cut_s"), [(4.0, 3.0), (3.0, 3.0), (3.0, 3.2)])
def test_a_participant_who_came_back_is_joined_at_their_times(tmp_path, again_s, cut_s):
    whole = load(RECORDINGS / "egress")
    egress = copied("egress", tmp_path)
    reconnected(egress, again_s, cut_s)
    recording = load(egress)
    expected = whole.user.copy()
    expected[round(cut_s * RATE_HZ) : round(again_s * RATE_HZ)] = 0
    np.testing.assert_array_equal(recording.user, expected)
    assert recording.agent is not None
    np.testing.assert_array_equal(recording.agent, whole.agent)
    assert "2 files of 'caller-7', who came back, are joined at their times" in recording.notes
    (entry,) = import_folder(egress, quiet=True).entries
    assert entry.sha256 == recording.sha256


def test_files_of_one_participant_that_overlap_or_have_no_times_are_refused(tmp_path):
    egress = copied("egress", tmp_path)
    reconnected(egress, 2.0, 5.0)
    with pytest.raises(
        BadRecording, match=r"begins 3\.0 s before the one before it ends; correct started_at"
    ):
        load(egress)
    text = re.sub(r'"startedAt": "\d+"', '"startedAt": "0"', (egress / "egress.json").read_text())
    (egress / "egress.json").write_text(text)
    with pytest.raises(BadRecording, match="2 files of 'caller-7' that don't tell when they began"):
        load(egress)


def test_one_egress_with_several_files_is_joined_too(tmp_path):
    egress = copied("egress", tmp_path)
    reconnected(egress, 4.0, 3.0)
    found = json.loads((egress / "egress.json").read_text())
    one = next(info for info in found if info["egressId"] == "EG_again")
    other = next(info for info in found if info["fileResults"][0]["filename"] == "user-1.wav")
    other["fileResults"] += one["fileResults"]
    (egress / "egress.json").write_text(json.dumps({"items": [info for info in found if info is not one]}))
    assert "2 files of 'caller-7'" in " ".join(load(egress).notes)


def test_the_spans_of_speech_are_where_the_fixture_has_them():
    """What the tests above compare with."""
    assert (USER[0][0], AGENT[0][0]) == (0.5, 3.2)


def test_the_case_of_a_node_report():
    path = CASES / "js_session_report"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    recording = load(path)
    assert recording.provenance is not None
    first, second = recording.provenance.turns[:2]
    assert (first.speaker, first.start_s, first.end_s) == ("agent", pytest.approx(0.5), pytest.approx(2.8))
    assert (second.speaker, second.start_s) == ("user", pytest.approx(4.233, abs=0.01))
    settings = recording.provenance.settings
    assert (settings["min_endpointing_delay"], settings["max_endpointing_delay"]) == (0.5, 3.0)


def test_the_case_of_a_list_of_egress_infos(tmp_path):
    if not (CASES / "egress_list").exists():
        pytest.skip("the collection of failing inputs isn't here")
    folder = tmp_path / "calls"
    shutil.copytree(CASES / "egress_list", folder)
    found = find_all(folder)
    assert [files.layout for files in found.recordings] == ["pair"]
    assert found.skipped == ()
