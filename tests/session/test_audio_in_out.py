"""Audio in and out of an offline session: exact moments, and playout against a sample-by-sample twin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc

from lab_utils.session import clock
from lab_utils.session.audio import audio_in, audio_out
from lab_utils.session.audio.audio_in import RecordingInput, Stream
from lab_utils.session.audio.audio_out import Heard, Playout, mix
from lab_utils.session.clock.pace import Turn, sleep_until
from lab_utils.session.late_join import LateJoin

RATE = 16_000
START_S = clock.MONOTONIC_S
Scenario = Callable[[], Awaitable[Any]]


def virtually(main: Callable[[], Any]) -> Any:
    """Run on a virtual loop, `time.time()` in the module under test counting from its start."""
    reading = SimpleNamespace(time=lambda: asyncio.get_running_loop().time() - START_S)
    with patch.object(audio_in, "time", reading), patch.object(audio_out, "time", reading):
        return clock.run(main)


def now() -> float:
    return asyncio.get_running_loop().time() - START_S


def ramp(first: int, count: int) -> np.ndarray:
    """Samples that tell their own position."""
    return np.arange(first, first + count).astype(np.int16)


def frame_of(samples: np.ndarray, rate: int = RATE, channels: int = 1) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.tobytes(), rate, channels, len(samples) // channels)


class Player:
    """A playout with the log of all it reports: (moment, kind, ...)."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.out = Playout(latency_s=latency_s, on_event=lambda kind, data: self._tell(kind, **data))
        self.out.on("playback_started", lambda e: self.log.append((now(), "started", e.created_at)))
        self.out.on(
            "playback_progressed",
            lambda e: self.log.append((now(), "progressed", e.started_at, e.offset, e.duration)),
        )
        self.out.on(
            "playback_finished",
            lambda e: self.log.append((now(), "finished", e.playback_position, e.interrupted)),
        )

    def _tell(self, kind: str, **data: Any) -> None:
        self.events.append((round(now(), 9), kind.removeprefix("playout_"), *data.values()))

    async def say(self, seconds: float, first: int = 0) -> None:
        await self.out.capture_frame(frame_of(ramp(first, round(seconds * RATE))))

    @property
    def spans(self) -> list[tuple[float, float]]:
        """(start, end) of what was heard."""
        return [(round(run.at, 9), round(run.at + len(run.samples) / RATE, 9)) for run in self.out.heard]


def played(scenario: Callable[[Player], Awaitable[None]], latency_s: float = 0.0) -> Player:
    async def main() -> Player:
        player = Player(latency_s)
        await scenario(player)
        return player

    return virtually(main)


# ---------------------------------------------------------------- input


def test_stream_fills_up_its_last_frame() -> None:
    stream = Stream(ramp(1, 5), 2)
    frames = [stream.frame(i) for i in range(4)]
    assert [None if frame is None else frame.tolist() for frame in frames] == [[1, 2], [3, 4], [5, 0], None]
    assert Stream(ramp(0, 0), 2).frame(0) is None


def test_stream_wants_mono_int16() -> None:
    with pytest.raises(ValueError, match=r"int16 samples of shape \(n,\), got float64"):
        Stream(np.zeros(4), 2)


def test_input_delivers_every_frame_at_its_exact_moment() -> None:
    async def main() -> tuple[RecordingInput, list[float], list[float], float]:
        source = RecordingInput(Stream(ramp(0, 7 * RATE), 333), 333, on_start=lambda: started.append(now()))
        started: list[float] = []
        await asyncio.sleep(0.25)
        moments = []
        async for frame in source:
            moments.append(now())
            assert frame.samples_per_channel == 333
            await asyncio.sleep(0.0123)  # a slow listener doesn't shift what follows
        assert source.ended.is_set()
        return source, started, moments, now()

    source, started, moments, ended = virtually(main)
    assert source.started_at == pytest.approx(0.25, abs=1e-9)
    assert started == [source.started_at]
    expected = 0.25 + (np.arange(len(moments)) + 1) * 333 / RATE
    np.testing.assert_allclose(moments, expected, rtol=0, atol=1e-9)
    assert ended == pytest.approx(expected[-1] + 333 / RATE, abs=1e-9)
    np.testing.assert_array_equal(source.samples()[: 7 * RATE], ramp(0, 7 * RATE))


