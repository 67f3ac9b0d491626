"""Branches, where the caller waits: their audio, and their commits against the event-by-event twin."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import (
    Turn,
    complete,
    conditions_strategy,
    conversations,
    labels_of,
    settings_strategy,
    traced_of,
)

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings, VadSettings
from lab_utils.core.timeline import WINDOW_S
from lab_utils.core.traces import BRANCH_SAMPLES, Commits, Traced, VadTrace
from lab_utils.turns.branches import branch_recording, forks_of, own_silence
from lab_utils.turns.replay import (
    Block,
    commits_of,
    find_pauses,
    find_rows,
    replay,
    replay_branches,
    waits_of,
)
from lab_utils.turns.replay.block import blocks_of_settings
from lab_utils.turns.replay.late import _RESUME, _events
from lab_utils.turns.replay.records import BranchPauses, Rows
from lab_utils.turns.replay.vad_runs import trace_of
from lab_utils.turns.sweep import Corpus

# --- against the twin -------------------------------------------------------------------------------


def assert_tape_agrees(traced: Traced, settings: Settings, conditions: Conditions, phase: int = 0) -> Commits:
    """The commits of the tape, fast, if they are those of the twin."""
    fast, slow = (one(traced, settings, conditions, phase) for one in (replay, naive.replay))
    assert fast.cause == slow.cause
    np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fast.last_speaking_s, slow.last_speaking_s, rtol=0, atol=1e-9)
    return fast


def assert_branches_agree(traced: Traced, settings: Settings, conditions: Conditions, phase: int) -> int:
    """Commits of all branches, fast and slow; returns how many there are that the tape doesn't share."""
    tape = replay(traced, settings, conditions, phase)
    found = replay_branches(traced, settings, conditions, phase)
    expected = naive.waits(traced, settings, conditions, phase)
    assert found.keys() == expected.keys()
    own = 0
    for turn, (from_s, commits) in found.items():
        heard_s, slow = expected[turn]
        assert from_s == pytest.approx(heard_s, abs=1e-9)
        shared = tape.time_s[tape.time_s < from_s - 1e-9]
        np.testing.assert_allclose(slow.time_s[slow.time_s < from_s - 1e-9], shared, rtol=0, atol=1e-9)
        fast, slow_own = commits.time_s >= from_s - 1e-9, slow.time_s >= from_s - 1e-9
        for name in ("time_s", "probability", "last_speaking_s"):
            ours, theirs = getattr(commits, name)[fast], getattr(slow, name)[slow_own]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, err_msg=name)
        causes = [
            [cause for cause, is_own in zip(one.cause, mask, strict=True) if is_own]
            for one, mask in ((commits, fast), (slow, slow_own))
        ]
        assert causes[0] == causes[1]
        own += int(fast.sum())
    return own


@given(
    conversations(),
    settings_strategy(),
    conditions_strategy(),
    st.sampled_from([0, 170]),
    st.integers(0, 2**32 - 1),
)
def test_what_is_heard_on_a_branch_is_what_a_recording_of_its_own_leads_to(
    labels, settings, conditions, offset, seed
):
    traced = traced_of(labels, seed=seed, offsets=(offset,), vads=("livekit", "silero"))
    traced = complete(traced, [Block.of(settings, conditions)])
    assert_branches_agree(traced, settings, conditions, 0)


@pytest.mark.parametrize(
    ("detector", "min_delay", "own"), [("vad", 0.5, 0), ("vad", 4.0, 1), ("v1-mini", 0.5, 1), ("stt", 0.5, 0)]
)
def test_a_branch_leaves_the_tape_also_where_the_vad_hears_nothing_more_on_it(
    detector: str, min_delay: float, own: int
) -> None:
    """The last sound is too faint for the VAD: the tape has no event after the branch has left it.

    The first pause commits before that, or on the branch, to which the pause belongs as well.
    """
    ipus = (Ipu("user", 1.0, 2.5), Ipu("agent", 3.5, 4.5), Ipu("user", 5.0, 5.1))
    labels = Labels(9.0, ipus, (Label("shift", 2.5, 5.0),))
    unheard, vads = replace(labels, ipus=ipus[:2]), ("livekit", "silero")
    traced = replace(
        traced_of(labels, vads=vads, noise=0.0), vad=traced_of(unheard, vads=vads, noise=0.0).vad
    )
    settings = Settings().replace(detector=detector, min_delay=min_delay, max_delay=max(3.0, min_delay))
    conditions = Conditions(transcription_delay=1.0)
    traced = complete(traced, [Block.of(settings, conditions)])
    assert assert_branches_agree(traced, settings, conditions, 0) == own
    ((_, (_, commits)),) = replay_branches(traced, settings, conditions, 0).items()
    assert len(commits.time_s) == 1


