"""LiveKit's cloud detector, asked over a loopback server that speaks its protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web
from livekit.protocol.agent_pb import agent_inference as messages

from lab_utils.core.errors import InputError
from lab_utils.core.labels import Labels
from lab_utils.turns.detectors import cloud_v1
from lab_utils.turns.detectors.base import Questions
from lab_utils.workflows.detectors.given import given_detectors, load_detector

AUDIO = np.arange(40_000, dtype=np.int16)
LABELS = Labels(2.5, (), ())


class Gateway:
    """Answers each request with the share of a second that it was sent since the flush."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[str] = []
        self.audio = b""
        self.sessions: list[dict[str, str]] = []
        self.status = 200
        self.answer = "eot_prediction"

    async def eot(self, request: web.Request) -> web.StreamResponse:
        self.sessions.append(dict(request.headers))
        if self.status != 200:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for raw in socket:
            assert raw.type is WSMsgType.BINARY
            message = messages.ClientMessage()
            message.ParseFromString(raw.data)
            kind = message.WhichOneof("message")
            self.got.append(kind)
            if kind == "session_create":
                assert message.session_create.settings.sample_rate == 16_000
                created = messages.SessionCreated(default_thresholds={"en": 0.4}, default_threshold=0.4)
                await self.say(socket, session_created=created)
            elif kind == "session_flush":
                self.audio = b""
            elif kind == "input_audio":
                assert len(message.input_audio.audio) == 2 * message.input_audio.num_samples
                self.audio += message.input_audio.audio
            elif kind == "inference_start":
                await self.reply(socket, message.inference_start.request_id)
        return socket

    async def reply(self, socket: web.WebSocketResponse, request: str) -> None:
        if self.answer == "error":
            await self.say(socket, error={"message": "no quota", "code": 429})
        elif self.answer == "close":
            await socket.close()
        else:
            late = messages.EotPrediction(probability=0.99)
            await self.say(socket, request_id="another", eot_prediction=late)
            heard = messages.EotPrediction(probability=len(self.audio) / 2 / 16_000 / 10)
            await self.say(socket, request_id=request, eot_prediction=heard)

    @staticmethod
    async def say(socket: web.WebSocketResponse, **message: Any) -> None:
        await socket.send_bytes(messages.ServerMessage(**message).SerializeToString())


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A server on loopback, with keys for it in the environment."""
    it, loop, started = Gateway(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v1/eot", it.eot)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    monkeypatch.setenv("LIVEKIT_INFERENCE_URL", it.url)
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "a secret that is long enough for a token")
    for name in ("LIVEKIT_INFERENCE_API_KEY", "LIVEKIT_INFERENCE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    yield it
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def questions(*ends: int) -> Questions:
    """Questions at some samples of the audio, each with what came before, at most a second."""
    at = np.array(ends)
    return Questions(AUDIO, np.maximum(0, at - 16_000), at, 0, "0" * 64, LABELS)


def test_each_question_is_a_flush_the_audio_before_it_and_a_request(gateway: Gateway) -> None:
    (one,) = given_detectors(["cloud-v1"])
    assert one.name == "own:cloud-v1"
    assert one.predictor is not None
    p = one.predictor.probabilities(questions(8_000, 39_999))
    np.testing.assert_allclose(p, [0.05, 0.1], rtol=1e-6)
    assert gateway.audio == AUDIO[23_999:39_999].tobytes()
    first = ["session_create", "session_flush", *["input_audio"] * 5, "inference_start"]
    assert gateway.got == [*first, "session_flush", *["input_audio"] * 10, "inference_start"]
    assert gateway.sessions[0]["Authorization"].startswith("Bearer ")
    assert "127.0.0.1" in one.predictor.model_version()
    assert "secret" not in repr(one.predictor.probabilities)


def test_it_is_asked_inside_a_running_loop_too_as_in_a_notebook(gateway: Gateway) -> None:
    async def notebook() -> Any:
        return cloud_v1.cloud_v1()[1].probabilities(questions(16_000))

    np.testing.assert_allclose(asyncio.run(notebook()), [0.1], rtol=1e-6)


def test_livekits_own_client_sends_the_same_messages(gateway: Gateway) -> None:
    """The oracle: what LiveKit 1.8.9 itself sends for the same audio and one request."""
    from livekit import rtc
    from livekit.agents import inference
    from livekit.agents.utils import http_context

    async def livekit() -> float:
        async with http_context.open():
            stream = inference.TurnDetector(version="v1", local_fallback=False).stream()
            while "session_create" not in gateway.got:
                await asyncio.sleep(0.01)
            stream.flush()
            for first in range(0, 8_000, 1_600):
                stream.push_audio(rtc.AudioFrame(AUDIO[first : first + 1_600].tobytes(), 16_000, 1, 1_600))
            while gateway.got.count("input_audio") < 5:
                await asyncio.sleep(0.01)
            event = await stream.predict()
            await stream.aclose()
            return event.end_of_turn_probability

    theirs = asyncio.run(livekit())
    sent = [kind for kind in gateway.got if kind != "session_close"]
    gateway.got.clear()
    ours = cloud_v1.cloud_v1()[1].probabilities(questions(8_000))
    assert (ours[0], gateway.got) == (pytest.approx(theirs), sent[: len(gateway.got)])


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (401, "", "refused with status 401.*check the keys"),
        (200, "error", "the service says: no quota"),
        (200, "close", "closed the connection"),
    ],
)
def test_a_service_that_does_not_answer_is_told_with_the_remedy(
    gateway: Gateway, status: int, answer: str, told: str
) -> None:
    gateway.status, gateway.answer = status, answer
    with pytest.raises(InputError, match=told):
        cloud_v1.cloud_v1()[1].probabilities(questions(8_000))


def test_an_answer_that_never_comes_is_waited_for_only_so_long(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_v1, "PATIENCE_S", 0.1)
    monkeypatch.setattr(gateway, "reply", lambda *_: asyncio.sleep(0))
    with pytest.raises(InputError, match="no answer from"):
        cloud_v1.cloud_v1()[1].probabilities(questions(8_000))


def test_without_keys_or_network_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_INFERENCE_API_KEY", "LIVEKIT_INFERENCE_API_SECRET", "LIVEKIT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s" * 40)
    with pytest.raises(InputError, match=r"LIVEKIT_API_KEY not set.*--detector recorded"):
        given_detectors(["cloud-v1"])
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_INFERENCE_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"can't reach http://127\.0\.0\.1:9"):
        cloud_v1.cloud_v1()[1].probabilities(questions(8_000))


def test_verify_refuses_it_for_its_answers_take_real_time() -> None:
    with pytest.raises(InputError, match="virtual clock"):
        load_detector("cloud-v1")