def test_late_audio_comes_when_it_arrives_and_what_comes_at_once_in_order() -> None:
    async def main() -> list[float]:
        arrives = LateJoin(from_s=0.1, join_s=0.2, buffered=True, caught_up_s=0.0)
        moments = []
        async for _ in RecordingInput(Stream(ramp(0, 8 * 800), 800), 800, arrives=arrives):
            moments.append(now())
        return moments

    moments = virtually(main)
    assert moments == pytest.approx([0.05, 0.1, 0.3, 0.3, 0.3, 0.3, 0.35, 0.4], abs=1e-3)
    assert (np.diff(moments) > 0).all()


def test_source_is_asked_when_the_frame_is_due_and_once_per_number() -> None:
    asked: list[tuple[int, float]] = []

    class Source:
        def frame(self, number: int) -> np.ndarray | None:
            asked.append((number, round(now(), 9)))
            return np.zeros(800, np.int16) if number < 3 else None

    async def main() -> None:
        source = RecordingInput(Source(), 800)
        waiting = asyncio.ensure_future(source.__anext__())
        await asyncio.sleep(0.02)
        waiting.cancel()  # the agent lets go of its input, and takes it again
        await asyncio.sleep(0.01)
        async for _ in source:
            pass
        with pytest.raises(StopAsyncIteration):
            await source.__anext__()
        assert source.samples().shape == (2400,)

    virtually(main)
    assert asked == [(0, 0.05), (1, 0.1), (2, 0.15), (3, 0.2)]


def test_source_with_wrong_frames_is_named_and_ends_the_input() -> None:
    async def main() -> None:
        source = RecordingInput(Stream(ramp(0, 800), 400), 800)
        with pytest.raises(
            ValueError, match=r"expected 800 int16 samples a frame, got int16 of shape \(400,\)"
        ):
            await source.__anext__()
        assert source.ended.is_set()
        assert isinstance(source.failure, ValueError)
        with pytest.raises(StopAsyncIteration):
            await source.__anext__()

    virtually(main)


def test_input_in_real_time() -> None:
    async def main() -> tuple[float, list[float]]:
        source = RecordingInput(Stream(ramp(0, 3200), 160), 160)
        moments = [time.time() async for _ in source]
        assert source.started_at is not None
        return source.started_at, moments

    started_at, moments = asyncio.run(main())
    late = np.array(moments) - started_at - (np.arange(20) + 1) * 0.01
    assert late.min() > -0.002
    assert np.median(late) < 0.01


# ---------------------------------------------------------------- playout


def test_segment_plays_from_start_to_end() -> None:
    async def scenario(player: Player) -> None:
        await asyncio.sleep(0.5)
        await player.say(0.3)
        await player.say(0.2, first=4800)
        player.out.flush()
        event = await player.out.wait_for_playout()
        assert (event.playback_position, event.interrupted) == (0.5, False)

    player = played(scenario)
    assert [(round(row[0], 9), *row[1:]) for row in player.log] == [
        (0.5, "started", 0.5),
        (1.0, "progressed", 0.5, 0.0, 0.5),
        (1.0, "finished", 0.5, False),
    ]
    assert player.events == [(0.5, "starts"), (1.0, "ends", 0.5, False)]
    np.testing.assert_array_equal(player.out.heard[0].samples, ramp(0, 8000))


def test_latency_delays_the_start_only() -> None:
    async def scenario(player: Player) -> None:
        await player.say(0.2)
        await asyncio.sleep(0.2)
        player.out.pause()
        await asyncio.sleep(0.1)
        player.out.resume()
        player.out.flush()
        await player.out.wait_for_playout()

    player = played(scenario, latency_s=0.1)
    assert player.spans == [(0.1, 0.2), (0.3, 0.4)]
    assert player.events == [
        (0.1, "starts"),
        (0.2, "pauses"),
        (0.3, "resumes"),
        (0.4, "ends", 0.2, False),
    ]
    with pytest.raises(ValueError, match="latency_s must not be negative, got -1"):
        Playout(latency_s=-1)


