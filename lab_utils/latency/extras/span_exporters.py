"""Span exporters: to a file of OTLP JSON lines or an OTLP/HTTP endpoint; traceAI's attributes can be added.

Each is an OpenTelemetry `SpanExporter`, for `telemetry.Telemetry` or any span processor. Why not the
`OTLPSpanExporter` among LiveKit's dependencies: it takes its backoff from the global `random` in a thread, so
that agents that use `random` too aren't repeatable offline, and it gives up only after 10 s. Other exporters
(such as OTLP over gRPC) work with `Telemetry` too.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from .bounded import checked_limit

log = logging.getLogger(__name__)

RETRIES_AFTER_S = (0.5, 1.0)
"""Waits before a second and a third attempt."""
TRANSIENT = frozenset({408, 429, 502, 503, 504})
"""HTTP status codes after which OTLP allows a retry, and 408 (request timeout)."""
_IDS = ("traceId", "spanId", "parentSpanId")


class FileSpanExporter(SpanExporter):
    """Writes spans to a file: one line per span, an OTLP JSON object (`{"resourceSpans": [...]}`).

    `corpus/formats/otlp.py` reads it: with the session's audio beside it under the same stem, `lab import`
    takes both. The file appears, or replaces another, when the exporter is shut down; until then its lines
    are in `.NAME.part` beside it.
    """

    def __init__(self, path: Path) -> None:
        """Raises ValueError if the file can't be written: its folder is missing, or it is a folder."""
        if path.suffix not in (".json", ".jsonl"):
            raise ValueError(f"{path} is no place for spans; expected a name that ends in .jsonl or .json")
        if not path.parent.is_dir() or path.is_dir():
            raise ValueError(f"{path} can't be written: its folder is missing, or it is a folder itself")
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._begun = self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._closed:
            return SpanExportResult.FAILURE
        lines = [json.dumps(otlp_json([span]), separators=(",", ":")) + "\n" for span in spans]
        with self._part.open("a" if self._begun else "w", encoding="utf-8") as part:
            part.writelines(lines)
        self._begun = True
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        if self._begun and not self._closed:
            os.replace(self._part, self._path)
        self._closed = True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True  # nothing is buffered


def otlp_json(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Spans in OTLP's JSON encoding: protobuf's, with identifiers in hexadecimal and enums as numbers."""
    values = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource in values["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for one in (span, *span.get("links", ())):
                    one |= {name: base64.b64decode(one[name]).hex() for name in _IDS if name in one}
    return values


class HttpSpanExporter(SpanExporter):
    """Posts spans to an OTLP/HTTP endpoint as protobuf. Spans that can't be delivered are dropped.

    Up to three attempts (`RETRIES_AFTER_S`) if the error may be temporary; none after `shutdown`.
    """

    def __init__(
        self, endpoint: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 2.0
    ) -> None:
        """`endpoint`: the whole address, such as "http://localhost:4318/v1/traces".

        `timeout_s` applies to connecting and to each wait for an answer. Raises ValueError for an `endpoint`
        that isn't an HTTP address, and for a `timeout_s` that isn't finite and above 0.
        """
        if not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"endpoint is {endpoint!r}; expected such as http://localhost:4318/v1/traces")
        self._endpoint, self._timeout_s = endpoint, checked_limit("timeout_s", timeout_s)
        self._http = requests.Session()
        self._http.headers.update({"Content-Type": "application/x-protobuf", **(headers or {})})
        self._closing = threading.Event()
        self.error = ""
        """The newest reason why spans could not be delivered; "" if there is none."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = encode_spans(spans).SerializeToString()
        for wait_s in (0.0, *RETRIES_AFTER_S):
            if self._closing.wait(wait_s):
                break
            try:
                answer = self._http.post(self._endpoint, body, timeout=self._timeout_s)
            except requests.RequestException as error:
                self.error = f"{type(error).__name__}: {error}"
                continue
            if answer.ok:
                return SpanExportResult.SUCCESS
            self.error = f"{self._endpoint} answered {answer.status_code} {answer.reason}"
            if answer.status_code not in TRANSIENT:
                break
        log.warning("%d spans dropped: %s", len(spans), self.error or "the exporter is shut down")
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._closing.set()
        self._http.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def with_traceai(exporter: SpanExporter) -> SpanExporter:
    """The same exporter, with LiveKit's attributes mapped to those of Future AGI by traceai-livekit.

    The original attributes are kept. Raises ModuleNotFoundError, with what to install, where traceai-livekit
    is missing.
    """
    try:
        from traceai_livekit import BaseMappedSpanExporter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"mapping spans for traceAI needs traceai-livekit ({error}); install the extra: "
            "pip install 'livekit-turn-lab[traceai]'",
            name=error.name,
        ) from None

    class Mapped(BaseMappedSpanExporter, Forwarding):  # type: ignore[misc]
        pass

    return Mapped(exporter)


class Forwarding(SpanExporter):
    """Passes everything to another exporter; a base for mixins that change what is exported."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
