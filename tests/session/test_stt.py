"""The scripted STT: every event once, at its moment, whatever happens to the stream."""

import asyncio
import time

import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, stt
from livekit.agents.voice.audio_recognition import _STTPipeline, _STTPipelineContextVar
from virtual import on_both_clocks, on_virtual_clock

from lab_utils.core.traces import SttEvent
from lab_utils.session import clock
from lab_utils.session.scripted.stt import ScriptedSTT, SttTiming

FRAME = rtc.AudioFrame(data=bytes(640), sample_rate=16_000, num_channels=1, samples_per_channel=320)
FRAME_S = 0.02

Heard = list[tuple[float, stt.SpeechEvent]]


def tolerance_s() -> float:
    """A virtual clock is exact; a plain loop is as late as the machine is busy."""
    return 1e-6 if isinstance(asyncio.get_running_loop(), clock.VirtualLoop) else 0.3


async def feed(stream: stt.RecognizeStream, frames: int) -> None:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for index in range(frames):
        await asyncio.sleep(max(0.0, start_s + (index + 1) * FRAME_S - loop.time()))
        stream.push_frame(FRAME)


async def collect(stream: stt.RecognizeStream, heard: Heard) -> None:
    async for event in stream:
        heard.append((time.time(), event))


async def listen(script: ScriptedSTT, frames: int) -> Heard:
    """Feed some frames to one stream and end its input; all events with their moments."""
    heard: Heard = []
    async with script.stream() as stream:
        listener = asyncio.create_task(collect(stream, heard))
        await feed(stream, frames)
        stream.end_input()
        await listener
    return heard


def assert_at(heard: Heard, expected: list[tuple[float, str]], start_s: float) -> None:
    assert [event.alternatives[0].text for _, event in heard] == [text for _, text in expected]
    for (moment_s, _), (expected_s, text) in zip(heard, expected, strict=True):
        assert -1e-6 <= moment_s - (start_s + expected_s) < tolerance_s(), text


@on_both_clocks
async def test_each_event_comes_at_its_moment() -> None:
    script, start_s = ScriptedSTT(), time.time()
    script.schedule([SttEvent(0.05, "interim", "a"), SttEvent(0.111, "final", "a b")], start_s)
    heard = await listen(script, 10)
    assert_at(heard, [(0.05, "a"), (0.111, "a b")], start_s)
    assert [event.type for _, event in heard] == [
        stt.SpeechEventType.INTERIM_TRANSCRIPT,
        stt.SpeechEventType.FINAL_TRANSCRIPT,
    ]
    assert heard[0][1].alternatives[0].language == "en"
    assert script.pending == 0


@on_both_clocks
async def test_events_can_be_added_late_and_in_any_order() -> None:
    script, start_s = ScriptedSTT(), time.time()
    script.schedule([SttEvent(0.2, "final", "last")], start_s)

    async def turn() -> None:
        await asyncio.sleep(0.04)
        script.schedule(
            [SttEvent(0.06, "final", "own clock"), SttEvent(0.0, "interim", "now")], start_s + 0.04
        )
        script.schedule([SttEvent(0.01, "interim", "missed")], start_s)

    turns = asyncio.create_task(turn())
    heard = await listen(script, 6)
    await turns
    assert_at(heard, [(0.04, "missed"), (0.04, "now"), (0.1, "own clock"), (0.2, "last")], start_s)


@on_both_clocks
async def test_what_is_still_to_come_outlives_the_end_of_the_audio() -> None:
    script, start_s = ScriptedSTT(), time.time()
    script.schedule([SttEvent(0.15, "final", "after the audio")], start_s)
    assert_at(await listen(script, 2), [(0.15, "after the audio")], start_s)