def test_pausing_and_resuming_again_and_again_is_one_pause() -> None:
    async def scenario(player: Player) -> None:
        await player.say(1.0)
        player.out.flush()
        await asyncio.sleep(0.25)
        for _ in range(3):
            player.out.pause()
            await asyncio.sleep(0.1)
        for _ in range(3):
            player.out.resume()
            await asyncio.sleep(0.1)
        await player.out.wait_for_playout()

    player = played(scenario)
    assert player.spans == [(0.0, 0.25), (0.55, 1.3)]
    assert player.events == [
        (0.0, "starts"),
        (0.25, "pauses"),
        (0.55, "resumes"),
        (1.3, "ends", 1.0, False),
    ]
    np.testing.assert_array_equal(np.concatenate([run.samples for run in player.out.heard]), ramp(0, RATE))


def test_pause_before_the_first_frame_holds_the_start_back() -> None:
    async def scenario(player: Player) -> None:
        player.out.pause()
        await player.say(0.2)
        player.out.flush()
        await asyncio.sleep(1.0)
        assert not player.log
        player.out.resume()
        await player.out.wait_for_playout()

    player = played(scenario)
    assert player.events == [(1.0, "starts"), (1.2, "ends", 0.2, False)]


def test_pause_during_the_latency_starts_it_anew() -> None:
    async def scenario(player: Player) -> None:
        await player.say(0.2)
        await asyncio.sleep(0.05)
        player.out.pause()
        await asyncio.sleep(0.05)
        player.out.resume()
        player.out.flush()
        await player.out.wait_for_playout()

    assert played(scenario, latency_s=0.1).events == [(0.2, "starts"), (0.4, "ends", 0.2, False)]


def test_clearing_stops_at_the_sample() -> None:
    async def scenario(player: Player) -> None:
        await player.say(1.0)
        player.out.flush()
        await asyncio.sleep(0.123456)
        player.out.clear_buffer()
        player.out.clear_buffer()
        event = await player.out.wait_for_playout()
        assert (event.playback_position, event.interrupted) == (1975 / RATE, True)

    player = played(scenario)
    assert [len(run.samples) for run in player.out.heard] == [1975]
    assert player.events == [(0.0, "starts"), (0.123456, "ends", 1975 / RATE, True)]


def test_clearing_while_paused_keeps_the_position_and_the_pause() -> None:
    async def scenario(player: Player) -> None:
        await player.say(1.0)
        player.out.flush()
        await asyncio.sleep(0.4)
        player.out.pause()
        await asyncio.sleep(0.4)
        player.out.clear_buffer()
        await player.say(0.1)
        player.out.flush()
        await asyncio.sleep(0.4)
        player.out.resume()
        await player.out.wait_for_playout()

    player = played(scenario)
    assert player.spans == [(0.0, 0.4), (1.2, 1.3)]
    assert player.events == [
        (0.0, "starts"),
        (0.4, "pauses"),
        (0.8, "ends", 0.4, True),
        (1.2, "starts"),
        (1.3, "ends", 0.1, False),
    ]


def test_clearing_before_the_start_ends_a_segment_nobody_heard() -> None:
    async def scenario(player: Player) -> None:
        await player.say(1.0)
        player.out.flush()
        player.out.clear_buffer()
        event = await player.out.wait_for_playout()
        assert (event.playback_position, event.interrupted) == (0.0, True)

    player = played(scenario)
    assert not player.events
    assert not player.out.heard


def test_what_comes_for_a_cleared_segment_is_dropped() -> None:
    async def scenario(player: Player) -> None:
        await player.say(0.5)
        await asyncio.sleep(0.2)
        player.out.clear_buffer()
        await player.say(0.5)
        player.out.flush()
        await player.out.wait_for_playout()
        await player.say(0.1)
        player.out.flush()
        await player.out.wait_for_playout()

    player = played(scenario)
    assert player.spans == [(0.0, 0.2), (0.2, 0.3)]