@pytest.mark.parametrize("heard", [0, 1])
def test_a_branch_on_which_the_vad_hears_nothing_has_no_opening_whatever_the_tape_hears_later(heard) -> None:
    """The first turn is too faint; the tape hears the next one, or nothing at all."""
    ipus = (Ipu("user", 1.0, 1.1), Ipu("agent", 2.0, 3.0), Ipu("user", 4.0, 5.5))
    labels, vads = Labels(9.0, ipus, (Label("shift", 1.1, 4.0),)), ("livekit", "silero")
    faint = replace(labels, ipus=ipus[1 : 2 + heard])
    traced = replace(traced_of(labels, vads=vads, noise=0.0), vad=traced_of(faint, vads=vads, noise=0.0).vad)
    settings, conditions = Settings().replace(detector="vad"), Conditions(transcription_delay=1.0)
    traced = complete(traced, [Block.of(settings, conditions)])
    assert assert_branches_agree(traced, settings, conditions, 0) == 0
    (branch,) = find_rows(traced, settings.vad, 0, 800).branches
    assert branch.own.opening_s == branch.own.stream_end_s


@pytest.mark.parametrize("detector", ["vad", "stt"])
def test_a_branch_goes_on_after_the_last_end_of_speech_of_a_vad_that_judges_single_windows(detector) -> None:
    """The window before END_OF_SPEECH was speech, which would begin anew if it were heard again."""
    labels = labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=0.5, rest=1.0)] * 3)
    settings = Settings().replace(
        detector=detector, min_silence_duration=0.0, min_speech_duration=0.0, min_delay=0.2
    )
    traced = complete(traced_of(labels, vads=("livekit", "silero"), noise=0.0), [Block.of(settings)])
    assert_branches_agree(traced, settings, Conditions(), 0)
    rows = find_rows(traced, settings.vad, 0, 800)
    assert [len(one.own) for one in rows.branches] == [1] * len(rows.branches) != []


def test_the_pauses_before_one_are_those_that_its_tape_or_branch_has_heard() -> None:
    labels = labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=0.5, rest=1.0)] * 4)
    speech = traced_of(labels, vads=("silero",), noise=0.0).vad["silero"][0]
    tape = find_pauses(speech, VadSettings(model="silero"), 800)
    assert len(tape) >= 3
    none, end = np.zeros((0, 2)), int(tape.stream_end_s * 16_000)
    rows = Rows.of(
        tape,
        [
            BranchPauses(k, end, 9.0, shared, tape, none, labels, np.zeros(0))
            for k, shared in enumerate((1, 2))
        ],
    )
    n = len(tape)
    assert rows.before(2).tolist() == [0, 1]
    assert rows.before(n + 1).tolist() == [0, n]
    assert rows.before(2 * n + 1).tolist() == [0, 1, 2 * n]


def test_only_a_prediction_that_hears_beyond_the_fork_is_a_branchs_own() -> None:
    labels = labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=0.5, rest=1.0)] * 3)
    speech = traced_of(labels, vads=("silero",), noise=0.0).vad["silero"][0]
    tape = find_pauses(speech, VadSettings(model="silero"), 800)
    fork, n = int(tape.predict_sample[1]), len(tape)
    leaves = BranchPauses(4, fork, 9.0, 0, tape, np.zeros((0, 2)), labels, np.zeros(0))
    shift = Rows.of(tape, [leaves]).shift
    assert shift.tolist() == [0] * n + [0, 0] + [5 * BRANCH_SAMPLES] * (n - 2)
    assert n > 2


