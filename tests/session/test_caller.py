"""The reactive caller: turns from labels, cues, and audio that is the recording's to the sample."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import SAMPLES

from lab_utils.core.labels import Ipu, Label, LabelKind, Labels
from lab_utils.core.recording import Recording
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.session.caller import reactive as caller
from lab_utils.session.caller.reactive import ReactiveCaller, SpokenTurn, room_tone
from lab_utils.session.caller.turns import CallerTurn, caller_turns
from lab_utils.turns.tracing import TraceCache, Tracer

RATE = 16_000
FRAME = 800
FRAME_S = FRAME / RATE
CALLS = Path("/work/shared/recordings")
CACHE = Path("/tmp/lead/cache")

Spans = list[tuple[float, float]]


def labels_of(user: Spans, agent: Spans, duration_s: float = 60.0, **labels: Spans) -> Labels:
    """Labels by kind, for example `shift=[(2.0, 2.5)]`."""
    ipus = [Ipu("user", *span) for span in user] + [Ipu("agent", *span) for span in agent]
    kinds: list[tuple[LabelKind, Spans]] = list(labels.items())  # type: ignore[arg-type]
    return Labels(
        duration_s,
        tuple(sorted(ipus, key=lambda ipu: ipu.start_s)),
        tuple(Label(kind, *span) for kind, spans in kinds for span in spans),
    )


def rounded(turns: tuple[CallerTurn, ...]) -> list[tuple[object, ...]]:
    return [
        (round(t.start_s, 6), round(t.end_s, 6), t.kind, round(t.offset_s, 6), t.backchannel) for t in turns
    ]


# ---------------------------------------------------------------- turns


def test_turns_end_at_shifts_and_keep_their_holds() -> None:
    labels = labels_of(
        user=[(1.0, 2.0), (2.5, 3.0), (6.0, 7.0), (9.5, 10.0)],
        agent=[(4.0, 5.0), (9.0, 11.0)],
        hold=[(2.0, 2.5)],
        shift=[(3.0, 4.0), (7.0, 9.0), (10.0, 10.0)],
    )
    assert rounded(caller_turns(labels)) == [
        (1.0, 3.0, "opening", 1.0, False),
        (6.0, 7.0, "answer", 1.0, False),
        (9.5, 10.0, "barge_in", 0.5, False),
    ]


def test_offsets_count_from_whole_agent_turns() -> None:
    labels = labels_of(
        user=[(3.0, 3.3), (4.5, 6.0), (9.0, 9.5)],
        agent=[(1.0, 2.0), (2.3, 4.0), (4.2, 5.0), (7.0, 8.0), (8.3, 8.6)],
        backchannel=[(3.0, 3.3)],
        shift=[(6.0, 7.0)],
    )
    assert rounded(caller_turns(labels)) == [
        (3.0, 3.3, "barge_in", 2.0, True),
        (4.5, 6.0, "barge_in", 3.5, False),
        (9.0, 9.5, "answer", 0.4, False),
    ]


def test_speech_after_a_cut_off_pause_is_a_continuation() -> None:
    labels = labels_of(
        user=[(1.0, 2.0), (3.0, 4.0), (4.5, 5.0)],
        agent=[(0.0, 0.5), (2.6, 3.2)],
        cut_off=[(2.0, 3.0)],
        hold=[(4.0, 4.5)],
    )
    assert rounded(caller_turns(labels)) == [
        (1.0, 2.0, "answer", 0.5, False),
        (3.0, 5.0, "continuation", 1.0, False),
    ]


def test_pauses_without_a_label_end_a_turn_where_the_agent_begins() -> None:
    user, agent = [(1.0, 2.0), (4.0, 5.0), (6.0, 7.0)], [(2.5, 3.5)]
    assert rounded(caller_turns(labels_of(user, agent))) == [
        (1.0, 2.0, "opening", 1.0, False),
        (4.0, 7.0, "answer", 0.5, False),
    ]
    # An agent that was interrupted and gives way takes no turn.
    assert len(caller_turns(labels_of(user, [(0.0, 2.3)], shift=[(7.0, 8.0)]))) == 1


def test_backchannels_inside_a_turn_stay_inside() -> None:
    labels = labels_of([(1.0, 2.0), (3.0, 3.2), (4.0, 5.0)], [], hold=[(2.0, 4.0)], backchannel=[(3.0, 3.2)])
    assert rounded(caller_turns(labels)) == [(1.0, 5.0, "opening", 1.0, False)]


def test_backchannel_before_the_agent_has_spoken_opens() -> None:
    labels = labels_of([(1.0, 1.3)], [(2.0, 3.0)], backchannel=[(1.0, 1.3)])
    assert rounded(caller_turns(labels)) == [(1.0, 1.3, "opening", 1.0, True)]


def test_recording_without_user_speech_has_no_turns() -> None:
    assert caller_turns(labels_of([], [(0.0, 1.0)])) == ()


def check_turns(labels: Labels) -> tuple[CallerTurn, ...]:
    """Turns hold every user IPU exactly once, in order, and follow their cues."""
    turns = caller_turns(labels)
    for start_s, end_s in labels.spans("user"):
        assert sum(turn.start_s <= start_s and end_s <= turn.end_s for turn in turns) == 1
    for before, after in pairwise(turns):
        assert before.end_s <= after.start_s
    agent = labels.spans("agent")
    for turn in turns:
        assert turn.offset_s >= 0
        cue_s = turn.start_s - turn.offset_s
        if turn.kind == "answer":
            assert np.abs(agent[:, 1] - cue_s).min() < 1e-6
        elif turn.kind == "barge_in":
            assert np.abs(agent[:, 0] - cue_s).min() < 1e-6
        elif turn.kind == "opening":
            assert not (agent[:, 0] < turn.start_s).any()
    return turns


@pytest.mark.parametrize("files", find_recordings(SAMPLES)[:12], ids=lambda files: files.name)
def test_turns_of_the_samples(files: object) -> None:
    labels = load_recording(files).labels  # type: ignore[arg-type]
    assert labels is not None
    turns = check_turns(labels)
    assert sum(turn.backchannel for turn in turns) == len(labels.of_kind("backchannel"))
    assert sum(not turn.backchannel for turn in turns) in (
        len(labels.of_kind("shift")),
        len(labels.of_kind("shift")) + 1,  # the agent need not have the last word
    )


@pytest.mark.skipif(not (CALLS.exists() and CACHE.exists()), reason="the real call isn't on this machine")
def test_turns_of_a_real_call() -> None:
    recording = load_recording(find_recordings(CALLS)[0])
    turns = check_turns(Tracer(TraceCache(CACHE)).estimate_labels(recording))
    assert {turn.kind for turn in turns} == {"answer", "barge_in", "continuation"}


# ---------------------------------------------------------------- the caller in a session


def recording_of(labels: Labels, seed: int = 0) -> Recording:
    """Room tone of level 20, and speech that tells its own position in the recording."""
    n = round(labels.duration_s * RATE)
    user = np.random.default_rng(seed).integers(-20, 21, n).astype(np.int16)
    for start_s, end_s in labels.spans("user"):
        lo, hi = round(start_s * RATE), round(end_s * RATE)
        user[lo:hi] = 1000 + np.arange(lo, hi) % 30_000
    return Recording("made", "made.wav", user, None, "0", labels)


class Agent:
    """A caller in a session of which only the agent's utterances are known beforehand."""

    def __init__(self, labels: Labels, utterances: list[tuple[float, float, bool]], **options: float) -> None:
        """`utterances`: (start, end, interrupted) in stream seconds."""
        self.recording = recording_of(labels)
        self.told: list[tuple[CallerTurn, float]] = []
        self.caller = ReactiveCaller(
            self.recording, labels, FRAME, on_turn=lambda *told: self.told.append(told), **options
        )
        cues = [(start_s, None) for start_s, _, _ in utterances]
        cues += [(end_s, interrupted) for _, end_s, interrupted in utterances]
        cues.sort(key=lambda cue: (cue[0], cue[1] is None))
        frames: list[np.ndarray] = []
        while True:
            while cues and cues[0][0] <= (len(frames) + 1) * FRAME_S:
                at_s, interrupted = cues.pop(0)
                if interrupted is None:
                    self.caller.agent_started(at_s)
                else:
                    self.caller.agent_finished(at_s, interrupted)
            frame = self.caller.frame(len(frames))
            if frame is None:
                break
            assert frame.shape == (FRAME,)
            assert frame.dtype == np.int16
            frames.append(frame)
        self.stream = np.concatenate(frames)
        self.duration_s = len(self.stream) / RATE

    @property
    def starts(self) -> list[float]:
        return [round(spoken.start_s, 6) for spoken in self.caller.spoken]

    def check_audio(self, faded_s: float = 0.0) -> None:
        """Every turn, but for its beginning, sounds as in the recording; everything else is room tone."""
        faded = round(faded_s * RATE)
        rest = np.ones(len(self.stream), dtype=bool)
        for turn, start_s, _ in self.caller.spoken:
            lo, hi = round(turn.start_s * RATE), round(turn.end_s * RATE)
            at = round(start_s * RATE)
            np.testing.assert_array_equal(
                self.stream[at + faded : at + hi - lo], self.recording.user[lo + faded : hi]
            )
            rest[at : at + hi - lo] = False
        assert (
            np.abs(self.stream[rest].astype(int)).max() <= 40
        )  # a fade of constant power lifts a peak by up to √2, two by 2
        assert np.abs(self.stream[rest].astype(int)).mean() > 5