@on_both_clocks
async def test_closing_the_stream_drops_nothing_that_another_stream_could_send() -> None:
    script, start_s = ScriptedSTT(), time.time()
    script.schedule([SttEvent(0.05, "interim", "one"), SttEvent(0.25, "interim", "two")], start_s)
    script.schedule([SttEvent(0.45, "final", "three")], start_s)
    first: Heard = []
    async with script.stream() as stream:
        listener = asyncio.create_task(collect(stream, first))
        await asyncio.sleep(0.15)
    await listener
    await asyncio.sleep(0.2)  # "two" falls due while nobody listens
    assert script.pending == 2
    second = await listen(script, 3)
    assert_at(first, [(0.05, "one")], start_s)
    assert_at(second, [(0.35, "two"), (0.45, "three")], start_s)


@on_both_clocks
async def test_a_new_stream_takes_over_from_one_that_is_still_open() -> None:
    script, start_s = ScriptedSTT(), time.time()
    script.schedule([SttEvent(0.02 * i, "interim", f"{i}") for i in range(1, 9)], start_s)
    first: Heard = []
    second: Heard = []
    async with script.stream() as old:
        listeners = [asyncio.create_task(collect(old, first))]
        await asyncio.sleep(0.07)
        async with script.stream() as new:
            listeners.append(asyncio.create_task(collect(new, second)))
            await asyncio.sleep(0.03)
            new.end_input()
            await asyncio.gather(*listeners)
    texts = [event.alternatives[0].text for _, event in first + second]
    assert texts == [f"{i}" for i in range(1, 9)]
    assert first
    assert second


@on_both_clocks
async def test_a_stream_that_died_is_retried_and_loses_nothing() -> None:
    script, start_s = ScriptedSTT(fail_at_s=0.1, fails=1), time.time()
    script.schedule([SttEvent(0.04, "interim", "before"), SttEvent(0.195, "interim", "during")], start_s)
    script.schedule([SttEvent(0.3, "final", "after")], start_s)
    errors: list[tuple[float, bool]] = []
    script.on("error", lambda error: errors.append((time.time() - start_s, error.recoverable)))
    heard = await listen(script, 12)
    # LiveKit's first retry comes 0.1 s after the failure. In real time the first frame may be late.
    exact = tolerance_s() < 0.01
    assert_at(heard, [(0.04, "before"), (0.2 if exact else 0.195, "during"), (0.3, "after")], start_s)
    assert [recoverable for _, recoverable in errors] == [True]
    assert errors[0][0] == pytest.approx(0.1, abs=tolerance_s())


@on_virtual_clock
async def test_a_stream_that_dies_again_and_again_gives_up() -> None:
    script = ScriptedSTT(fail_at_s=0.1, fails=4)
    errors: list[bool] = []
    script.on("error", lambda error: errors.append(error.recoverable))
    stream = script.stream()
    feeding = asyncio.create_task(feed(stream, 200))
    with pytest.raises(APIConnectionError, match="failed to recognize speech after 3 attempts"):
        await stream.__anext__()
    feeding.cancel()
    await stream.aclose()
    assert errors == [True, True, True, False]
    script.schedule([SttEvent(0.0, "final", "alive")], time.time())
    assert [event.alternatives[0].text for _, event in await listen(script, 2)] == ["alive"]


@on_virtual_clock
async def test_without_retries_the_failure_is_final() -> None:
    script = ScriptedSTT(fail_at_s=0.1)
    stream = script.stream(conn_options=APIConnectOptions(max_retry=0))
    pushing = asyncio.create_task(feed(stream, 4))
    with pytest.raises(APIConnectionError, match="scripted failure"):
        await stream.__anext__()
    await pushing
    await stream.aclose()


@on_virtual_clock
async def test_times_in_a_transcript_count_from_the_first_audio() -> None:
    script = ScriptedSTT(SttTiming(word_times=True, language="de"))
    await asyncio.sleep(5.0)
    start_s = time.time()
    script.schedule([SttEvent(0.5, "final", "a b", 0.2, 0.4)], start_s + 1.0)
    script.schedule(
        [SttEvent(1.6, "start_of_speech", "", 1.5), SttEvent(2.0, "end_of_speech", "", 1.5, 1.9)], start_s
    )
    stream = script.stream()
    await asyncio.sleep(0.75)
    await feed(stream, 20)
    final, speech_start, speech_end = [await stream.__anext__() for _ in range(3)]
    input_started_s = start_s + 0.75
    data = final.alternatives[0]
    assert data.start_time + input_started_s == pytest.approx(start_s + 1.2, abs=1e-6)
    assert data.end_time + input_started_s == pytest.approx(start_s + 1.4, abs=1e-6)
    assert data.language == "de"
    assert speech_start.speech_start_time == pytest.approx(start_s + 1.5, abs=1e-6)
    assert speech_end.speech_end_time == pytest.approx(start_s + 1.9, abs=1e-6)
    assert script.capabilities.aligned_transcript == "chunk"
    await stream.aclose()


