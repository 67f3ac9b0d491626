"""Exporters by themselves: the JSON is OTLP's, retries end, traceAI's attributes come beside LiveKit's."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link

from lab_utils.latency.extras import span_exporters
from lab_utils.latency.extras.span_exporters import (
    FileSpanExporter,
    HttpSpanExporter,
    otlp_json,
    with_traceai,
)
from lab_utils.recordings.formats import otlp

pytestmark = pytest.mark.slow


def spans(**attributes: Any) -> list[ReadableSpan]:
    """A turn with a call of the LLM inside, which is linked to it."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "test"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    made = provider.get_tracer("livekit-agents")
    with (
        made.start_as_current_span("agent_turn") as turn,
        made.start_as_current_span("llm_node", attributes=attributes, links=[Link(turn.get_span_context())]),
    ):
        pass
    return list(memory.get_finished_spans())


@contextmanager
def answering(*states: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers with these states in turn, the last one for ever; and who asked, by path."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(f"{self.headers['Content-Type']} {self.headers['X-Key']}")
            self.send_response(states[min(len(asked), len(states)) - 1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", asked
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_exporters, "RETRIES_AFTER_S", (0.01, 0.01))


# --- the file -------------------------------------------------------------------------------------


def test_identifiers_are_hexadecimal_and_kinds_are_numbers() -> None:
    (llm, turn) = (
        span
        for resource in otlp_json(spans())["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    )
    assert turn["kind"] == 1
    assert (len(turn["traceId"]), len(turn["spanId"])) == (32, 16)
    assert llm["parentSpanId"] == turn["spanId"] == llm["links"][0]["spanId"]
    assert int(turn["traceId"], 16)


def test_a_file_appears_whole_when_the_exporter_is_shut_down(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text("of the session before")
    exporter = FileSpanExporter(path)
    llm, turn = spans(**{"lk.response.ttft": 0.25})
    assert exporter.export([llm]) is exporter.export([turn]) is SpanExportResult.SUCCESS
    assert path.read_text() == "of the session before"
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([turn]) is SpanExportResult.FAILURE
    assert [file.name for file in tmp_path.iterdir()] == ["call.jsonl"]
    read = {span.name: span for span in otlp.read_spans(path)}
    assert read["llm_node"].number("lk.response.ttft") == 0.25
    assert read["llm_node"].parent_span_id == read["agent_turn"].span_id
    assert llm.start_time == read["llm_node"].start_time_unix_nano


def test_a_session_without_spans_leaves_the_file_of_another_alone(tmp_path: Path) -> None:
    (tmp_path / "call.jsonl").write_text("{}")
    FileSpanExporter(tmp_path / "call.jsonl").shutdown()
    assert (tmp_path / "call.jsonl").read_text() == "{}"


# --- the endpoint ---------------------------------------------------------------------------------


def test_spans_are_posted_with_the_headers_given() -> None:
    with answering(200) as (address, asked):
        exporter = HttpSpanExporter(address, headers={"X-Key": "abc"})
        assert exporter.export(spans()) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert asked == ["application/x-protobuf abc"]


@pytest.mark.parametrize(
    ("states", "attempts", "result"),
    [
        ((503, 200), 2, SpanExportResult.SUCCESS),
        ((429, 502, 200), 3, SpanExportResult.SUCCESS),
        ((503,), 3, SpanExportResult.FAILURE),
        ((401,), 1, SpanExportResult.FAILURE),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_given_up(
    states: tuple[int, ...], attempts: int, result: SpanExportResult
) -> None:
    with answering(*states) as (address, asked):
        exporter = HttpSpanExporter(address)
        assert exporter.export(spans()) is result
        exporter.shutdown()
    assert len(asked) == attempts
    if result is SpanExportResult.FAILURE:
        assert f"answered {states[-1]}" in exporter.error


def test_nothing_is_tried_after_shutdown() -> None:
    with answering(200) as (address, asked):
        exporter = HttpSpanExporter(address)
        exporter.shutdown()
        assert exporter.export(spans()) is SpanExportResult.FAILURE
    assert asked == []


# --- traceAI --------------------------------------------------------------------------------------


def test_without_traceai_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "traceai_livekit", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'livekit-turn-lab\[traceai\]'"):
        with_traceai(InMemorySpanExporter())


def test_traceai_adds_its_attributes_and_keeps_livekits(tmp_path: Path) -> None:
    pytest.importorskip("traceai_livekit")
    path = tmp_path / "call.jsonl"
    exporter: SpanExporter = with_traceai(FileSpanExporter(path))
    given = spans(**{"lk.pii.user_input": "Hello there", "gen_ai.usage.input_tokens": 12})
    assert exporter.export(given) is SpanExportResult.SUCCESS
    assert "input.value" not in (given[0].attributes or {}), "the span itself is others' too"
    exporter.shutdown()
    llm = next(span for span in otlp.read_spans(path) if span.name == "llm_node")
    assert llm.text("lk.pii.user_input") == "Hello there"
    assert "Hello there" in llm.text("input.value")