CONVERSATION = labels_of(
    user=[(2.0, 3.0), (3.4, 4.0), (8.123, 9.0), (13.0, 14.0)],
    agent=[(0.0, 1.5), (5.0, 7.0), (10.0, 13.5), (15.0, 16.0)],
    duration_s=20.0,
    hold=[(3.0, 3.4)],
    shift=[(4.0, 5.0), (9.0, 10.0), (14.0, 15.0)],
)
"""An answer 0.5 s after a greeting, an answer after 1.123 s, and a barge-in 3.0 s into an utterance."""


def test_turns_follow_this_agent_to_the_sample() -> None:
    session = Agent(
        CONVERSATION, [(0.3, 2.0, False), (6.0, 7.77, False), (10.01, 14.0, True), (15.0, 15.5, False)]
    )
    assert session.starts == [2.5, 8.893, 13.01]
    assert [spoken.cue for spoken in session.caller.spoken] == ["agent"] * 3
    assert session.told == [spoken[:2] for spoken in session.caller.spoken]
    assert session.duration_s == pytest.approx(14.01 + 8.0, abs=FRAME_S)
    session.check_audio()


def test_barge_in_comes_at_the_end_of_a_shorter_utterance() -> None:
    session = Agent(CONVERSATION, [(0.3, 2.0, False), (6.0, 7.0, False), (10.0, 12.0, False)])
    assert session.starts[2] == 12.0


