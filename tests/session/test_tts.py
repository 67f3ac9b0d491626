"""The scripted TTS: when its audio comes, and that it is all there."""

import asyncio
import importlib.util
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, tts
from virtual import on_both_clocks, on_virtual_clock

from lab_utils.core.delays import Delay, Draws, rng_for
from lab_utils.session import clock
from lab_utils.session.scripted.connection import Connection
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.session.scripted.voices import CHARACTER_S, hibari_installed, speak

ONCE = APIConnectOptions(max_retry=0)
FIRST = "This is the first sentence of two."
SECOND = "And here the second one ends."


async def timed(script: ScriptedTTS, pieces: list[tuple[float, str]]) -> list[tuple[float, rtc.AudioFrame]]:
    """The moments of all frames, in seconds from now, if text comes at the moments of `pieces`."""
    loop = asyncio.get_running_loop()
    start_s, frames = loop.time(), []

    async def write(stream: tts.SynthesizeStream) -> None:
        for moment_s, text in pieces:
            await asyncio.sleep(start_s + moment_s - loop.time())
            stream.push_text(text)
        stream.end_input()

    async with script.stream(conn_options=ONCE) as stream:
        writing = asyncio.create_task(write(stream))
        async for event in stream:
            frames.append((loop.time() - start_s, event.frame))
        await writing
    return frames


def joined(frames: list[tuple[float, rtc.AudioFrame]]) -> bytes:
    return b"".join(bytes(frame.data) for _, frame in frames)


@on_both_clocks
async def test_the_first_audio_comes_after_its_delay() -> None:
    script = ScriptedTTS(first_audio=Delay(0.15), speed=20, voice="tone")
    frames = await timed(script, [(0.05, FIRST)])
    exact = isinstance(asyncio.get_running_loop(), clock.VirtualLoop)
    assert -1e-6 <= frames[0][0] - 0.2 < (1e-6 if exact else 0.3)
    assert joined(frames) == speak(FIRST, "tone", 16_000)


@on_virtual_clock
async def test_audio_comes_as_fast_as_asked_for() -> None:
    text = "A long sentence " * 20 + "ends."
    frames = await timed(ScriptedTTS(first_audio=Delay(0.2), speed=4, voice="tone"), [(0.0, text)])
    audio_s = len(text) * CHARACTER_S
    assert frames[-1][0] == pytest.approx(0.2 + audio_s / 4, abs=0.21 / 4)
    got_s = 0.0
    for moment_s, frame in frames:
        got_s += frame.duration
        assert got_s <= (moment_s - 0.2) * 4 + 0.2 + 1e-6  # the chunk that has just come is whole
    assert got_s == pytest.approx(audio_s, abs=1e-3)


@on_virtual_clock
async def test_it_starts_at_the_first_sentence_boundary() -> None:
    script = ScriptedTTS(first_audio=Delay(0.1), speed=100, voice="tone")
    # The sentence is known to have ended when the next one begins, at 0.5 s.
    frames = await timed(script, [(0.0, FIRST[:10]), (0.2, FIRST[10:]), (0.5, f" {SECOND}"), (2.0, " ")])
    assert frames[0][0] == pytest.approx(0.6, abs=1e-6)
    before_end = b"".join(bytes(frame.data) for moment_s, frame in frames if moment_s < 1.0)
    # LiveKit holds back what doesn't fill a frame until more comes or the audio runs out.
    assert len(speak(FIRST, "tone", 16_000)) - 6_400 <= len(before_end) <= len(speak(FIRST, "tone", 16_000))
    assert frames[-1][0] >= 2.0
    assert joined(frames) == speak(FIRST, "tone", 16_000) + speak(SECOND, "tone", 16_000)


@on_virtual_clock
async def test_a_short_first_sentence_is_spoken_by_itself_only_if_the_tokenizer_lets_it() -> None:
    firsts = []
    for shortest in (20, 5):
        script = ScriptedTTS(first_audio=Delay(0.1), voice="tone", min_sentence_len=shortest)
        firsts.append((await timed(script, [(0.0, "Of course. "), (0.5, f"{FIRST} "), (1.0, SECOND)]))[0][0])
    assert firsts == pytest.approx([1.1, 0.6])
    with pytest.raises(ValueError, match="min_sentence_len is 0; expected 1 character or more"):
        ScriptedTTS(min_sentence_len=0)


