"""LiveKit's own recordings: session reports, Egress tracks and span dumps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_fixtures import AGENT, RECORDINGS, USER, copied, one_line

from lab_utils.core.recording import Recording
from lab_utils.recordings.audio import BadRecording, write_wav
from lab_utils.recordings.find import find_all, find_recordings, load_recording
from lab_utils.recordings.formats import Contents, livekit_egress, livekit_report, otlp
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.recording_files import FindOptions, RecordingFiles

pytestmark = pytest.mark.slow

CALL = RECORDINGS / "livekit" / "call-17"
SPANS = RECORDINGS / "otlp" / "call-17.otlp.json"
RATE_HZ = 16_000


def load(path, **options) -> Recording:
    (files,) = find_recordings(path, **options)
    return load_recording(files)


def edited(path, **changes):
    """A JSON file with some keys changed."""
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | changes))


def speech(pcm, spans) -> bool:
    """Whether the loud parts of a channel lie just in some spans."""

    def power(start_s, end_s):
        part = pcm[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)].astype(float)
        return float(np.sqrt(np.mean(part**2)))

    edges = [0.0, *(edge for span in spans for edge in span), 8.0]
    loud = [power(start + 0.05, end - 0.05) for start, end in spans]
    quiet = [power(edges[k] + 0.05, edges[k + 1] - 0.05) for k in range(0, len(edges), 2)]
    return min(loud) > 10 * max(quiet)


def test_a_real_session_is_loaded_with_turns_settings_and_latencies():
    recording = load(RECORDINGS / "livekit")
    assert recording.name == "call-17"
    assert recording.duration_s == pytest.approx(14.34, abs=0.01)
    provenance = recording.provenance
    assert provenance is not None
    assert (provenance.format, provenance.settings["min_endpointing_delay"]) == ("livekit_report", 0.3)
    assert provenance.details["sdk_version"] == "1.8.9"
    user, agent = provenance.turns
    assert user.text == "Hi, um, I would like to book a table for"
    assert (user.speaker, agent.speaker) == ("user", "agent")
    assert (user.start_s, user.end_s) == (pytest.approx(4.624, abs=2e-3), pytest.approx(7.633, abs=2e-3))
    assert user.stages["end_of_turn_delay"] == pytest.approx(0.3194, abs=1e-3)
    assert agent.stages["e2e_latency"] == pytest.approx(0.9275, abs=1e-3)
    assert recording.notes == ()


def test_what_the_report_says_is_what_is_heard():
    """Each channel sounds when its speaker's turn is, and hardly before it."""
    recording = load(RECORDINGS / "livekit")
    assert recording.provenance is not None
    assert recording.agent is not None
    for turn in recording.provenance.turns:
        assert turn.start_s is not None
        assert turn.end_s is not None
        pcm = (recording.user if turn.speaker == "user" else recording.agent).astype(float)
        inside = pcm[round(turn.start_s * RATE_HZ) : round(turn.end_s * RATE_HZ)]
        before = pcm[: round((turn.start_s - 0.3) * RATE_HZ)]
        assert np.sqrt(np.mean(inside**2)) > 20 * np.sqrt(np.mean(before**2))


def test_any_file_of_the_session_stands_for_it():
    for name in ("audio.ogg", "session_report.json"):
        assert [files.format for files in find_recordings(CALL / name)] == ["livekit_report"]


