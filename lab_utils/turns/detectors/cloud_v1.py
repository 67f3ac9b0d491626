"""LiveKit's cloud turn detector v1, asked live: the one detector that sends audio away from this machine.

Goal: what the service says to the audio before each question, by LiveKit's own messages.
Conventions: a question is a flush, the user's last 8 s in frames of 100 ms, and a request; several are never
under way at once, so an answer belongs to the last request. Address and keys come from the environment, under
the names that `inference.TurnDetector(version="v1")` (1.8.9) reads.
Assumed: the service judges by the audio since the flush, however fast it came; what it remembers from before
one, if anything, is not told. AgentSession flushes at each commit and sends everything since.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ...core.errors import InputError
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from .base import Predictor, Questions

NAME = "cloud-v1"
FRAME_SAMPLES = SAMPLE_RATE_HZ // 10
PATIENCE_S = 10.0
"""How long an answer may take here; AgentSession itself goes on without one after 1 s."""
_KEYS = (
    ("LIVEKIT_INFERENCE_API_KEY", "LIVEKIT_API_KEY"),
    ("LIVEKIT_INFERENCE_API_SECRET", "LIVEKIT_API_SECRET"),
)


def cloud_v1() -> tuple[str, Predictor]:
    """Name in settings and predictor. Raises InputError without keys."""
    found = [next((os.environ[name] for name in names if os.environ.get(name)), "") for names in _KEYS]
    missing = [names[-1] for names, value in zip(_KEYS, found, strict=True) if not value]
    if missing:
        raise InputError(
            f"{NAME}: {' and '.join(missing)} not set; it asks LiveKit's cloud, and sends it the caller's "
            "audio. What a recorded session was told needs no keys: --detector recorded"
        )
    from livekit.agents.inference._utils import get_default_inference_url

    model = CloudV1(get_default_inference_url(), *found)
    return f"own:{NAME}", Predictor(model.model_version, model)


@dataclass(frozen=True)
class CloudV1:
    """Asks the service at `base_url`, one question after the other."""

    base_url: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"CloudV1({self.base_url!r})"

    def model_version(self) -> str:
        """The service's address: what stands behind it can change without a word, and answers are kept."""
        return f"turn-detector-v1-{urlsplit(self.base_url).netloc}"

    def __call__(self, questions: Questions) -> Floats:
        """The service's probabilities, shape=(n,). Raises InputError if it can't be asked."""
        # A notebook's thread has a running loop already.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._answers(questions)).result()

    async def _answers(self, questions: Questions) -> Floats:
        import aiohttp

        p = np.zeros(len(questions.ends))
        address = re.sub("^http", "ws", self.base_url)
        try:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"{address}/eot", headers=self._headers()) as socket,
            ):
                await _opened(socket)
                for k, (start, end) in enumerate(zip(questions.starts, questions.ends, strict=True)):
                    heard = np.ascontiguousarray(questions.stream[start:end])
                    p[k] = await _asked(socket, heard, f"question_{k}")
        except aiohttp.WSServerHandshakeError as error:
            remedy = "check the keys" if error.status in (401, 403) else "try again later"
            raise InputError(
                f"{NAME}: {self.base_url} refused with status {error.status} ({error.message}); {remedy}"
            ) from None
        except TimeoutError:
            raise InputError(f"{NAME}: no answer from {self.base_url} for {PATIENCE_S:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise InputError(
                f"{NAME}: can't reach {self.base_url} ({error}); check the network and LIVEKIT_INFERENCE_URL"
            ) from None
        return p

    def _headers(self) -> dict[str, str]:
        from livekit.agents.inference._utils import create_access_token, get_inference_headers

        token = create_access_token(self.api_key, self.api_secret)
        return {**get_inference_headers(), "Authorization": f"Bearer {token}"}


async def _opened(socket: Any) -> None:
    """Open a session; the service answers with its thresholds, which a comparison tunes anyway."""
    from livekit.protocol.agent_pb import agent_inference as messages

    settings = messages.SessionSettings(
        sample_rate=SAMPLE_RATE_HZ, encoding=messages.AUDIO_ENCODING_PCM_S16LE
    )
    await _send(socket, session_create=messages.SessionCreate(settings=settings))
    await _received(socket, lambda message: bool(message.HasField("session_created")))


async def _asked(socket: Any, heard: Any, request: str) -> float:
    """The probability for int16 audio at 16 kHz, shape=(samples,)."""
    from livekit.protocol.agent_pb import agent_inference as messages

    await _send(socket, session_flush=messages.SessionFlush())
    for first in range(0, len(heard), FRAME_SAMPLES):
        frame = heard[first : first + FRAME_SAMPLES]
        await _send(socket, input_audio=messages.InputAudio(audio=frame.tobytes(), num_samples=len(frame)))
    await _send(socket, inference_start=messages.InferenceStart(request_id=request))
    answer = await _received(
        socket, lambda message: message.HasField("eot_prediction") and message.request_id == request
    )
    p = float(answer.eot_prediction.probability)
    if not 0 <= p <= 1:
        raise InputError(f"{NAME}: the service said {p}; expected a probability, 0 to 1")
    return p


def _send(socket: Any, **message: Any) -> Awaitable[None]:
    from google.protobuf.timestamp_pb2 import Timestamp
    from livekit.protocol.agent_pb import agent_inference as messages

    created_at = Timestamp()
    created_at.GetCurrentTime()
    if "input_audio" in message:
        message["input_audio"].created_at.CopyFrom(created_at)
    sent: Awaitable[None] = socket.send_bytes(
        messages.ClientMessage(created_at=created_at, **message).SerializeToString()
    )
    return sent


async def _received(socket: Any, wanted: Callable[[Any], bool]) -> Any:
    """The next message that is wanted; others are passed over."""
    import aiohttp
    from livekit.protocol.agent_pb import agent_inference as messages

    while True:
        raw = await socket.receive(timeout=PATIENCE_S)
        if raw.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
            raise InputError(f"{NAME}: the service closed the connection (code {socket.close_code})")
        if raw.type != aiohttp.WSMsgType.BINARY:
            continue
        message = messages.ServerMessage()
        message.ParseFromString(raw.data)
        if message.HasField("error"):
            raise InputError(f"{NAME}: the service says: {message.error.message} (code {message.error.code})")
        if wanted(message):
            return message