@on_virtual_clock
async def test_with_a_schedule_audio_begins_once_so_many_characters_have_come_or_the_text_ends() -> None:
    """Beside the sentence tokenizer, which lets a sentence go as soon as the next one begins."""
    text = f"{FIRST} {SECOND}"  # 34 and 29 characters
    words = [(0.1 * k, f"{word} ") for k, word in enumerate(text.split())]
    firsts, said = [], []
    for schedule in (None, (40,), (50, 10), (500,)):
        script = ScriptedTTS(first_audio=Delay(0.1), speed=100, voice="tone", chunk_schedule=schedule)
        metrics: list[Any] = []
        script.on("metrics_collected", metrics.append)
        frames = await timed(script, words)
        firsts.append(frames[0][0] - 0.1)
        said.append(script.requests[0].characters)
        if schedule is not None:  # the plug-in sends a word once the next begins, and the clock starts there
            assert metrics[0].ttfb == pytest.approx(frames[0][0] - 0.1, abs=1e-6)
    # "This is the first sentence of two. And " has 39 characters, with "here " 44, with "the second " 55; a
    # word is known to have ended when the next begins, the last one when the text does.
    assert firsts == pytest.approx([0.7, 0.9, 1.1, 1.2], abs=1e-6)
    assert said == [63, 63, 63, 64]  # chunks lose the space between them


@on_virtual_clock
async def test_livekit_measures_the_delay_that_was_set() -> None:
    script = ScriptedTTS(first_audio=Delay(0.23), voice="tone")
    metrics: list[Any] = []
    script.on("metrics_collected", metrics.append)
    await timed(script, [(0.7, FIRST)])
    assert metrics[0].ttfb == pytest.approx(0.23, abs=1e-6)
    assert metrics[0].audio_duration == pytest.approx(len(FIRST) * CHARACTER_S, abs=1e-3)


@on_virtual_clock
async def test_longer_chunks_are_the_same_audio_from_the_same_moment() -> None:
    short, long = [
        await timed(ScriptedTTS(first_audio=Delay(0.2), voice="tone", chunk_s=chunk_s), [(0.0, FIRST)])
        for chunk_s in (0.1, 0.5)
    ]
    assert joined(short) == joined(long)
    assert short[0][0] == pytest.approx(long[0][0])
    assert len(long) < len(short)


@on_virtual_clock
async def test_drawn_by_what_is_said_a_stream_has_the_same_delay_whatever_else_is_said() -> None:
    async def first_audio(*texts: str) -> float:
        script = ScriptedTTS(first_audio=Delay(0.2, 2.0), voice="tone", draws=Draws(5, "tts"))
        return [(await timed(script, [(0.0, text)]))[0][0] for text in texts][-1]

    alone = await first_audio(FIRST)
    assert await first_audio(SECOND, FIRST) == pytest.approx(alone)
    assert await first_audio(SECOND) != pytest.approx(alone)


@on_virtual_clock
async def test_stream_k_has_the_same_delay_whatever_became_of_the_streams_before() -> None:
    first_audio = Delay(0.2, 0.8)
    expected = rng_for(3, "tts")
    delays = [first_audio.sample(expected) for _ in range(4)]
    script = ScriptedTTS(first_audio=first_audio, seed=3, voice="tone")
    for _ in range(3):
        async with script.stream():
            pass
    assert (await timed(script, [(0.0, FIRST)]))[0][0] == pytest.approx(delays[3], abs=1e-6)
    assert script.calls == 4


@on_virtual_clock
async def test_a_whole_text_at_once() -> None:
    script = ScriptedTTS(voice="tone")
    frame = await script.synthesize(f"{FIRST} {SECOND}").collect()
    expected = speak(FIRST, "tone", 16_000) + speak(SECOND, "tone", 16_000)
    assert bytes(frame.data)[: len(expected)] == expected
    assert bytes(frame.data)[len(expected) :] == bytes(320)  # LiveKit's mark of the end, 10 ms of silence


@on_virtual_clock
async def test_no_text_no_audio() -> None:
    assert await timed(ScriptedTTS(voice="tone"), []) == []


@on_virtual_clock
async def test_closing_stops_it() -> None:
    async with ScriptedTTS(voice="tone").stream() as stream:
        stream.push_text(FIRST)
        stream.end_input()
        await stream.__anext__()
    await asyncio.sleep(10.0)
    assert len(asyncio.all_tasks()) == 1


