"""A page that shows one widget without a kernel: its JavaScript, its state, and answers prepared by Python.

For tests in Chromium that need no JupyterLab.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
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
const state = %(state)s, buffers = %(buffers)s, answers = %(answers)s, handlers = {};
for (const [name, text] of Object.entries(buffers)) state[name] = view(text);
window.state = state;
window.sent = [];
window.tell = (name, ...content) => (handlers[name] ?? []).forEach((handle) => handle(...content));
widget.render({
  el: document.getElementById("place"),
  model: {
    get: (name) => state[name],
    set: (name, value) => (state[name] = value),
    save_changes() {},
    on: (names, handle) => names.split(" ").forEach((name) => (handlers[name] ??= []).push(handle)),
    off() {},
    send(content) {
      window.sent.push(content);
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
    values = {name: getattr(widget, name) for name in widget.traits(sync=True) if not name.startswith("_")}
    buffers = {name: _text(value) for name, value in values.items() if isinstance(value, bytes)}
    state = {name: value for name, value in values.items() if _is_plain(value)}
    replies = {
        kind: {"content": content, "buffers": [_text(one) for one in parts]}
        for kind, (content, parts) in answers.items()
    }
    fields = {"state": state, "buffers": buffers, "answers": replies}
    page = PAGE % ({name: json.dumps(value) for name, value in fields.items()} | {"css": str(widget._css)})
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "widget.js").write_text(str(widget._esm), encoding="utf-8")
    handler = functools.partial(_Quiet, directory=str(folder))
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


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