def test_answer_waits_while_the_agent_goes_on() -> None:
    session = Agent(CONVERSATION, [(0.0, 1.0, False), (6.0, 7.0, False), (7.5, 8.0, False)])
    assert session.starts[1] == 9.123


def test_answer_is_not_postponed_once_its_padding_has_begun() -> None:
    session = Agent(CONVERSATION, [(0.0, 1.0, False), (6.0, 7.0, False), (8.0, 8.5, False)])
    assert session.starts[1] == 8.123


def test_interrupted_utterance_is_not_answered() -> None:
    # The first turn lasts from 1.5 to 3.5: a false boundary in it, given up at 3.8, and then the reply.
    session = Agent(CONVERSATION, [(0.0, 1.0, False), (2.7, 3.8, True), (4.5, 5.0, False)])
    assert session.starts[:2] == [1.5, 6.123]
    session.check_audio()


def test_utterance_that_outlasts_the_callers_turn_is_answered() -> None:
    session = Agent(CONVERSATION, [(0.0, 1.0, False), (2.7, 4.0, False)])
    assert session.starts[:2] == [1.5, 5.123]


def test_silent_agent_is_waited_for_and_given_up(caplog: pytest.LogCaptureFixture) -> None:
    session = Agent(CONVERSATION, [], silence_limit_s=3.0, tail_s=2.0)
    assert session.starts == [3.0, 8.0, 11.877]
    assert {spoken.cue for spoken in session.caller.spoken} == {"silence"}
    assert session.duration_s == pytest.approx(14.877, abs=FRAME_S)
    assert caplog.text.count("nobody has spoken for 3 s") == 3
    session.check_audio()


def test_the_silence_limit_counts_from_whoever_spoke_last() -> None:
    session = Agent(CONVERSATION, [(0.0, 1.0, False), (4.0, 6.0, True)], silence_limit_s=3.0)
    assert session.starts[1] == 9.0


def test_stream_ends_after_the_agents_last_word_or_at_the_limit() -> None:
    utterances = [(0.0, 1.0, False), (4.0, 4.5, False), (8.0, 8.2, False), (12.0, 60.0, False)]
    assert Agent(CONVERSATION, utterances).duration_s == pytest.approx(60.0, abs=FRAME_S)
    assert Agent(CONVERSATION, utterances, limit_s=30.0).duration_s == 30.0


def test_opening_and_continuation_follow_the_recording() -> None:
    labels = labels_of([(1.0, 2.0), (2.7, 3.0)], [(2.3, 2.9)], 10.0, cut_off=[(2.0, 2.7)])
    session = Agent(labels, [(0.2, 5.0, False)], tail_s=1.0)
    assert session.caller.spoken == [
        SpokenTurn(session.caller.turns[0], 1.0, "recording"),
        SpokenTurn(session.caller.turns[1], pytest.approx(2.7), "recording"),
    ]
    session.check_audio()


BACKCHANNEL = labels_of(
    user=[(2.0, 2.3), (5.0, 6.0)],
    agent=[(1.0, 4.0), (7.0, 8.0)],
    duration_s=10.0,
    backchannel=[(2.0, 2.3)],
    shift=[(6.0, 7.0)],
)