def test_a_branch_that_leaves_the_tape_as_speech_resumes_hears_it_resume() -> None:
    labels = labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=0.5, rest=1.0)] * 2)
    pauses = find_pauses(
        traced_of(labels, vads=("silero",), noise=0.0).vad["silero"][0], VadSettings(model="silero"), 800
    )
    resumes_s = float(pauses.resume_s[0])
    at_once, later = (_events(pauses, [], resumes_s + s, modelled=True) for s in (0.0, 1e-6))
    assert (resumes_s, 1, _RESUME, 1) in at_once
    assert at_once[-len(later) :] == later
    assert all(at_s > resumes_s for at_s, *_ in later)


def call(rng: np.random.Generator) -> Labels:
    """A call as people hold it: short windows after turns, hesitations, impatient and late agents."""
    turns = []
    for _ in range(int(rng.integers(3, 6))):
        n = int(rng.integers(1, 4))
        turns.append(
            Turn(
                speech=tuple(float(s) for s in rng.uniform(0.4, 2.0, n).round(3)),
                pauses=tuple(
                    (round(float(rng.lognormal(-0.6, 0.7)), 3), str(rng.choice(["hold", "hold", "cut_off"])))
                    for _ in range(n - 1)
                ),
                gap=round(float(rng.uniform(-0.2, 1.5)), 3),
                reply=round(float(rng.uniform(0.3, 2.0)), 3),
                backchannel=bool(rng.random() < 0.3),
                rest=round(float(rng.uniform(-0.5, 1.0)), 3),
            )
        )
    return labels_of(turns)


def realistic(detector: str, rng: np.random.Generator) -> tuple[Settings, Conditions]:
    """Settings as users try them; short delays come soon after one another."""
    low = float(rng.choice([0.0, 0.1, 0.3, 0.5]))
    settings = Settings().replace(
        detector=detector,
        min_silence_duration=float(rng.choice([0.25, 0.3, 0.55])),
        min_delay=low,
        max_delay=low + float(rng.choice([0.3, 1.0, 2.5])),
        endpointing_mode=str(rng.choice(["fixed", "dynamic"])),
        unlikely_threshold=float(rng.choice([0.2, 0.36, 0.65])),
    )
    return settings, Conditions(
        transcription_delay=float(rng.choice([0.0, 0.35, 1.0])),
        frame_duration=float(rng.choice([0.01, 0.02, 0.05])),
        stt_silence=float(rng.choice([0.3, 0.5, 0.8])),
        stt_tells_end=bool(rng.random() < 0.5),
    )


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["vad", "v1-mini", "stt"])
def test_realistic_calls_reach_every_path_and_agree_with_the_twin(detector):
    """Drawn, not shrinking; a draw that leaves a path out would prove nothing about it."""
    reached: Counter[str] = Counter()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        labels = call(rng)
        settings, conditions = realistic(detector, rng)
        traced = traced_of(labels, seed=seed, offsets=(int(rng.choice([0, 200])),), noise=0.05)
        traced = complete(traced, [Block.of(settings, conditions)])
        fast = assert_tape_agrees(traced, settings, conditions)
        reached["commit of a branch alone"] += assert_branches_agree(traced, settings, conditions, 0)
        reached.update(fast.cause)
        shorter = traced.eot[0].ends - traced.eot[0].starts < 19_200
        reached["prediction soon after a commit"] += int((shorter & (traced.eot[0].ends > 25_000)).sum())
        reached["restart"] += sum(at < BRANCH_SAMPLES for at in traced.vad["livekit"][0].restarts)
        reached["restart on a branch"] += sum(
            at >= BRANCH_SAMPLES for at in traced.vad["livekit"][0].restarts
        )
        reached["prediction on a branch"] += int((traced.eot[0].ends >= BRANCH_SAMPLES).sum())
        reached["late final"] += fast.cause.count("late_transcript")
        reached["branch"] += len(replay_branches(traced, settings, conditions))
    needed = {"commit of a branch alone", "branch"}
    needed |= {
        "vad": {"vad", "late final"},
        "v1-mini": {
            "detector",
            "max_delay",
            "late final",
            "prediction soon after a commit",
            "prediction on a branch",
        },
        "stt": {"stt", "vad", "restart", "restart on a branch"},
    }[detector]
    assert {path for path in needed if not reached[path]} == set(), dict(reached)


