"""A server on the loopback that answers `lab prompts`: replies, delays and tokens depend on the prompt."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from lab_utils.session.providers.files import load_providers
from lab_utils.workflows.prompts import AskedTurn, Model, Search, load_parts, search_prompts

GUIDE = load_providers("guide")
LONG, SHORT = "Certainly, I would be glad to help you with that today.", "Sure, let me look at that."
BOOKED = "I've booked it for you."
"""Of 20 characters and more: LiveKit's tokenizer lets a shorter sentence wait for the next one."""
REST = "Is there anything else that I can do for you?"
BRIEFLY, BOLDLY, SLOWLY = "Begin briefly.", "Say that it is done.", "Think first."
REPEATED = "Repeat the question."
VARIATIONS = ["Be polite.", f"Be kind. {BRIEFLY}", "Be {braces}."]
TTFT_S, THINKING_S, SENTENCE_S = 0.02, 0.15, 0.06


@dataclass
class Server:
    """What it was asked, and how it answers."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    refuses_after: int = 10**9
    busy: int = 0
    """How many requests it refuses at first, for `retry_after_s`."""
    retry_after_s: int = 0
    grade: int = 5
    tells_tokens: bool = True
    events: Sequence[Any] | None = None
    """In place of a reply."""

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        self.asked.append(body)
        if len(self.asked) > self.refuses_after:
            handler.send_error(403)
            return
        if len(self.asked) <= self.busy:
            handler.send_response(429)
            handler.send_header("Retry-After", str(self.retry_after_s))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        system = body["messages"][0]["content"]
        handler.send_response(200)
        if not body.get("stream"):
            content = json.dumps({"coherence": 2 if "Sure" in json.dumps(body) else self.grade})
            if "variations" in system:
                content = json.dumps({"variations": VARIATIONS})
            data = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if self.events is not None:
            for event in self.events:
                self._event(handler, event)
            handler.wfile.write(b"0\r\n\r\n")
            return
        slow = SLOWLY in system
        time.sleep(THINKING_S if slow else TTFT_S)
        first = BOOKED if BOLDLY in system else SHORT if BRIEFLY in system else LONG
        if REPEATED in system:
            first = f"You would like to know: {body['messages'][-1]['content']}."
        for k, word in enumerate(f"{first} {REST}".split()):
            if k == len(first.split()):
                time.sleep(SENTENCE_S if slow else 0.0)
            self._event(handler, {"choices": [{"delta": {"content": f"{word} "}}]})
        usage = {"prompt_tokens": len(system.split()), "completion_tokens": len(f"{first} {REST}".split())}
        if self.tells_tokens:
            self._event(handler, {"choices": [], "usage": usage})
        handler.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _event(self, handler: BaseHTTPRequestHandler, event: dict[str, Any]) -> None:
        data = f"data: {json.dumps(event)}\n\n".encode()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@contextmanager
def serving(**how: Any) -> Iterator[Server]:
    server = Server(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else small pieces wait up to 40 ms for each other

        def do_POST(self) -> None:
            server.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def written(folder: Path, *parts: Any) -> Path:
    path = folder / "parts.yaml"
    path.write_text(json.dumps({"instructions": list(parts)}))
    return path


USUAL = (
    "You answer the phone.",
    {"name": "thinking", "optional": SLOWLY},
    {"name": "beginning", "one_of": ["Begin politely.", BRIEFLY, BOLDLY]},
)
TURNS = [AskedTurn(f"call {k}", (("assistant", "Hello?"), ("user", f"Question {k}"))) for k in range(6)]


def search(server: Server, path: Path, folder: Path, turns: list[AskedTurn] = TURNS, **how: Any) -> Search:
    model = Model("tiny", server.url, "sk-secret")
    return search_prompts(load_parts(path), turns, model, GUIDE, folder=folder, **how)