def test_backchannel_comes_into_the_utterance_and_ends_no_turn() -> None:
    session = Agent(BACKCHANNEL, [(3.0, 4.2, False)])
    assert session.starts == [4.0, 5.2]  # the answer is to the utterance that ended during the "mm-hm"
    session.check_audio()


def test_backchannel_is_left_out_of_an_utterance_too_short_for_it() -> None:
    session = Agent(BACKCHANNEL, [(3.0, 3.7, False)])
    assert session.starts == [4.7]
    assert [turn.backchannel for turn in session.caller.left_out] == [True]
    silent = Agent(BACKCHANNEL, [], silence_limit_s=2.0)
    assert silent.starts == [2.0]
    assert len(silent.caller.left_out) == 1


def test_caller_without_turns_keeps_the_line_open_for_the_tail() -> None:
    session = Agent(labels_of([], [(1.0, 2.0)], 5.0), [(0.0, 1.0, False)], tail_s=3.0)
    assert session.duration_s == 3.0


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 4000), st.booleans()), max_size=12),
    st.sampled_from([CONVERSATION, BACKCHANNEL]),
)
def test_any_agent_hears_every_turn_whole_and_in_order(
    steps: list[tuple[int, int, bool]], labels: Labels
) -> None:
    utterances, at_s = [], 0.0
    for gap_ms, length_ms, interrupted in steps:
        start_s = at_s + gap_ms / 1000
        at_s = start_s + length_ms / 1000
        utterances.append((start_s, at_s, interrupted))
    session = Agent(labels, utterances, silence_limit_s=2.0, tail_s=1.0)
    spoken = session.caller.spoken
    done = [turn for turn, _, _ in spoken] + session.caller.left_out
    assert sorted(done, key=lambda turn: turn.start_s) == list(session.caller.turns)
    assert all(turn.backchannel for turn in session.caller.left_out)
    for before, after in pairwise(spoken):
        assert after.start_s >= before.start_s + before.turn.end_s - before.turn.start_s - 1 / RATE
    ends = [end_s for _, end_s, interrupted in utterances if not interrupted]
    for turn, start_s, cue in spoken:
        if turn.kind == "answer" and cue == "agent":
            assert min(start_s - end_s for end_s in ends if end_s <= start_s) >= 0
            assert any(start_s - end_s >= turn.offset_s - 1 / RATE for end_s in ends)
    session.check_audio(faded_s=caller.FADE_S)  # a turn without padding fades in over its own speech


# ---------------------------------------------------------------- room tone


def test_room_tone_prefers_silence_of_both() -> None:
    labels = labels_of([(0.0, 1.0)], [(2.5, 8.0)], 8.0)
    user = np.arange(8 * RATE).astype(np.int16)
    np.testing.assert_array_equal(room_tone(user, labels), user[round(1.1 * RATE) : round(2.4 * RATE)])
    little = labels_of([(0.0, 1.0)], [(2.0, 8.0)], 8.0)
    np.testing.assert_array_equal(room_tone(user, little), user[round(1.1 * RATE) :])
    assert len(room_tone(user, labels_of([(0.0, 8.0)], [], 8.0))) == 0


def test_looped_tone_has_no_clicks() -> None:
    tone = np.rint(3000 * np.sin(np.arange(9_000) * 2 * np.pi * 1.7 / 160)).astype(np.int16)
    loop = caller._Loop(tone, FRAME)
    sound = np.concatenate([loop.between(k * FRAME, (k + 1) * FRAME) for k in range(60)]).astype(int)
    steepest = np.abs(np.diff(tone.astype(int))).max()
    assert np.abs(np.diff(sound)).max() <= 2 * steepest
    assert not caller._Loop(tone[:0], FRAME).between(5, 5 + FRAME).any()


def test_turns_are_faded_in_and_out() -> None:
    labels = labels_of([(1.0, 2.0)], [(0.0, 0.5), (2.2, 3.0)], 4.0, shift=[(2.0, 2.2)])
    recording = recording_of(labels)
    recording.user[: RATE - 1] += 5000  # a step where the padding begins, and where the tone is taken
    recording.user[2 * RATE :] -= 5000
    speaker = ReactiveCaller(recording, labels, FRAME)
    speaker.agent_started(0.0)
    speaker.agent_finished(0.5, False)
    sound = np.concatenate([speaker.frame(k) for k in range(100)]).astype(int)  # type: ignore[misc]
    quiet = np.r_[sound[: RATE - 1], np.full(1, sound[RATE - 2])]
    assert np.abs(np.diff(quiet)).max() < 400
    assert np.abs(np.diff(sound[2 * RATE :])).max() < 400


def test_caveats_are_plain_sentences() -> None:
    for caveats in (caller.OPEN_LOOP_CAVEATS, caller.REACTIVE_CAVEATS):
        assert all(caveat[0].isupper() and caveat.endswith(".") for caveat in caveats)