def test_audio_is_found_by_name_stem_or_because_it_is_alone(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    (call / "audio.ogg").rename(call / "other.ogg")
    assert load(call).name == "other"
    shutil.copy(call / "other.ogg", call / "second.ogg")
    found = find_all(call)
    assert {files.format for files in found.recordings} == {"audio"}, "two files and no fitting name"
    assert "session report without its audio; put audio.ogg" in found.skipped[0].reason


def test_folders_named_in_a_report_are_never_followed(tmp_path):
    secret = tmp_path / "secret" / "audio.ogg"
    secret.parent.mkdir()
    shutil.copy(CALL / "audio.ogg", secret)
    own = tmp_path / "call"
    own.mkdir()
    shutil.copy(CALL / "session_report.json", own)
    edited(own / "session_report.json", audio_recording_path=str(secret))
    found = find_all(own)
    assert not found.recordings
    assert "without its audio" in found.skipped[0].reason


def test_a_report_without_the_recording_start_counts_from_the_session(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    edited(call / "session_report.json", audio_recording_started_at=None)
    recording = load(call)
    assert recording.provenance is not None
    assert recording.provenance.turns[0].start_s == pytest.approx(4.6, abs=0.2)
    assert "count from the start of the session" in recording.notes[0]


def test_turns_beyond_the_audio_are_refused(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    edited(call / "session_report.json", audio_recording_started_at=1_795_386_000.0)
    with pytest.raises(
        BadRecording, match=r"session_report\.json: 2 of 2 turns lie outside .*; use the report"
    ):
        load(call)


def test_a_report_with_what_json_has_no_word_for_is_still_imported(tmp_path):
    """Python writes NaN and Infinity; a manifest holds null instead."""
    call = copied("livekit", tmp_path) / "call-17"
    edited(call / "session_report.json", options={"max_delay": float("inf"), "nested": [{"x": float("nan")}]})
    (entry,) = import_folder(call, quiet=True).entries
    assert json.loads(entry.provenance)["settings"] == {"max_delay": None, "nested": [{"x": None}]}


def test_a_report_cut_off_before_the_keys_that_tell_its_format_is_told(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    report = call / "session_report.json"
    report.write_text('{"job_id": "x", "room')
    imported = import_folder(call, quiet=True)
    assert imported.formats == {"audio": 1}, "the audio is not lost with it"
    assert [item.path for item in imported.skipped] == [report]
    assert "is damaged or cut off: not JSON" in imported.skipped[0].reason


def test_json_of_other_programs_is_passed_over(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    (call / "notes.json").write_text('{"a": 1}')
    (call / "lines.jsonl").write_text('{"a": 1}\n{"b": 2}\n')
    assert import_folder(call, quiet=True).skipped == ()


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b'{"audio_recording_path": "audio.ogg", "chat_hi', "is damaged or cut off: not JSON"),
        (b'{"audio_recording_path": "audio.ogg", "chat_history": {"items": 3}}', "chat_history.items: "),
        (b'{"chat_history": {"items": []}, "tags": "\xe4"}', "is not UTF-8 text"),
    ],
)
def test_a_damaged_report_is_refused_in_one_line(tmp_path, content, finding):
    call = copied("livekit", tmp_path) / "call-17"
    (call / "session_report.json").write_bytes(content)
    with pytest.raises(BadRecording, match=rf"session_report\.json: {finding}") as caught:
        load(call)
    assert "\n" not in str(caught.value)


def test_a_report_in_utf_16_is_read(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    report = call / "session_report.json"
    report.write_bytes(report.read_text("utf-8").encode("utf-16"))
    assert load(call).provenance is not None


def test_a_truncated_recording_is_refused(tmp_path):
    call = copied("livekit", tmp_path) / "call-17"
    data = (call / "audio.ogg").read_bytes()
    (call / "audio.ogg").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(BadRecording, match=r"audio\.ogg: is cut off"):
        load(call)


def test_spans_tell_the_same_as_the_report_of_that_session(tmp_path):
    shutil.copy(SPANS, tmp_path)
    shutil.copy(CALL / "audio.ogg", tmp_path / "call-17.ogg")
    recording, report = load(tmp_path), load(CALL)
    assert recording.provenance is not None
    assert report.provenance is not None
    assert (recording.name, recording.provenance.format) == ("call-17", "otlp")
    for span, turn in zip(recording.provenance.turns, report.provenance.turns, strict=True):
        assert (span.speaker, span.text, span.interrupted) == (turn.speaker, turn.text, turn.interrupted)
        assert (span.start_s, span.end_s) == pytest.approx((turn.start_s, turn.end_s), abs=5e-3)
        for stage, value in span.stages.items():
            assert value == pytest.approx(turn.stages.get(stage, value), abs=1e-3)
    eou = recording.provenance.details["eou"]
    assert [round(one["probability"], 3) for one in eou] == [0.072, 0.491]
    assert [one["delay_s"] for one in eou] == [2.5, 0.3]


def test_spans_one_object_a_line_are_read(tmp_path):
    dump = json.loads(SPANS.read_text())
    (resource,) = dump["resourceSpans"]
    (scope, *_) = resource["scopeSpans"]
    half = len(scope["spans"]) // 2
    lines = [
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": part}]}]})
        for part in (scope["spans"][:half], scope["spans"][half:])
    ]
    (tmp_path / "call-17.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copy(CALL / "audio.ogg", tmp_path / "call-17.ogg")
    assert len(otlp.read_spans(tmp_path / "call-17.jsonl")) == len(otlp.read_spans(SPANS))
    recording = load(tmp_path)
    assert recording.provenance is not None
    assert len(recording.provenance.turns) == 2


def test_spans_of_two_sessions_are_refused(tmp_path):
    dump = json.loads(SPANS.read_text())
    (tmp_path / "two.json").write_text(json.dumps({"resourceSpans": 2 * dump["resourceSpans"]}))
    shutil.copy(CALL / "audio.ogg", tmp_path / "two.ogg")
    with pytest.raises(
        BadRecording, match=r"two\.json: has 2 spans named agent_session, expected one; export"
    ):
        load(tmp_path)


def test_egress_tracks_are_paired_by_room_and_aligned_by_their_starts():
    recording = load(RECORDINGS / "egress")
    assert recording.agent is not None
    assert speech(recording.user, USER)
    assert speech(recording.agent, AGENT)
    assert recording.provenance is not None
    assert recording.provenance.details["agent_identity"] == "agent-AJ_x1"


def test_egress_info_as_the_api_gives_it_is_read(tmp_path):
    egress = copied("egress", tmp_path)
    for path in egress.glob("*.json"):
        old = json.loads(path.read_text())
        info = {
            "egressId": old["egress_id"],
            "roomId": old["room_id"],
            "startedAt": str(old["started_at"]),
            "participant": {"identity": old["publisher_identity"]},
            "fileResults": [
                {"filename": "calls/" + old["files"][0]["filename"], "startedAt": str(old["started_at"])}
            ],
        }
        webhook = {"event": "egress_ended", "egressInfo": info}
        path.write_text(json.dumps(info if "agent" in path.name else webhook))
    recording, other = load(egress), load(RECORDINGS / "egress")
    assert recording.sha256 == other.sha256


def test_tracks_of_unknown_speakers_are_skipped_until_they_are_named(tmp_path):
    egress = copied("egress", tmp_path)
    for path in egress.glob("*.json"):
        edited(path, publisher_identity="")
    found = find_all(egress)
    assert not found.recordings
    assert "('TR_AMagent', 'TR_AMuser'); expected one user and one agent; name the two with --user" in (
        found.skipped[0].reason
    )
    assert load(egress, user="TR_AMuser", agent="TR_AMagent").agent is not None


def test_a_dual_channel_room_recording_is_turned_round(tmp_path):
    pcm = load(RECORDINGS / "egress")
    write_wav(tmp_path / "room.wav", np.stack((pcm.agent, pcm.user), axis=1))
    manifest = {
        "egressId": "EG_1",
        "roomComposite": {"audioMixing": "DUAL_CHANNEL_AGENT"},
        "fileResults": [{"filename": "room.wav"}],
    }
    (tmp_path / "EG_1.json").write_text(json.dumps(manifest))
    assert load(tmp_path).sha256 == pcm.sha256


def test_manifests_of_video_and_of_missing_files_are_skipped_with_a_reason(tmp_path):
    (tmp_path / "EG_1.json").write_text('{"egress_id": "EG_1", "track_kind": "video", "files": []}')
    (tmp_path / "EG_2.json").write_text('{"egress_id": "EG_2", "files": [{"filename": "../../x.ogg"}]}')
    reasons = [one.reason for one in find_all(tmp_path).skipped]
    assert "video track; only audio" in reasons[0]
    assert "names 'x.ogg', which is no audio file of its folder; put" in reasons[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
LOADERS = {
    "livekit_report": (livekit_report, "session_report.json", CALL / "session_report.json"),
    "otlp": (otlp, "call.otlp.json", SPANS),
    "livekit_egress": (livekit_egress, "EG.json", RECORDINGS / "egress" / "EG_TR_AMuser.json"),
}


def spoiled(value, data):
    """A JSON value with one part of it replaced by anything."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        return value | {key: spoiled(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        k = data.draw(st.integers(0, len(value) - 1))
        return [*value[:k], spoiled(value[k], data), *value[k + 1 :]]
    return data.draw(JSON)


@pytest.mark.parametrize("name", LOADERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_report_however_odd_raises_anything_but_bad_recording(tmp_path, monkeypatch, name, data):
    """The audio isn't read: it has nothing to do with it, and would take most of the time."""
    module, file, original = LOADERS[name]
    silence = np.zeros(RATE_HZ * 15, np.int16)
    monkeypatch.setattr(module, "read_channels", lambda _: Contents(silence, silence), raising=False)
    monkeypatch.setattr(module, "_track", lambda _: silence, raising=False)
    text = json.dumps(spoiled(json.loads(original.read_text()), data))
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(0, len(text)))]
    path = tmp_path / file
    path.write_text(text, "utf-8", "surrogatepass")
    audio = tmp_path / "audio.ogg"
    audio.write_bytes(b"OggS")
    find_all(tmp_path, FindOptions())
    try:
        module.load(RecordingFiles("x", audio, None, None, "mono", name, (path,)))
    except BadRecording as error:
        one_line(error)


@pytest.mark.parametrize(
    ("read", "path"),
    [
        (livekit_report.read_turns, RECORDINGS / "livekit" / "call-17" / "session_report.json"),
        (otlp.read_turns, SPANS),
    ],
)
def test_turns_are_read_without_audio_and_name_the_models_behind_their_latencies(read, path: Path) -> None:
    user, agent = (turn for turn in read(path) if turn.stages)
    assert user.models == {"transcription_delay": "scripted-stt"}
    assert agent.models == {"llm_node_ttft": "scripted-llm", "tts_node_ttfb": "scripted-tts"}


def test_spans_of_several_sessions_can_be_read_for_their_latencies(tmp_path: Path) -> None:
    dump = SPANS.read_text(encoding="utf-8")
    two = tmp_path / "two.jsonl"
    two.write_text("\n".join([json.dumps(json.loads(dump))] * 2), encoding="utf-8")
    assert len(otlp.read_turns(two)) == 2 * len(otlp.read_turns(SPANS))
