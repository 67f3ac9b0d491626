"""Barge-in: onsets, scenes, the replay of when the agent falls silent, figures, choice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.labels import Ipu, Label, Labels, Word
from lab_utils.core.recording import Recording
from lab_utils.core.settings import InterruptionSettings, VadSettings
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.core.traces import SttEvent
from lab_utils.recordings.audio import BadRecording
from lab_utils.turns.barge_in.figures import Scores, score_onset, selectivity, summarize, with_intervals
from lab_utils.turns.barge_in.onsets import Onset, onsets_of, read_onsets
from lab_utils.turns.barge_in.replay import AgentSpeech, NotReplayed, agent_speech, heard_vad
from lab_utils.turns.barge_in.scenes import NotInSpeech, Scene, scene_of
from lab_utils.turns.barge_in.search import NoneSelective, choose, grid_settings, held_out, table_of

NEVER = math.inf


def listed(tmp_path: Path, *entries: dict[str, object]) -> Path:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(entries))
    return path


class TestOnsets:
    def test_a_list_of_onsets(self, tmp_path: Path) -> None:
        told = read_onsets(
            listed(
                tmp_path,
                {"file": "a.wav", "user_onset_s": 2.0, "should_yield": True, "kind": "human-agent"},
                {"file": "sub/a.wav", "user_onset_s": 5.0, "should_yield": False, "sound": "cough"},
                {"file": "b.wav", "user_onset_s": None, "should_yield": None},
            )
        )
        assert told.onsets["a.wav"] == (Onset(2.0, "interruption"), Onset(5.0, "cough"))
        assert told.unscored == {"b.wav": 1}

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ([{"file": "a.wav", "should_yield": True}], r"entry 1 \(a.wav\): has no user_onset_s; say when"),
            (
                [{"file": "a.wav", "user_onset_s": 2.0, "should_yield": answer} for answer in (True, False)],
                r"entry 2: a.wav has contradicting entries for the onset at 2 s; keep one",
            ),
            (
                [{"file": "a.wav", "user_onset_s": 2.0, "should_yield": True, "sound": "cough"}],
                r"should_yield is true for a cough",
            ),
            ([{"file": "a.wav", "user_onset_s": 2.0, "should_yield": "yes"}], r"should_yield.*'?yes"),
            ([{"file": "a.wav", "user_onset_s": -1.0, "should_yield": True}], r"user_onset_s"),
            (
                [{"file": "a.wav", "user_onset_s": 2.0, "user_end_s": 1.0, "should_yield": False}],
                r"ends at 1 s, not after its onset",
            ),
        ],
    )
    def test_what_can_not_be_used_is_named(
        self, tmp_path: Path, entries: list[dict[str, object]], message: str
    ) -> None:
        with pytest.raises(BadRecording, match=message):
            read_onsets(listed(tmp_path, *entries))

    def test_of_a_label_file(self) -> None:
        """Taking over at the end of the agent's speech, and going on with one's own turn, are none."""
        ipus = (
            Ipu("agent", 0.0, 4.0),
            Ipu("user", 1.0, 1.4),
            Ipu("user", 3.9, 5.0),
            Ipu("agent", 5.1, 9.0),
            Ipu("user", 5.2, 5.8),
            Ipu("user", 7.0, 8.0),
        )
        assert onsets_of(Labels(10.0, ipus, (Label("backchannel", 1.0, 1.4),))) == (
            Onset(1.0, "backchannel", 1.4),
            Onset(7.0, "interruption", 8.0),
        )


def call(seconds: float = 30.0) -> Recording:
    """A call in which the samples tell their time: 1 for each tenth of a second."""
    user = (np.arange(round(seconds * SAMPLE_RATE_HZ)) // 1600 + 1).astype(np.int16)
    ipus = (
        Ipu("agent", 1.0, 12.0),
        Ipu("user", 10.0, 10.4),
        Ipu("user", 11.0, 13.0),
        Ipu("agent", 15.0, 20.0),
        Ipu("user", 22.0, 24.0),
    )
    words = (
        Word("user", 10.0, 10.2, "Mm"),
        Word("user", 10.2, 10.4, "-hmm."),
        Word("user", 11.0, 13.0, "Stop."),
    )
    labels = Labels(seconds, ipus, (Label("backchannel", 10.0, 10.4),), words)
    return Recording("call", "call.wav", user, None, "0" * 64, labels)


class TestScenes:
    def test_after_a_sound_to_talk_through_comes_the_recordings_own_silence(self) -> None:
        scene = scene_of(call(), Onset(10.0, "backchannel"))
        assert scene.onset_s == 3.0
        assert scene.recording.duration_s == 12.0
        heard_s = 0.1 * (scene.recording.user - 1.0) - 7.0
        time_s = np.arange(len(heard_s)) / SAMPLE_RATE_HZ
        off = np.flatnonzero(np.abs(heard_s - time_s) > 0.101)
        assert off[0] / SAMPLE_RATE_HZ == pytest.approx(3.4 + 0.3, abs=0.1)
        assert heard_s[off[0] :].min() > 24.0 - 7.0  # nobody speaks after 24 s
        assert scene.agent_start_s == 0.0  # at most 3 s before
        assert scene.user.tolist() == pytest.approx(np.array([[3.0, 3.4]]))
        assert [word.text for word in scene.recording.labels.words] == ["Mm-hmm."]

    def test_an_interruption_is_heard_on(self) -> None:
        scene = scene_of(call(), Onset(16.0, "interruption"))
        assert (scene.onset_s, scene.agent_start_s) == (3.0, 2.0)
        assert scene.recording.user[round(7.9 * SAMPLE_RATE_HZ)] == 13 * 10 + 79 + 1
        assert not scene.recording.labels.words

    def test_where_the_agent_does_not_speak(self) -> None:
        with pytest.raises(NotInSpeech, match=r"call.wav: the agent doesn't speak at 22.00 s"):
            scene_of(call(), Onset(22.0, "interruption"))
        with pytest.raises(ValueError, match=r"an onset at 31 s, but it lasts 30.00 s"):
            scene_of(call(), Onset(31.0, "interruption"))


SPEECH = np.repeat([0.01, 0.95, 0.01], [30, 30, 120])  # from 0.96 to 1.92 s
VAD = VadSettings(model="silero")


def speech(
    interruption: InterruptionSettings, *transcripts: SttEvent, commit_s: float = NEVER
) -> AgentSpeech:
    vad = heard_vad(SPEECH, VAD, interruption.min_duration, 800)
    return agent_speech(vad, transcripts, 0.0, interruption, lambda: commit_s)


class TestReplay:
    def test_a_final_stops_the_agent_whatever_the_duration(self) -> None:
        late = InterruptionSettings(min_duration=1.5)
        assert speech(late) == AgentSpeech()
        assert speech(late, SttEvent(2.2, "final", "Mm-hm.")) == AgentSpeech(silent_s=2.2)

    def test_too_few_words_do_not(self) -> None:
        picky = InterruptionSettings(min_duration=0.3, min_words=2)
        assert (
            speech(picky, SttEvent(1.2, "interim", "Mm-hm."), SttEvent(2.2, "final", "Mm-hm."))
            == AgentSpeech()
        )
        for at_s, silent_s in ((1.39, 1.4), (1.4, 1.45)):  # at 1.4 the window of the VAD comes first
            words = SttEvent(at_s, "interim", "No, stop."), SttEvent(2.2, "final", "No, stop.")
            assert speech(picky, *words).silent_s == silent_s

    def test_nothing_is_resumed_where_that_is_off(self) -> None:
        assert speech(InterruptionSettings(resume_false_interruption=False)).silent_s == 1.5
        assert speech(InterruptionSettings(false_interruption_timeout=None)).silent_s == 1.5
        assert speech(InterruptionSettings(false_interruption_timeout=0.3)).pauses == (
            (1.5, pytest.approx(2.5)),
        )

    def test_no_duration_silences_at_once_and_disabled_never(self) -> None:
        assert speech(InterruptionSettings(min_duration=0.0)) == AgentSpeech(silent_s=0.05)
        assert speech(InterruptionSettings(enabled=False)) == AgentSpeech(deaf=True)
        heard = InterruptionSettings(enabled=False, discard_audio_if_uninterruptible=False)
        assert speech(heard) == AgentSpeech()

    def test_a_commit_stops_what_a_final_did_not(self) -> None:
        picky = InterruptionSettings(min_duration=1.0, min_words=2)
        finals = SttEvent(2.0, "interim", "Stop"), SttEvent(2.3, "final", "Stop now.")
        assert speech(picky, *finals, commit_s=2.6) == AgentSpeech(silent_s=2.6)

    def test_what_depends_on_an_open_wait_is_left_to_a_session(self) -> None:
        picky = InterruptionSettings(min_duration=0.1, min_words=2, false_interruption_timeout=0.2)
        heard = SttEvent(1.1, "final", "Well."), SttEvent(1.3, "interim", "wait")
        with pytest.raises(NotReplayed):
            speech(picky, *heard, commit_s=9.0)

    @given(
        st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.01, 0.4, 0.95])), min_size=1, max_size=8),
        st.lists(st.tuples(st.floats(0.5, 6.0), st.booleans(), st.integers(1, 3)), max_size=5),
        st.builds(
            InterruptionSettings,
            enabled=st.booleans(),
            min_duration=st.sampled_from([0.0, 0.05, 0.3, 0.5, 1.0]),
            min_words=st.integers(0, 4),
            resume_false_interruption=st.booleans(),
            false_interruption_timeout=st.sampled_from([None, 0.0, 0.3, 2.0]),
        ),
    )
    def test_as_the_slow_one(
        self,
        runs: list[tuple[int, float]],
        told: list[tuple[float, bool, int]],
        interruption: InterruptionSettings,
    ) -> None:
        p = np.concatenate([np.full(n, value) for n, value in runs])
        # not together with a window: frames of 50 ms
        told = sorted(
            (math.floor(at * 20) / 20 + 0.0123 + k / 1e4, *one) for k, (at, *one) in enumerate(told)
        )
        events = [SttEvent(at, "final" if final else "interim", "word " * n) for at, final, n in told]
        try:
            found = agent_speech(heard_vad(p, VAD, interruption.min_duration, 800), events, 0.5, interruption)
        except NotReplayed:
            return
        expected = naive.agent_silences(p, VAD, 800, told, 0.5, interruption)
        assert np.array(found.silences).reshape(-1, 2) == pytest.approx(np.array(expected).reshape(-1, 2))


def scored(*cells: tuple[str, str, list[AgentSpeech]]) -> Scores:
    """(recording, sound, what is heard by setting) of onsets at 2 s, the user speaking from there to 4 s."""
    scenes, heard = [], []
    for name, sound, by_setting in cells:
        labels = Labels(12.0, (Ipu("agent", 0.0, 12.0), Ipu("user", 2.0, 4.0)), ())
        audio = np.zeros(12 * SAMPLE_RATE_HZ, np.int16)
        recording = Recording(name, name, audio, None, "0" * 64, labels)
        scenes.append(Scene(recording, Onset(2.0, sound), name, True))
        heard.append([by_setting])
    return Scores.of_speech(scenes, heard)


QUICK, SLOW = AgentSpeech(silent_s=2.2), AgentSpeech(silent_s=3.0)
BACK, ON = AgentSpeech(pauses=((2.2, 4.7),)), AgentSpeech()


class TestFigures:
    def test_of_a_hand_made_study(self) -> None:
        scores = scored(
            ("a", "interruption", [QUICK, SLOW]),
            ("b", "interruption", [BACK, ON]),
            ("c", "backchannel", [QUICK, ON]),
            ("d", "cough", [BACK, ON]),
        )
        first, second = (row for _, row in summarize(scores).iterrows())
        assert first["missed_rate"] == 0.5
        assert first["given_back_rate"] == 0.5
        assert first["yield_mean"] == pytest.approx(0.2)
        assert first["yield_restricted"] == pytest.approx((0.2 + 5.0) / 2)
        assert (first["yield_p50"], first["yield_p95"]) == (pytest.approx(0.2), NEVER)
        assert first["talk_over_mean"] == pytest.approx(0.2)
        assert (first["falsely_stopped_rate"], first["stopped_for_good_rate"]) == (1.0, 0.5)
        assert (first["resumed_rate"], first["resumed_after_mean"]) == (0.5, pytest.approx(2.5))
        assert (second["falsely_stopped_rate"], second["given_back_rate"]) == (0.0, 0.0)
        assert second["talk_over_mean"] == pytest.approx((1.0 + 2.0) / 2)
        assert math.isnan(second["resumed_rate"])
        by_sound = selectivity(scores, 0)
        assert by_sound["resumed_rate"].to_dict() == {"backchannel": 0.0, "cough": 1.0}
        assert by_sound["talked_through"].tolist() == [0.0, 0.0]
        told = with_intervals(scores, 0)
        assert told.loc["missed_rate", ["value", "n"]].tolist() == [0.5, 2]
        assert math.isnan(told.loc["missed_rate", "low"])  # two recordings with interruptions

    def test_an_agent_silent_before_the_onset_has_yielded_and_is_falsely_stopped(self) -> None:
        early = AgentSpeech(silent_s=0.1)
        row = summarize(scored(("a", "interruption", [early]), ("b", "noise", [early]))).iloc[0]
        assert (row["yield_mean"], row["falsely_stopped_rate"]) == (0.0, 1.0)

    def test_what_is_said_to_a_deaf_agent_is_lost(self) -> None:
        scene = scene_of(call(), Onset(16.0, "interruption"))
        assert score_onset(AgentSpeech(deaf=True), 3.0, scene.user, 4).words_lost == 4
        assert score_onset(ON, 3.0, scene.user, 4).words_lost == 0


class TestChoice:
    def test_soonest_within_the_budget(self) -> None:
        settings = grid_settings({"min_words": [0, 2]})
        cells = [(name, "interruption", [QUICK, SLOW]) for name in "abc"]
        scores = scored(*cells, *((name, "backchannel", [QUICK, ON]) for name in "def"))
        table = table_of(settings, scores)
        assert [settings[choose(table, most)].min_words for most in (0.1, 1.0)] == [2, 0]
        elsewhere = held_out(settings, scores, 0.1)
        assert elsewhere is not None
        assert summarize(elsewhere)["yield_mean"].tolist() == pytest.approx([1.0])
        assert sorted(elsewhere.of) == list("abcdef")

    def test_none_within_it(self) -> None:
        table = table_of(grid_settings({}), scored(("a", "interruption", [QUICK]), ("b", "cough", [QUICK])))
        with pytest.raises(NoneSelective, match=r"no setting falsely stops at most 10%.*the least.*100%"):
            choose(table)

    def test_nothing_to_trade(self) -> None:
        with pytest.raises(ValueError, match="no sounds to talk through among the onsets"):
            choose(table_of(grid_settings({}), scored(("a", "interruption", [QUICK]))))

    def test_an_unknown_knob(self) -> None:
        with pytest.raises(ValueError, match=r"unknown knob of interruption: min_word; expected enabled"):
            grid_settings({"min_word": [1]})

    def test_adaptive_mode_is_refused_with_the_reason(self) -> None:
        with pytest.raises(ValueError, match=r"mode can't be tried: adaptive.*cloud"):
            grid_settings({"mode": ["adaptive"]})