@on_virtual_clock
async def test_in_a_session_they_count_from_the_audio_that_livekit_counts_from() -> None:
    async def stt_pump() -> float:
        # As AudioRecognition does it, whose pipeline outlives a stream that failed.
        pipeline = _STTPipeline.__new__(_STTPipeline)
        pipeline.input_started_at = time.time() - 3.0
        _STTPipelineContextVar.set(pipeline)
        script = ScriptedSTT(SttTiming(word_times=True))
        script.schedule([SttEvent(0.5, "final", "a", 0.2, 0.4)], time.time())
        (_, event), *_ = await listen(script, 2)
        return event.alternatives[0].end_time

    assert await asyncio.create_task(stt_pump()) == pytest.approx(3.4, abs=1e-6)


@on_virtual_clock
async def test_events_without_spans_tell_no_times() -> None:
    script = ScriptedSTT()
    script.schedule([SttEvent(0.1, "final", "a"), SttEvent(0.2, "end_of_speech")], time.time())
    (_, final), (_, end) = await listen(script, 5)
    assert (final.alternatives[0].start_time, final.alternatives[0].end_time) == (0.0, 0.0)
    assert end.speech_end_time is None
    assert end.alternatives == []
    assert script.capabilities.aligned_transcript is False


@on_virtual_clock
async def test_an_event_at_the_moment_of_a_frame_falls_the_same_way_every_time() -> None:
    async def order() -> list[str]:
        script, log, start_s = ScriptedSTT(), [], time.time()
        script.schedule([SttEvent(FRAME_S * i, "interim", f"event {i}") for i in range(1, 40)], start_s)

        async def note(stream: stt.RecognizeStream) -> None:
            async for event in stream:
                log.append(event.alternatives[0].text)

        stream = script.stream()
        listener = asyncio.create_task(note(stream))
        for index in range(40):
            await asyncio.sleep(max(0.0, start_s + (index + 1) * FRAME_S - time.time()))
            stream.push_frame(FRAME)
            log.append(f"frame {index + 1}")
        stream.end_input()
        await listener
        return log

    orders = [await asyncio.to_thread(clock.run, order, seed=seed) for seed in range(3)]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0])[:2] == ["event 1", "event 10"]


@on_virtual_clock
async def test_audio_costs_next_to_nothing() -> None:
    script = ScriptedSTT()
    stream = script.stream()
    await asyncio.sleep(0)
    began_s = clock.real_monotonic()
    for _ in range(50_000):
        stream.push_frame(FRAME)
    took_s = clock.real_monotonic() - began_s
    await stream.aclose()
    assert took_s < 50_000 * FRAME_S / 1000  # 1000 s of audio; a thousandth of it at most


def test_transcripts_without_text_are_refused() -> None:
    with pytest.raises(ValueError, match=r"final at 1.5 s has no text"):
        ScriptedSTT().schedule([SttEvent(1.5, "final", " ")], 0.0)


@pytest.mark.parametrize(
    ("faults", "message"),
    [({"fail_at_s": -1.0}, "fail_at_s is -1"), ({"fail_at_s": 1.0, "fails": 0}, "fails is 0")],
)
def test_impossible_faults_are_refused(faults: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScriptedSTT(**faults)  # type: ignore[arg-type]


def test_it_says_who_it_is() -> None:
    script = ScriptedSTT()
    assert (script.model, script.provider) == ("scripted-stt", "offline")
    assert script.capabilities.streaming
    assert script.capabilities.interim_results