def on_frames(rng: np.random.Generator, detector: str) -> tuple[Labels, Settings, Conditions]:
    """Times that are all whole frames, which are windows of the VAD: much falls together."""

    def whole(least: int, most: int) -> float:
        return round(float(rng.integers(least, most)) * WINDOW_S, 3)

    turns = [
        Turn(
            speech=tuple(whole(12, 50) for _ in range(n)),
            pauses=tuple((whole(8, 40), "hold") for _ in range(n - 1)),
            gap=whole(0, 40),
            reply=whole(10, 50),
            rest=whole(0, 30),
        )
        for n in rng.integers(1, 4, size=4).tolist()
    ]
    low = float(rng.choice([0, 10, 16])) * WINDOW_S
    settings = Settings().replace(
        detector=detector,
        min_silence_duration=float(rng.choice([8, 10])) * WINDOW_S,
        min_delay=low,
        max_delay=low + float(rng.choice([0, 10, 40])) * WINDOW_S,
        endpointing_mode=str(rng.choice(["fixed", "dynamic"])),
    )
    conditions = Conditions(
        transcription_delay=float(rng.choice([0, 8, 16, 30])) * WINDOW_S,
        prediction_delay=float(rng.choice([0, 1])) * WINDOW_S,
        frame_duration=WINDOW_S,
        stt_silence=float(rng.choice([10, 16])) * WINDOW_S,
        stt_tells_end=bool(rng.random() < 0.5),
    )
    return labels_of(turns, lead_s=16 * WINDOW_S, rest_s=30 * WINDOW_S), settings, conditions


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["vad", "v1-mini", "stt"])
def test_what_falls_on_one_moment_comes_in_the_order_of_the_twin(detector):
    together = 0
    for seed in range(60):
        labels, settings, conditions = on_frames(np.random.default_rng(seed), detector)
        traced = traced_of(labels, seed=seed, vads=("livekit", "silero"), noise=0.02)
        traced = complete(traced, [Block.of(settings, conditions)])
        fast = assert_tape_agrees(traced, settings, conditions)
        assert_branches_agree(traced, settings, conditions, 0)
        pauses = find_pauses(traced.vad[settings.vad.model][0], settings.vad, 512)
        heard_s = np.concatenate((pauses.start_of_speech_s, pauses.end_of_speech_s, pauses.resume_s))
        together += int((np.abs(fast.time_s[:, None] - heard_s) < 1e-9).any(axis=1).sum())
    assert together > 10


@pytest.mark.parametrize("drawn", ["realistic", "on_frames"])
@pytest.mark.parametrize("mode", ["fixed", "dynamic"])
def test_settings_that_are_walked_together_commit_as_each_does_alone(drawn, mode):
    """In `stt` mode they part at a commit and meet again, and a branch goes on where it leaves the tape."""
    commits = own = parted = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        if drawn == "realistic":
            labels, (settings, conditions) = call(rng), realistic("stt", rng)
        else:
            labels, settings, conditions = on_frames(rng, "stt")
        delays_s = [k * (0.1 if drawn == "realistic" else WINDOW_S) for k in (0, 3, 4, 8, 9, 16, 30)]
        many = [settings.replace(endpointing_mode=mode, min_delay=s, max_delay=s + 0.5) for s in delays_s]
        ((_, block),) = blocks_of_settings(many, conditions)
        traced = complete(traced_of(labels, seed=seed, noise=0.05), [block])
        corpus = Corpus.of([traced])
        pauses = corpus.pauses(block.vad, conditions.frame_duration)
        ((_, _, together, offset_s),) = corpus.decisions(block, pauses)
        for k, one in enumerate(many):
            found = commits_of(together, k, "stt", offset_s)
            assert_same_commits(found, replay(traced, one, conditions))
            waits = waits_of(together, k, "stt", offset_s)
            for turn, (from_s, alone) in replay_branches(traced, one, conditions).items():
                assert waits[turn][0] == from_s
                assert_same_commits(waits[turn][1], alone)
                own += len(alone.time_s)
            commits += len(found.time_s)
        parted += len({len(commits_of(together, k, "stt", offset_s).time_s) for k in range(len(many))}) > 1
    assert commits > 100
    assert own > 100
    assert parted > 2


