"""A page that shows one widget without a kernel: its JavaScript, its state, and what Python answers.

For tests in Chromium that need no JupyterLab. `served` gives answers that were prepared; with `live` the page
and the widget talk, as over a kernel's comm.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget

PAGE = """<!doctype html><html lang="en"><head><title>widget</title><meta charset="utf-8">
<meta name="color-scheme" content="light dark"><style>%(css)s</style></head>
<body><main id="place"></main><script type="module">
import widget from "./widget.js";
const view = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (c) => String.fromCharCode(c)).join(""));
const state = %(state)s, buffers = %(buffers)s, answers = %(answers)s, handlers = {};
for (const [name, text] of Object.entries(buffers)) state[name] = view(text);
let changed = {};
const live = %(live)s;
const post = (what) => fetch("ask", { method: "POST", body: JSON.stringify(what) });
if (live) new EventSource("events").onmessage = (event) => {
  const told = JSON.parse(event.data);
  if (told.message) return window.tell("msg:custom", told.message, told.buffers.map(view));
  for (const [name, value] of Object.entries(told.state)) state[name] = told.binary ? view(value) : value;
  for (const name of Object.keys(told.state)) window.tell(`change:${name}`);
};
window.state = state;
window.sent = [];
window.tell = (name, ...content) => (handlers[name] ?? []).forEach((handle) => handle(...content));
widget.render({
  el: document.getElementById("place"),
  model: {
    get: (name) => state[name],
    set(name, value) {
      const same = state[name] === value;
      changed[name] = state[name] = value;
      if (!same) window.tell(`change:${name}`); // as Backbone does
    },
    save_changes() {
      if (live) post({ changed });
      changed = {};
    },
    on: (names, handle) => names.split(" ").forEach((name) => (handlers[name] ??= []).push(handle)),
    off() {},
    send(content, _, buffers = []) {
      window.sent.push(content);
      if (live) return post({ content, buffers: buffers.map(text) });
      const answer = answers[content.kind];
      if (answer) setTimeout(() => window.tell("msg:custom", answer.content, answer.buffers.map(view)), 5);
    },
  },
});
window.drawn = true;
</script></body></html>"""


@contextmanager
def served(
    folder: Path, widget: anywidget.AnyWidget, answers: Mapping[str, tuple[dict[str, Any], list[bytes]]]
) -> Iterator[str]:
    """The address of a page with this widget. `answers`: kind of message → what comes back."""
    _write_page(folder, widget, answers, live=False)
    with _serving(functools.partial(_Quiet, directory=str(folder))) as address:
        yield address


@contextmanager
def live(folder: Path, widget: anywidget.AnyWidget, lock: threading.Lock) -> Iterator[str]:
    """The address of a page that talks with this widget; whatever it asks is answered under the lock."""
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    names = [name for name in widget.traits(sync=True) if not name.startswith("_")]
    _write_page(folder, widget, {}, live=True)

    def send(content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        told.put({"message": content, "buffers": [_text(one) for one in buffers or []]})

    def changed(change: dict[str, Any]) -> None:
        new = change["new"]
        binary = isinstance(new, bytes)
        told.put({"state": {change["name"]: _text(new) if binary else new}, "binary": binary})

    widget.send = send
    widget.observe(changed, names)
    handler = functools.partial(_Live, directory=str(folder), widget=widget, lock=lock, told=told)
    with _serving(handler) as address:
        yield address


def _write_page(
    folder: Path,
    widget: anywidget.AnyWidget,
    answers: Mapping[str, tuple[dict[str, Any], list[bytes]]],
    *,
    live: bool,
) -> None:
    values = {name: getattr(widget, name) for name in widget.traits(sync=True) if not name.startswith("_")}
    buffers = {name: _text(value) for name, value in values.items() if isinstance(value, bytes)}
    state = {name: value for name, value in values.items() if _is_plain(value)}
    replies = {
        kind: {"content": content, "buffers": [_text(one) for one in parts]}
        for kind, (content, parts) in answers.items()
    }
    fields = {"state": state, "buffers": buffers, "answers": replies, "live": live}
    page = PAGE % ({name: json.dumps(value) for name, value in fields.items()} | {"css": str(widget._css)})
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "widget.js").write_text(str(widget._esm), encoding="utf-8")


@contextmanager
def _serving(handler: Any) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Live(_Quiet):
    """Hands on what the page asks, and tells it what changes."""

    def __init__(
        self,
        *args: Any,
        widget: anywidget.AnyWidget,
        lock: threading.Lock,
        told: queue.Queue[dict[str, Any]],
        **others: Any,
    ) -> None:
        self.widget, self.lock, self.told = widget, lock, told
        super().__init__(*args, **others)

    def do_GET(self) -> None:
        if self.path != "/events":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        while True:
            try:
                self.wfile.write(f"data: {json.dumps(self.told.get())}\n\n".encode())
                self.wfile.flush()
            except OSError:  # the page is gone
                return None

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            for name, value in asked.get("changed", {}).items():
                self.widget.set_trait(name, value)
            if "content" in asked:
                buffers = [base64.b64decode(one) for one in asked.get("buffers", [])]
                self.widget._handle_custom_msg(asked["content"], buffers)
        self.send_response(204)
        self.end_headers()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
