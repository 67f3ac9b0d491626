"""Production sessions made up for tests: a report, its audio, and known words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import soundfile

from lab_utils.core.labels import Ipu, Labels
from lab_utils.recordings.labels.file import write_labels

SECONDS = 6.0
ORIGIN = 1_790_000_000.0
"""Unix time at which each recording begins."""


def user(text: str, at_s: float = 1.0) -> dict[str, Any]:
    return _message("user", text, at_s)


def agent(text: str, at_s: float = 3.0, e2e_s: float | None = None) -> dict[str, Any]:
    made = _message("assistant", text, at_s)
    return made if e2e_s is None else made | {"metrics": made["metrics"] | {"e2e_latency": e2e_s}}


def tool(name: str, *, failed: bool = False) -> list[dict[str, Any]]:
    call = {"type": "function_call", "call_id": name, "name": name, "arguments": '{"seats": 2}'}
    return [
        call,
        {"type": "function_call_output", "call_id": name, "name": name, "output": "x", "is_error": failed},
    ]


def _message(role: str, text: str, at_s: float) -> dict[str, Any]:
    metrics = {"started_speaking_at": ORIGIN + at_s, "stopped_speaking_at": ORIGIN + at_s + 0.5}
    return {"type": "message", "role": role, "content": [text], "interrupted": False, "metrics": metrics}


def write_call(
    folder: Path, items: list[dict[str, Any]], *, known: str = "", telephone: bool = False, **report: Any
) -> Path:
    """A session's report and audio; with `known` also labels that hold the caller's words."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    n = round(SECONDS * 16_000)
    voices = np.zeros((n, 2))
    for channel, start in ((0, 16_000), (1, 48_000)):
        voices[start : start + 8_000, channel] = _voice(rng, telephone)
    soundfile.write(folder / "audio.wav", (voices * 8_000).astype(np.int16), 16_000)
    made = {"job_id": "j", "audio_recording_started_at": ORIGIN, "chat_history": {"items": items}} | report
    (folder / "report.json").write_text(json.dumps(made))
    if known:
        labels = Labels(SECONDS, (Ipu("user", 1.0, 1.5, known), Ipu("agent", 3.0, 3.5, "Yes.")), ())
        write_labels(labels, folder / "audio.labels.json")
    return folder


def _voice(rng: np.random.Generator, telephone: bool) -> np.ndarray:
    """Half a second of noise, up to 8 or up to 3.4 kHz; shape=(8000,)."""
    spectrum = np.fft.rfft(rng.standard_normal(8_000))
    if telephone:
        spectrum[np.fft.rfftfreq(8_000, 1 / 16_000) > 3_400] = 0.0
    voice = np.fft.irfft(spectrum)
    return voice / np.abs(voice).max()


@contextmanager
def chat_server(answers: list[tuple[int, str]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that speaks OpenAI's chat completions on the loopback: its address, and what it was asked.

    `answers`: status and content for each request in order; the last one is given again. The content of a
    redirect is where to, after the server's own address.
    """
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = answers[min(len(asked), len(answers) - 1)]
            asked.append({"path": self.path, "authorization": self.headers["Authorization"], **body})
            message = {"role": "assistant", "content": content}
            made = {"id": "1", "object": "chat.completion", "choices": [{"index": 0, "message": message}]}
            data = json.dumps(made).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{server.server_address[1]}{content}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