def assert_same_commits(found: Commits, expected: Commits) -> None:
    assert found.cause == expected.cause
    np.testing.assert_array_equal(found.time_s, expected.time_s)
    np.testing.assert_array_equal(found.last_speaking_s, expected.last_speaking_s)


# --- audio ------------------------------------------------------------------------------------------

LABELS = Labels(
    30.0,
    (
        Ipu("user", 1.0, 2.0),
        Ipu("agent", 3.0, 4.5),
        Ipu("user", 5.0, 6.0),
        Ipu("agent", 7.0, 9.0),
        Ipu("user", 20.0, 21.0),
    ),
    (Label("shift", 2.0, 3.0), Label("shift", 6.0, 7.0), Label("shift", 21.0, 21.0)),
)


def recording(labels: Labels = LABELS) -> Recording:
    rng = np.random.default_rng(0)
    user = rng.integers(-20, 20, size=30 * 16_000).astype(np.int16)
    return Recording("call", "call.wav", user, np.ones_like(user), "0" * 64, labels)


def test_a_turn_has_a_branch_if_the_user_speaks_before_the_longest_wait_is_over():
    """After the second turn the user is silent for 14 s, after the third for good."""
    (fork,) = forks_of(LABELS)
    assert (fork.turn, fork.from_sample, fork.until_sample) == (0, 80_000, 161_600)
    assert [fork.turn for fork in forks_of(LABELS, 15.0)] == [0, 1]


def test_a_backchannel_is_a_sound_of_the_user_too():
    quick = Labels(30.0, LABELS.ipus, (*LABELS.labels, Label("backchannel", 3.5, 3.8)))
    assert forks_of(quick)[0].from_sample == 56_000


def test_a_branch_is_the_tape_and_then_the_recordings_own_silence():
    one, whole = branch_recording(recording(), 0), recording()
    assert len(one.user) == len(one.agent) == 161_600
    np.testing.assert_array_equal(one.user[:80_000], whole.user[:80_000])
    assert own_silence(whole) == (round(9.2 * 16_000), round(19.8 * 16_000))  # the longest, less its margins
    np.testing.assert_array_equal(one.user[80_000:], whole.user[147_200 : 147_200 + 81_600])
    assert not one.agent[80_000:].any()
    assert one.agent[:80_000].all()
    assert one.sha256 != whole.sha256
    assert one.labels.ipus == LABELS.ipus[:2]
    assert [label.kind for label in one.labels.labels] == ["shift"]
    assert one.labels.duration_s == 10.1


def test_a_recording_without_a_silence_of_its_own_waits_in_digital_silence():
    busy = tuple(Ipu("agent", k * 0.5, k * 0.5 + 0.4) for k in range(60))
    one = branch_recording(recording(Labels(30.0, (*LABELS.ipus, *busy), LABELS.labels)), 0)
    assert not one.user[80_000:].any()


@pytest.mark.parametrize("turn", [1, 7])
def test_a_turn_without_a_branch_is_refused(turn):
    with pytest.raises(
        ValueError, match=rf"call.wav: end of turn {turn} has no branch; those of \[0\] have one"
    ):
        branch_recording(recording(), turn)


# --- what a branch knows of the VAD ---------------------------------------------------------------------


def test_a_branch_knows_a_restart_on_the_tape_only_up_to_where_it_leaves_the_tape() -> None:
    silence = VadTrace("silero", 0, np.full(140, 0.01))
    own, none = find_pauses(silence, VadSettings(model="silero"), 800), np.zeros((0, 2))
    branch = BranchPauses(0, 25_600, 1.65, 0, own, none, Labels(9.0, (), ()), np.full(20, 0.01))
    before, after, its_own = np.linspace(0, 1, 100), np.linspace(1, 0, 100), np.full(30, 0.5)
    tape = VadTrace(
        "silero",
        0,
        np.full(140, 0.9),
        restarts={20_480: before, 26_000: after, branch.shift + 25_700: its_own},
    )
    known = trace_of(branch, tape).restarts
    assert sorted(known) == [20_480, 25_700]
    np.testing.assert_array_equal(known[20_480], before[:10])  # 5,120 samples are 10 windows
    np.testing.assert_array_equal(known[25_700], its_own)