def test_flush_without_audio_ends_nothing() -> None:
    async def scenario(player: Player) -> None:
        player.out.flush()
        player.out.clear_buffer()
        await asyncio.wait_for(player.out.wait_for_playout(), 1.0)
        await player.out.capture_frame(frame_of(ramp(0, 0)))
        player.out.flush()
        event = await asyncio.wait_for(player.out.wait_for_playout(), 1.0)
        assert (event.playback_position, event.interrupted) == (0.0, False)

    assert not played(scenario).events


def test_segments_play_one_after_another() -> None:
    async def scenario(player: Player) -> None:
        for _ in range(2):
            await player.say(0.5)
            player.out.flush()
        await player.out.wait_for_playout()

    assert played(scenario).events == [
        (0.0, "starts"),
        (0.5, "ends", 0.5, False),
        (0.5, "starts"),
        (1.0, "ends", 0.5, False),
    ]


def test_playout_waits_for_slow_speech() -> None:
    async def scenario(player: Player) -> None:
        for k in range(3):
            await player.say(0.2, first=3200 * k)
            await asyncio.sleep(0.5)
        player.out.flush()
        await player.out.wait_for_playout()

    player = played(scenario)
    assert player.spans == [(0.0, 0.2), (0.5, 0.7), (1.0, 1.2)]
    assert player.events == [(0.0, "starts"), (1.5, "ends", pytest.approx(0.6), False)]
    offsets = [row[3] for row in player.log if row[1] == "progressed"]
    assert offsets == pytest.approx([0.0, 0.2, 0.4])


def test_flush_of_what_has_all_been_played_ends_it_even_if_paused() -> None:
    async def scenario(player: Player) -> None:
        await player.say(0.2)
        await asyncio.sleep(0.3)
        player.out.pause()
        player.out.flush()
        await player.out.wait_for_playout()

    assert played(scenario).events == [(0.0, "starts"), (0.3, "pauses"), (0.3, "ends", 0.2, False)]


def test_only_16_khz_mono_is_played() -> None:
    async def main() -> None:
        await Playout().capture_frame(frame_of(ramp(0, 480), rate=24_000))

    with pytest.raises(ValueError, match="expected 16000 Hz mono, got 24000 Hz with 1 channels"):
        virtually(main)


def test_playout_in_real_time_is_exact_although_timers_are_late() -> None:
    async def main() -> tuple[Player, list[float]]:
        out = Playout()
        moments = [time.time()]
        for k in range(4):
            await out.capture_frame(frame_of(ramp(320 * k, 320)))
            moments.append(time.time())
            time.sleep(0.03)  # the loop is busy: it notices late that the 20 ms are over
        out.flush()
        event = await out.wait_for_playout()
        assert event.playback_position == pytest.approx(0.08)
        return out, moments

    out, moments = asyncio.run(main())
    # The first run begins when the frame is captured, and no later one before its own frame.
    assert moments[0] - 1e-3 <= out.heard[0].at <= moments[1] + 1e-3
    gaps = np.diff([run.at for run in out.heard])
    assert gaps.min() >= 0.02
    np.testing.assert_array_equal(np.concatenate([run.samples for run in out.heard]), ramp(0, 1280))


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("capture"), st.integers(1, 60)),
        st.tuples(st.just("wait"), st.integers(0, 50)),
        st.tuples(st.sampled_from(["flush", "pause", "resume", "clear"]), st.just(0)),
    ),
    max_size=40,
)


