"""One call under several settings; replay and session side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from paths import SAMPLES
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.traces import Commits
from lab_utils.recordings.audio import write_wav
from lab_utils.session.commits import commit_pairs
from lab_utils.session.prepare import stt_timing
from lab_utils.session.sessions import SessionSet, against_replay, run_settings
from lab_utils.workflows.load import load

SCRIPT = [Exchange(0.5, 4.0), Exchange(8.0, 10.0)]
LOG = session_of(SCRIPT)
SAME = Commits(np.array([4.6, 10.6]), ("detector", "detector"), np.array([0.8, 0.8]), np.array([4.0, 10.0]))


def call_of(duration_s=20.0):
    silence = np.zeros(round(16_000 * duration_s), np.int16)
    return Recording("call", "call.wav", silence, None, "0", labels_of_session(SCRIPT, 20.0))


class TestSideBySide:
    def test_equal_commits_agree(self):
        table = commit_pairs(SAME, LOG)
        assert table["agrees"].all()
        assert table["difference_s"].tolist() == [0.0, 0.0]

    def test_another_time_or_cause_does_not(self):
        later = commit_pairs(replace(SAME, time_s=np.add(SAME.time_s, [0.002, 0.0005])), LOG)
        assert later["agrees"].tolist() == [False, True]
        np.testing.assert_allclose(later["difference_s"], [-0.002, -0.0005])
        assert commit_pairs(replace(SAME, cause=("vad", "detector")), LOG)["agrees"].tolist() == [False, True]

    def test_what_has_no_partner_does_not_agree(self):
        short = commit_pairs(
            Commits(SAME.time_s[:1], ("detector",), SAME.probability[:1], SAME.last_speaking_s[:1]), LOG
        )
        assert short["agrees"].tolist() == [True, False]
        assert short["replay_cause"].tolist() == ["detector", ""]
        none = commit_pairs(SAME, session_of([], 20.0))
        assert none["session_cause"].tolist() == ["", ""]
        assert none["agrees"].tolist() == [False, False]
        assert commit_pairs(Commits(np.zeros(0), (), np.zeros(0), np.zeros(0)), session_of([], 20.0)).empty

    def test_commits_that_the_end_brings_forward_are_left_out(self):
        late = replace(SAME, time_s=np.array([4.6, 11.0]))
        assert commit_pairs(late, LOG, until_s=10.6)["agrees"].tolist() == [True]


def test_the_proof_covers_every_session_with_a_replay():
    table = against_replay(SessionSet(call_of(), {"a": LOG, "b": LOG, "c": LOG}, {"a": SAME, "b": SAME}))
    assert table.index.names == ["setting", "commit"]
    assert table.index.tolist() == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    with pytest.raises(ValueError, match=r"no session here has a replay.*open loop.*lab verify"):
        against_replay(SessionSet(call_of(), {"a": LOG}, {}))


def test_the_scripted_stt_follows_the_conditions():
    plain = stt_timing(Settings(), Conditions(transcription_delay=0.0))
    assert plain.final_delay.p50_s == 0.35, "0 says nothing about an STT"
    assert stt_timing(Settings()).final_delay.p50_s == 0.247
    assert not plain.end_of_speech
    assert stt_timing(Settings(), Conditions(transcription_delay=0.8)).final_delay.p50_s == 0.8
    by_stt = stt_timing(Settings().replace(detector="stt"), Conditions(stt_silence=0.7, stt_tells_end=True))
    assert (by_stt.end_of_speech, by_stt.utterance_gap_s, by_stt.end_time) == (True, 0.7, True)


def test_wrong_calls_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"no labels.*lab_utils.load"):
        run_settings(replace(call_of(), labels=None), {"a": Settings()})
    with pytest.raises(ValueError, match="no settings to run"):
        run_settings(call_of(), {})
    with pytest.raises(ValueError, match="has recordings 0 to 47, asked for 48"):
        load(SAMPLES, 48)


def test_labels_are_estimated_where_there_are_none(tmp_path):
    call = load(SAMPLES / "02_lost_parcel.flac")
    assert call.labels is not None
    assert call.labels.source == "construction"
    write_wav(tmp_path / "a.wav", np.stack([call.user, call.agent], axis=1)[: 16_000 * 20])
    mine = load(tmp_path / "a.wav", cache=tmp_path / "cache")
    assert mine.labels is not None
    assert len(mine.labels.of_kind("shift"))


@pytest.mark.slow
def test_sessions_of_a_sample_agree_with_the_replay_and_are_kept(tmp_path):
    call = load(SAMPLES / "02_lost_parcel.flac")
    settings = {
        "VAD alone": Settings.from_knobs({"detector": "vad"}),
        "dynamic": Settings.from_knobs({"detector": "vad", "endpointing_mode": "dynamic"}),
        "STT": Settings.from_knobs({"detector": "stt"}),
    }
    found = run_settings(call, settings, folder=tmp_path / "out", cache=tmp_path / "cache", quiet=True)
    assert list(found.logs) == list(settings)
    assert list(found.replayed) == ["VAD alone", "STT"]
    assert against_replay(found)["agrees"].all()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(settings)
    assert (tmp_path / "out" / "dynamic" / "02_lost_parcel" / "heard.flac").exists()
