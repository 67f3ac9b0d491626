"""The pieces of a reply and their sound in closed form, against LiveKit's streams and the scripted TTS."""

from __future__ import annotations

import asyncio
import random

import pytest
from livekit.agents import APIConnectOptions
from livekit.agents.tokenize import blingfire
from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown
from virtual import on_virtual_clock

from lab_utils.core.delays import Delay
from lab_utils.latency.ablation.scenario import call_centre
from lab_utils.latency.reply.sentences import pieces
from lab_utils.latency.reply.sound import frames
from lab_utils.session.scripted.prompt import tokens_of
from lab_utils.session.scripted.tts import ScriptedTTS

SAID = [
    *call_centre().replies,
    *call_centre().short.replies,
    *(common.answer for common in call_centre().common),
    "Sure thing. Of course, I can do that for you. Would the morning suit you better?",
    "Yes.",
    "No! Never. It costs 3.50, or *less*. Dr. Smith said: wait... Then go on; please",
    "A word_with_underscores and a list:\n- one\n- two\nThat is all.",
]


async def _streamed(tokens: list[str], shortest: int) -> list[tuple[int, str]]:
    """By LiveKit's own streams: each piece with the number of tokens that were pushed when it came out."""
    stream = blingfire.SentenceTokenizer(min_sentence_len=shortest).stream()
    pushed, found = 0, []

    async def source():
        nonlocal pushed
        for token in tokens:
            pushed += 1
            yield token
            await asyncio.sleep(0.01)

    async def read() -> None:
        async for one in stream:
            found.append((pushed, one.token.strip()))

    reading = asyncio.create_task(read())
    async for text in filter_emoji(filter_markdown(source())):
        stream.push_text(text)
        await asyncio.sleep(0)
    stream.end_input()
    await reading
    return found


@pytest.mark.parametrize("shortest", [1, 5, 20, 40])
def test_pieces_are_those_of_livekits_streams(shortest: int) -> None:
    async def compared() -> None:
        for text in SAID:
            tokens = tokens_of(text)
            assert pieces(tokens, shortest) == await _streamed(tokens, shortest), text

    asyncio.run(compared())


@on_virtual_clock
async def test_sound_comes_and_ends_when_the_scripted_tts_says() -> None:
    rng = random.Random(0)
    loop = asyncio.get_running_loop()
    for _ in range(25):
        texts = [f"A{'x' * rng.randint(12, 60)}. " for _ in range(rng.randint(1, 4))]
        gaps_s = [rng.choice((0.0, 0.02, 0.05)) for _ in texts]
        speed, chunk_s, first_s = rng.choice((5.0, 10.0)), rng.choice((0.2, 0.5)), rng.uniform(0.05, 0.4)
        script = ScriptedTTS(
            first_audio=Delay(first_s), speed=speed, chunk_s=chunk_s, voice="tone", min_sentence_len=5
        )
        start_s, came = loop.time(), []
        async with script.stream(conn_options=APIConnectOptions(max_retry=0)) as stream:

            async def write(stream=stream, texts=texts, gaps_s=gaps_s, came=came, start_s=start_s) -> None:
                for text, gap_s in zip(texts, gaps_s, strict=True):
                    await asyncio.sleep(gap_s)
                    stream.push_text(text)
                    came.append(loop.time() - start_s)
                stream.end_input()

            writing = asyncio.create_task(write())
            heard = [(loop.time() - start_s, event.frame.duration) async for event in stream]
            await writing
        # A piece goes out when the next one begins, the last one at the end of the text.
        ours = frames(
            list(zip([*came[1:], came[-1]], map(str.strip, texts), strict=True)), first_s, speed, chunk_s
        )
        assert ours.ready_s[0] == pytest.approx(heard[0][0], abs=1e-6)
        assert sum(ours.length_s) == pytest.approx(sum(one for _, one in heard), abs=1e-3)
        now_s = heard[0][0]
        for ready_s, length_s in heard:
            now_s = max(now_s, ready_s) + length_s
        assert ours.end_s(heard[0][0]) == pytest.approx(now_s, abs=0.011)
