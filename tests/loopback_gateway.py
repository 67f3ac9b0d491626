"""LiveKit's inference gateway on the loopback: STT and TTS over WebSockets, chat completions as server-sent
events, each with a known delay. What `livekit.agents.inference` of 1.8.9 speaks (stt.py, tts.py, llm.py).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

LOUD = 300.0
"""Root mean square of a 50 ms block from which it is speech."""
FIRST, SECOND = "Certainly, I can do that for you. ", "It is done now, thank you."
SHORT, BRIEF = "Begin with one word.", "Sure. "
"""What in a prompt makes replies begin shorter, and how they begin then."""
TOOL = "look_up"


@dataclass
class Gateway:
    """The delays, and what was asked."""

    stt_s: float = 0.2
    """From the last loud block to the final transcript."""
    quiet_s: float = 0.15
    """So long a pause the speech may have inside."""
    ttft_s: float = 0.3
    tts_s: float = 0.15
    calls_tool: bool = True
    """Whether the first request of a turn is answered with a call of `TOOL`."""
    url: str = ""
    chats: list[dict[str, Any]] = field(default_factory=list)
    audio_s: float = 0.0
    characters: int = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.chats.append(body)
        await asyncio.sleep(self.ttft_s)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionResetError):  # LiveKit gives preemptive replies up
            await self._answer(request, body, answer)
        return answer

    async def _answer(self, request: web.Request, body: dict[str, Any], answer: web.StreamResponse) -> None:
        await answer.prepare(request)
        wants_tool = self.calls_tool and body["messages"][-1]["role"] == "user" and body.get("tools")
        deltas: list[dict[str, Any]]
        if wants_tool:
            function = {"name": TOOL, "arguments": "{}"}
            deltas = [{"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}]
        else:
            short = SHORT in json.dumps(body["messages"])
            deltas = [{"content": part} for part in ((BRIEF if short else FIRST), SECOND)]
        for k, delta in enumerate(deltas):
            await self._event(answer, {"role": "assistant", **delta}, None)
            await asyncio.sleep(0.1 * (k == 0))
        await self._event(answer, {}, "tool_calls" if wants_tool else "stop")
        if (body.get("stream_options") or {}).get("include_usage"):
            await self._event(answer, None, None, usage(body))
        await answer.write(b"data: [DONE]\n\n")

    async def _event(
        self,
        answer: web.StreamResponse,
        delta: dict[str, Any] | None,
        finish: str | None,
        used: dict[str, int] | None = None,
    ) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
        chunk |= {} if used is None else {"usage": used}
        await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())

    async def stt(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        final: asyncio.Task[None] | None = None
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            data = json.loads(message.data)
            if data["type"] == "session.create":
                await socket.send_json({"type": "session.created"})
            elif data["type"] == "input_audio":
                pcm = np.frombuffer(base64.b64decode(data["audio"]), np.int16).astype(float)
                self.audio_s += len(pcm) / 16_000
                if np.sqrt(np.mean(pcm**2)) > LOUD:
                    if final is not None:
                        final.cancel()
                    final = asyncio.create_task(self._final(socket))
        return socket

    async def _final(self, socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(self.stt_s)
        words = {"transcript": "could you look that up", "language": "en", "confidence": 1.0}
        await socket.send_json({"type": "final_transcript", **words})

    async def tts(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        first: float | None = None
        text = ""
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            data = json.loads(message.data)
            if data["type"] == "input_transcript":
                text += data["transcript"]
                first = first or asyncio.get_running_loop().time()
            elif data["type"] == "session.flush" and first is not None:
                self.characters += len(text)
                await asyncio.sleep(max(0.0, first + self.tts_s - asyncio.get_running_loop().time()))
                tone = (3000 * np.sin(np.arange(8_000) * 0.1)).astype("<i2").tobytes()  # half a second
                audio = base64.b64encode(tone).decode()
                await socket.send_json({"type": "output_audio", "session_id": "s", "audio": audio})
                await socket.send_json({"type": "done", "session_id": "s"})
                first, text = None, ""
        return socket


def usage(body: dict[str, Any]) -> dict[str, int]:
    """One token a character of the messages, and ten of the answer."""
    n = sum(len(str(message.get("content") or "")) for message in body["messages"])
    return {"prompt_tokens": n, "completion_tokens": 10, "total_tokens": n + 10}


@contextmanager
def served(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, listening at its `url` in a thread of its own."""
    loop, ready = asyncio.new_event_loop(), Event()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", gateway.chat)
        app.router.add_get("/v1/stt", gateway.stt)
        app.router.add_get("/v1/tts", gateway.tts)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield gateway
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