def naive_playout(operations: list[tuple[str, int]]) -> tuple[dict[int, int], list[tuple[int, bool, bool]]]:
    """Sample by sample: what is heard at which sample, and (played, interrupted, could be either) at ends."""
    heard: dict[int, int] = {}
    ends: list[tuple[int, bool, bool]] = []
    line: list[dict[str, Any]] = []
    tick, value, paused, accepting, dropping = 0, 0, False, False, False

    def end_the_played() -> None:
        while line and line[0]["flushed"] and not line[0]["left"]:
            ends.append((line.pop(0)["played"], False, False))

    for name, number in operations:
        if name == "capture":
            samples = list(range(value, value + number))
            value += number
            if not dropping:
                if not accepting:
                    line.append({"left": [], "played": 0, "flushed": False})
                accepting = True
                line[-1]["left"] += samples
        elif name == "flush":
            if accepting:
                line[-1]["flushed"] = True
            accepting = dropping = False
        elif name == "clear":
            dropping = dropping or accepting
            accepting = False
            for segment in line:
                ends.append((segment["played"], True, segment["flushed"] and not segment["left"]))
            line = []
        elif name == "pause":
            paused = True
        elif name == "resume":
            paused = False
        else:
            for _ in range(number):
                end_the_played()
                if line and not paused and line[0]["left"]:
                    heard[tick] = line[0]["left"].pop(0)
                    line[0]["played"] += 1
                tick += 1
            if number:
                end_the_played()
    return heard, ends


@given(OPERATIONS)
def test_playout_agrees_with_its_naive_twin(operations: list[tuple[str, int]]) -> None:
    operations = [*operations, ("resume", 0), ("flush", 0), ("wait", 3000)]

    async def scenario(player: Player) -> None:
        tick, value = 0, 0
        for name, number in operations:
            if name == "capture":
                await player.out.capture_frame(frame_of(ramp(value, number)))
                value += number
            elif name == "wait":
                tick += number
                await sleep_until(START_S + tick / RATE, Turn.FRAME)
                # All that is due at this very moment happens first, as in the twin.
                for _ in range(3):
                    await asyncio.sleep(0 if number == 0 else 1e-9)
            else:
                getattr(player.out, "clear_buffer" if name == "clear" else name)()

    player = played(scenario)
    heard, ends = naive_playout(operations)
    measured: dict[int, int] = {}
    for run in player.out.heard:
        first = round(run.at * RATE)
        assert not measured.keys() & range(first, first + len(run.samples))
        measured.update(enumerate(run.samples.tolist(), first))
    assert measured == heard
    finished = [row for row in player.log if row[1] == "finished"]
    assert [round(row[2] * RATE) for row in finished] == [played for played, _, _ in ends]
    for row, (_, interrupted, either) in zip(finished, ends, strict=True):
        assert either or row[3] == interrupted
    assert len(finished) == player.out.captured_playout_segments
    _check_reports(player)


def _check_reports(player: Player) -> None:
    """Progress adds up to the position of each segment; nothing begins in a pause."""
    covered = 0.0
    for row in player.log:
        if row[1] == "progressed":
            assert row[3] == pytest.approx(covered)
            covered += row[4]
        elif row[1] == "finished":
            assert row[2] == pytest.approx(covered)
            covered = 0.0
    kinds = [kind for _, kind, *_ in player.events]
    follows = {
        None: {"starts"},
        "starts": {"pauses", "ends"},
        "pauses": {"resumes", "ends"},
        "resumes": {"pauses", "ends"},
        "ends": {"starts"},
    }
    for before, after in zip([None, *kinds], kinds, strict=False):
        assert after in follows[before]


# ---------------------------------------------------------------- mix


def test_mix_places_both_on_the_streams_axis() -> None:
    heard = [Heard(99.5, ramp(0, 10_000)), Heard(100.5, ramp(1, 4)), Heard(101.0, ramp(7, 2))]
    both = mix(np.full(RATE, 9, np.int16), heard, 100.0)
    assert both.shape == (RATE + 2, 2)
    assert both.dtype == np.int16
    np.testing.assert_array_equal(both[:RATE, 0], 9)
    np.testing.assert_array_equal(both[:2000, 1], ramp(8000, 2000))  # what came before the start is left out
    np.testing.assert_array_equal(both[8000:8004, 1], [1, 2, 3, 4])
    np.testing.assert_array_equal(both[RATE:], [[0, 7], [0, 8]])
    assert np.count_nonzero(both[2000:8000, 1]) == 0


def test_mix_without_anything() -> None:
    assert mix(np.zeros(0, np.int16), [], 0.0).shape == (0, 2)
    assert mix(np.zeros(0, np.int16), [Heard(1.0, ramp(0, 3))], 5.0).shape == (0, 2)
