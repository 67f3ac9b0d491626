"""A speech synthesizer with the delays of a real streaming one. It plays a tone or real speech (`voices`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from livekit.agents import tokenize, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.utils import aio

from ...core.delays import Delay, Draws, rng_for
from ...core.timeline import SAMPLE_RATE_HZ
from ..clock.pace import sleep_until
from .chunk_schedule import ChunkSchedule
from .connection import Connection, Request
from .usage import TtsRequest
from .voices import MIN_SENTENCE_LEN, Voice, hibari_installed, speak

FIRST_AUDIO = Delay(0.2)
SPEED = 10.0
CHUNK_S = 0.2
"""Seconds of audio in each piece that is delivered; LiveKit's frames are of this length too."""
_Tokens = tokenize.SentenceStream | tokenize.WordStream
_BYTES = 2
"""Bytes of a sample."""


class ScriptedTTS(tts.TTS):
    """A streaming TTS: starts to speak at the first sentence boundary of its text, as LiveKit's plug-ins do.

    `first_audio` is the delay from the first sentence to its first audio. It is drawn when a stream is made:
    stream k of a run always has the same delay. From then on audio comes `speed` times as fast as it plays. A
    later sentence is generated when its text has come and the sentence before is done. Synthesis runs in a
    thread. It takes no virtual time; in real time it is part of `first_audio`, unless it takes longer.

    `connection` is opened when a stream is made, while the LLM still writes the first sentence: LiveKit's
    plug-ins take a connection from their pool then. A stream that is cut short closes its connection, as in
    the pool (livekit/agents/utils/connection_pool.py). A round trip is added to `first_audio`. With
    `prewarms` the connection is opened when `prewarm` is called: LiveKit does so at the start of a session,
    and a worker can do so before. `requests` lists all streams.

    With `draws` the delay depends on the first sentence instead of the stream's number. So two runs have the
    same delay for the same sentence even if one of them says more.

    `chunk_s`: seconds of audio in each piece; a piece is delivered when its beginning is ready.
    `min_sentence_len`: characters of the shortest piece of text that is spoken by itself, as in LiveKit's
    sentence tokenizer. With a `chunk_schedule` words are sent instead, and wait for each other
    (`chunk_schedule.ChunkSchedule`); what is said of sentences here then holds for its chunks.

    `voice` None takes "hibari" where hibari-tts is installed, else "tone". The default sample rate is that of
    the session, so that nothing needs to be resampled. Fault: with `returns_nothing` no audio ever comes.
    """

    def __init__(
        self,
        *,
        first_audio: Delay = FIRST_AUDIO,
        speed: float = SPEED,
        voice: Voice | None = None,
        sample_rate: int = SAMPLE_RATE_HZ,
        seed: int = 0,
        part: str = "tts",
        model: str = "scripted-tts",
        connection: Connection | None = None,
        prewarms: bool = False,
        draws: Draws | None = None,
        chunk_s: float = CHUNK_S,
        min_sentence_len: int = MIN_SENTENCE_LEN,
        chunk_schedule: Sequence[int] | None = None,
        returns_nothing: bool = False,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True), sample_rate=sample_rate, num_channels=1
        )
        if not 0.1 <= speed <= 10_000:
            raise ValueError(f"speed is {speed}; expected 0.1 to 10000 seconds of audio per second")
        if voice == "hibari" and not hibari_installed():
            raise ValueError("voice 'hibari' needs the package hibari-tts; install it, or choose 'tone'")
        if prewarms and connection is None:
            raise ValueError("prewarms needs a connection to open; give one, or leave prewarms out")
        if not 0.01 <= chunk_s <= 10:
            raise ValueError(f"chunk_s is {chunk_s}; expected 0.01 to 10 seconds of audio")
        if min_sentence_len < 1:
            raise ValueError(f"min_sentence_len is {min_sentence_len}; expected 1 character or more")
        self._chunk_s, self._min_sentence_len, self._schedule = chunk_s, min_sentence_len, chunk_schedule
        self._voice: Voice = voice or ("hibari" if hibari_installed() else "tone")
        self._first_audio, self._speed = first_audio, speed
        self._rng, self._draws = rng_for(seed, part), draws
        self._model, self._connection, self._prewarms = model, connection, prewarms
        self._returns_nothing = returns_nothing
        self.calls = 0
        """How many streams have been made, the discarded ones included."""
        self.requests: list[TtsRequest] = []
        """These streams, in order."""

    @property
    def model(self) -> str:
        """The name in LiveKit's metrics."""
        return self._model

    @property
    def provider(self) -> str:
        """The provider in LiveKit's metrics."""
        return "offline"

    def prewarm(self) -> None:
        """Open the connection, if this TTS `prewarms`."""
        if self._prewarms and self._connection is not None:
            self._connection.warm_up()

    def _tokenizer(self) -> tokenize.SentenceTokenizer | tokenize.WordTokenizer:
        """What divides the text, as the plug-ins do."""
        if self._schedule is not None:
            return tokenize.basic.WordTokenizer(ignore_punctuation=False)
        return tokenize.blingfire.SentenceTokenizer(min_sentence_len=self._min_sentence_len)

    @property
    def voice(self) -> Voice:
        """The voice in use: "tone" or "hibari"."""
        return self._voice

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a whole text."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """A stream for one reply."""
        self.calls += 1
        self.requests.append(TtsRequest(at_s=asyncio.get_running_loop().time()))
        return _ScriptedStream(
            self,
            conn_options,
            call=self.calls,
            delay_s=self._first_audio.sample(self._rng),
            request=self._connection.request() if self._connection is not None else None,
        )


class _ScriptedStream(tts.SynthesizeStream):
    def __init__(
        self,
        script: ScriptedTTS,
        conn_options: APIConnectOptions,
        *,
        call: int,
        delay_s: float,
        request: Request | None,
    ) -> None:
        self._script, self._delay_s, self._request = script, delay_s, request
        self._call = call
        self._open_s = 0.0  # loop time from which the connection is open
        self._id = f"scripted-tts-{call}"
        super().__init__(tts=script, conn_options=conn_options)

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=self._id,
            sample_rate=self._script.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            frame_size_ms=round(self._script._chunk_s * 1000),
            stream=True,
        )
        output_emitter.start_segment(segment_id=self._id)
        self._connect()
        sentences = self._script._tokenizer().stream()
        reading = asyncio.create_task(self._read(sentences))
        try:
            await self._speak(sentences, output_emitter)
            await reading
        except asyncio.CancelledError:
            if self._script._connection is not None:
                self._script._connection.close()
            raise
        else:
            self._entry = replace(self._entry, outcome="done")
            if self._script._connection is not None:
                self._script._connection.used()
        finally:
            await aio.cancel_and_wait(reading)
            await sentences.aclose()

    def _connect(self) -> None:
        """Take the connection, and open it first if need be."""
        connection = self._script._connection
        if connection is None or self._request is None:
            return
        before = connection.setups
        self._open_s = asyncio.get_running_loop().time() + connection.open(self._request)
        self._entry = replace(self._entry, setup=connection.setups > before)

    def _network_s(self) -> float:
        """Seconds that the first sentence, if sent now, waits for connection and network."""
        if self._request is None:
            return 0.0
        return max(0.0, self._open_s - asyncio.get_running_loop().time()) + self._request.round_trip_s

    @property
    def _entry(self) -> TtsRequest:
        """This stream's entry in `requests`."""
        return self._script.requests[self._call - 1]

    @_entry.setter
    def _entry(self, entry: TtsRequest) -> None:
        self._script.requests[self._call - 1] = entry

    async def _read(self, sentences: _Tokens) -> None:
        async for text in self._input_ch:
            if isinstance(text, str):
                sentences.push_text(text)
            else:
                sentences.flush()
        sentences.end_input()

    def _delay_of(self, sentence: str) -> float:
        """Seconds from the first sentence to its first audio."""
        script = self._script
        return (
            self._delay_s
            if script._draws is None
            else script._first_audio.sample(script._draws.rng(sentence))
        )

    async def _sound(self, text: str) -> bytes:
        voice, rate_hz = self._script.voice, self._script.sample_rate
        if voice == "tone":
            return speak(text, voice, rate_hz)
        return await asyncio.to_thread(speak, text, voice, rate_hz)

    async def _texts(self, sentences: _Tokens) -> AsyncIterator[str]:
        """What is spoken at a time, as soon as it can be."""
        schedule = None if self._script._schedule is None else ChunkSchedule(self._script._schedule)
        async for sentence in sentences:
            text = sentence.token.strip()
            if text:
                self._mark_started()
                yield text if schedule is None else schedule.add(text)
        if schedule is not None:
            yield schedule.rest()

    async def _speak(self, sentences: _Tokens, output: tts.AudioEmitter) -> None:
        script, loop = self._script, asyncio.get_running_loop()
        chunk_bytes = round(script._chunk_s * script.sample_rate) * _BYTES
        ready_s: float | None = None  # when the synthesizer can deliver its next chunk
        async for text in self._texts(sentences):
            if not text:
                continue
            if ready_s is None:
                network_s = self._network_s()
                self._entry = replace(self._entry, network_s=network_s)
                ready_s = loop.time() + self._delay_of(text) + network_s
            else:
                ready_s = max(ready_s, loop.time())
            self._entry = replace(self._entry, characters=self._entry.characters + len(text))
            pcm = b"" if script._returns_nothing else await self._sound(text)
            ready_s = max(ready_s, loop.time())  # in real time, synthesis may take longer than the delay
            for begin in range(0, len(pcm), chunk_bytes):
                chunk = pcm[begin : begin + chunk_bytes]
                await sleep_until(ready_s)
                output.push(chunk)
                ready_s += len(chunk) / _BYTES / script.sample_rate / script._speed
        if ready_s is not None:
            await sleep_until(ready_s)