@on_virtual_clock
async def test_a_synthesizer_that_returns_nothing_is_an_error_after_retries() -> None:
    script = ScriptedTTS(returns_nothing=True, first_audio=Delay(0.2))
    errors: list[bool] = []
    script.on("error", lambda error: errors.append(error.recoverable))
    with pytest.raises(APIError, match="no audio frames were pushed"):
        await timed(script, [(0.0, FIRST)])
    assert errors == [False]
    stream = script.stream()
    stream.push_text(FIRST)
    stream.end_input()
    with pytest.raises(APIError, match="no audio frames were pushed"):
        await stream.__anext__()
    await stream.aclose()
    assert errors == [False, True, True, True, False]


@pytest.mark.skipif(not hibari_installed(), reason="needs hibari-tts: pip install hibari-tts")
@on_virtual_clock
async def test_hibari_costs_no_virtual_time() -> None:
    script = ScriptedTTS(first_audio=Delay(0.1))
    assert script.voice == "hibari"
    frames = await timed(script, [(0.0, FIRST)])
    assert frames[0][0] == pytest.approx(0.1, abs=1e-6)
    assert np.abs(np.frombuffer(joined(frames), dtype=np.int16)).max() > 1000


def test_without_hibari_it_hums_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.session.scripted.voices.find_spec", lambda name: None)
    assert ScriptedTTS().voice == "tone"
    with pytest.raises(ValueError, match="needs the package hibari-tts"):
        ScriptedTTS(voice="hibari")


def test_what_is_installed_decides_the_voice() -> None:
    expected = "tone" if importlib.util.find_spec("hibari") is None else "hibari"
    assert ScriptedTTS().voice == expected


def test_impossible_speeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"speed is 0\.0"):
        ScriptedTTS(speed=0.0)


def test_it_says_who_it_is() -> None:
    script = ScriptedTTS(voice="tone")
    assert (script.model, script.provider, script.sample_rate) == ("scripted-tts", "offline", 16_000)


# --- what a provider adds ---------------------------------------------------------------------------


def connected(prewarms: bool = False) -> ScriptedTTS:
    connection = Connection(Delay(0.5), Delay(0.1), 60.0, rng_for(0, "tts connection"))
    return ScriptedTTS(first_audio=Delay(0.2), voice="tone", connection=connection, prewarms=prewarms)


@on_virtual_clock
async def test_the_first_stream_waits_for_the_connection_unless_it_is_warm() -> None:
    for prewarms in (False, True):
        script = connected(prewarms)
        script.prewarm()
        await asyncio.sleep(1.0)
        firsts = [(await timed(script, [(0.0, FIRST)]))[0][0] for _ in range(2)]
        assert firsts == pytest.approx([0.3 if prewarms else 0.8, 0.3], abs=1e-6)
        assert [request.setup for request in script.requests] == [not prewarms, False]


@on_virtual_clock
async def test_the_connection_opens_while_the_text_is_still_to_come() -> None:
    script = connected()
    frames = await timed(script, [(0.4, FIRST)])
    assert frames[0][0] == pytest.approx(0.4 + (0.5 - 0.4) + 0.1 + 0.2, abs=1e-6)
    assert script.requests[0].network_s == pytest.approx(0.2, abs=1e-6)


@on_virtual_clock
async def test_a_stream_cut_short_takes_its_connection_with_it() -> None:
    script = connected()
    await timed(script, [(0.0, FIRST)])
    async with script.stream(conn_options=ONCE) as stream:
        stream.push_text(FIRST)
        stream.flush()
        await asyncio.sleep(0.05)
    assert (await timed(script, [(0.0, FIRST)]))[0][0] == pytest.approx(0.8, abs=1e-6)
    assert [request.outcome for request in script.requests] == ["done", "discarded", "done"]


@on_virtual_clock
async def test_requests_count_the_characters_that_were_sent() -> None:
    script = ScriptedTTS(voice="tone")
    await timed(script, [(0.0, FIRST + " "), (0.1, SECOND)])
    (request,) = script.requests
    assert (request.characters, request.outcome) == (len(FIRST) + len(SECOND), "done")
    assert (request.network_s, request.setup) == (0.0, False)


def test_a_connection_that_is_not_there_can_not_be_warmed() -> None:
    with pytest.raises(ValueError, match="prewarms needs a connection"):
        ScriptedTTS(voice="tone", prewarms=True)
