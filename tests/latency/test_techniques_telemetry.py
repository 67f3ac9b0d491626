"""Spans of real sessions: what a file holds, what an endpoint gets, and that neither costs a turn."""

import asyncio
import json
import random
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from calls import short_call
from livekit.agents import Agent
from livekit.agents.telemetry import tracer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from virtual import where_clock_is_virtual

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.latency.extras.span_exporters import FileSpanExporter, HttpSpanExporter
from lab_utils.latency.extras.telemetry import Delivery, Telemetry
from lab_utils.latency.fitting import read_figures
from lab_utils.recordings.audio import write_flac
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.session import clock
from lab_utils.session.job import SessionJob
from lab_utils.session.providers.files import load_providers
from lab_utils.session.run import run
from lab_utils.session.scripted.tts import ScriptedTTS


class Plain(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")


def session() -> SessionLog:
    log = run(
        SessionJob(short_call(), Settings(), agent=Plain, tts=lambda: ScriptedTTS(voice="tone"), tail_s=6.0)
    )
    assert log.failure == ""
    return log


def observed(exporter: SpanExporter, **options: Any) -> tuple[SessionLog, Delivery]:
    """A session with telemetry, after which nothing of it may be left."""
    threads, provider = set(threading.enumerate()), tracer._tracer_provider
    with Telemetry(exporter, seed=7, **options) as telemetry:
        log = session()
    assert tracer._tracer_provider is provider
    new = {thread.name for thread in set(threading.enumerate()) - threads}
    others = ("virtual-loop", "process_request")  # the clock's own, and the test's server
    assert [name for name in new if not any(other in name for other in others)] == []
    return log, telemetry.delivery


@contextmanager
def endpoint(state: int = 200, hangs: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that keeps what is posted to it; its address, and the bodies."""
    bodies: list[bytes] = []
    leave = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if hangs:
                leave.wait(30)
            self.send_response(state)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
    finally:
        leave.set()
        server.shutdown()
        server.server_close()
        serving.join()
        deadline = clock.real_monotonic() + 5
        while any("process_request" in t.name for t in threading.enumerate()):
            assert clock.real_monotonic() < deadline
            threading.Event().wait(0.01)


def names(bodies: Sequence[bytes]) -> list[str]:
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span.name
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


# --- to a file ------------------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_session_comes_back_from_its_spans_with_the_latencies_of_its_log() -> None:
    with tempfile.TemporaryDirectory() as folder:
        spans = Path(folder, "call.jsonl")
        log, delivery = observed(FileSpanExporter(spans), text=True)
        write_flac(Path(folder, "call.flac"), log.heard)
        (files,) = find_recordings(Path(folder))
        recording = load_recording(files)
        assert [path.name for path in Path(folder).iterdir() if path.name.startswith(".")] == []
    assert delivery.dropped == 0 < delivery.ended
    assert recording.provenance is not None
    assert recording.provenance.format == "otlp"
    turns = recording.provenance.turns
    answers = [turn for turn in turns if turn.speaker == "agent" and "e2e_latency" in turn.stages]
    replies = [reply for reply in log.replies if "e2e_latency" in reply.stages]
    assert len(answers) == len(replies) > 0
    for answer, reply in zip(answers, replies, strict=True):
        assert answer.text == reply.agent_text
        for name in ("e2e_latency", "on_user_turn_completed_delay", "llm_node_ttft", "tts_node_ttfb"):
            assert answer.stages[name] == pytest.approx(reply.stages[name], abs=1e-8), name
    users = [turn for turn in turns if turn.speaker == "user" and "end_of_turn_delay" in turn.stages]
    committed = [reply for reply in log.replies if reply.commit_s is not None]
    for user, reply in zip(users, committed, strict=True):
        assert user.text == reply.user_text
        for name in ("end_of_turn_delay", "transcription_delay"):
            assert user.stages[name] == pytest.approx(reply.stages[name], abs=1e-8), name
    starts = [event.time_s for event in log.of_kind("playout_starts")]
    assert [turn.start_s for turn in answers] == pytest.approx(starts, abs=1e-6)


@where_clock_is_virtual
def test_equal_sessions_give_equal_files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.jsonl") for number in range(2)]
        for path, every_s in zip(paths, (5.0, 0.01), strict=True):  # in one batch, and in many
            observed(FileSpanExporter(path), every_s=every_s)
        # LiveKit takes this one value from the date (llm.py: `datetime.now`), which stays real.
        date = re.compile(r'"langfuse.observation.completion_start_time","value":{[^}]*}')
        first, second = (date.sub("", path.read_text()) for path in paths)
    assert first == second
    assert first.count("\n") > 20


@where_clock_is_virtual
def test_what_was_said_is_in_the_spans_only_where_it_is_asked_for() -> None:
    for wanted in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "call.jsonl")
            log, _ = observed(FileSpanExporter(path), text=wanted)
            text = path.read_text()
        said = [reply.user_text for reply in log.replies] + [reply.agent_text for reply in log.replies]
        assert all(words in text for words in said) if wanted else not any(words in text for words in said)


@where_clock_is_virtual
def test_lab_fit_finds_the_figures_of_the_log_in_the_spans() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log, _ = observed(FileSpanExporter(Path(folder, "call.jsonl")))
        figures = read_figures([Path(folder)], load_providers("guide"))
    for measured, stage in (
        ("transcription_delay", "stt.final"),
        ("llm_node_ttft", "large.ttft"),
        ("tts_node_ttfb", "tts.first_audio"),
    ):
        expected = [reply.stages[measured] for reply in log.replies if reply.stages.get(measured)]
        assert figures.seconds[stage].tolist() == pytest.approx(expected, abs=1e-8), stage
        assert expected


@pytest.mark.parametrize("name", ["missing/call.jsonl", "call.txt", "folder.json"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ValueError, match=name):
        FileSpanExporter(tmp_path / name)


# --- to an endpoint -------------------------------------------------------------------------------


@where_clock_is_virtual
def test_an_endpoint_gets_all_spans_and_no_turn_is_later() -> None:
    plain = session()
    with endpoint() as (address, bodies):
        log, delivery = observed(HttpSpanExporter(address))
    assert log.events == plain.events
    assert delivery.dropped == 0
    assert len(names(bodies)) == delivery.ended
    assert names(bodies).count("agent_session") == 1
    assert names(bodies).count("agent_turn") >= len(log.replies)


@where_clock_is_virtual
def test_an_endpoint_that_is_down_loses_spans_and_no_turn_is_later() -> None:
    plain = session()
    with endpoint() as (address, _):
        pass  # nobody listens there any more
    begun_s = clock.real_monotonic()
    log, delivery = observed(HttpSpanExporter(address), every_s=0.01)
    assert log.events == plain.events
    assert (delivery.exported, delivery.dropped) == (0, delivery.ended)
    assert clock.real_monotonic() - begun_s < 15


@where_clock_is_virtual
def test_an_endpoint_that_hangs_or_fails_loses_spans_and_closing_takes_bounded_time() -> None:
    plain = session()
    for state, hangs, limit_s in ((503, False, 3.0), (200, True, 3.0), (400, False, 3.0)):
        with endpoint(state, hangs) as (address, bodies):
            threads = set(threading.enumerate())
            telemetry = Telemetry(HttpSpanExporter(address, timeout_s=1.0), seed=7, every_s=0.01)
            telemetry.start()
            assert session().events == plain.events
            begun_s = clock.real_monotonic()
            delivery = telemetry.close(limit_s)
            assert clock.real_monotonic() - begun_s < limit_s + 0.5
            new = {thread.name for thread in set(threading.enumerate()) - threads}
            assert {name for name in new if "Otel" in name or "telemetry" in name} == set()
            assert bodies
        assert (delivery.exported, delivery.dropped) == (0, delivery.ended)


@pytest.mark.parametrize("address", ["localhost:4318", "grpc://localhost:4317", ""])
def test_an_address_that_is_not_of_http_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected such as http://localhost:4318/v1/traces"):
        HttpSpanExporter(address)


# --- any exporter ---------------------------------------------------------------------------------


class Raises(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise RuntimeError("no disk")


class Slow(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        threading.Event().wait(0.3)
        return SpanExportResult.SUCCESS


@where_clock_is_virtual
def test_an_exporter_that_raises_loses_spans_and_costs_nothing() -> None:
    plain = session()
    log, delivery = observed(Raises(), every_s=0.01)
    assert log.events == plain.events
    assert (delivery.exported, delivery.dropped) == (0, delivery.ended)


@where_clock_is_virtual
def test_a_queue_that_is_full_drops_spans_and_says_how_many() -> None:
    plain = session()
    log, delivery = observed(Slow(), max_waiting=4, every_s=0.01)
    assert log.events == plain.events
    assert 0 < delivery.exported < delivery.ended
    assert delivery.dropped == delivery.ended - delivery.exported


def test_only_one_is_at_work_in_a_process_and_the_next_may_start_when_it_is_closed() -> None:
    with Telemetry(Slow()) as first:
        with pytest.raises(RuntimeError, match="another Telemetry is at work"):
            Telemetry(Slow()).start()
        assert first.close() == first.close() == Delivery(0, 0)
        with Telemetry(Slow()):
            pass


def test_a_provider_that_another_sets_meanwhile_stays() -> None:
    before = tracer._tracer_provider
    other = type(before)()
    try:
        with Telemetry(Slow()):
            tracer.set_provider(other)
        assert tracer._tracer_provider is other
    finally:
        tracer.set_provider(before)


def test_closing_from_an_event_loop_does_not_block_it() -> None:
    class Stuck(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            threading.Event().wait(0.5)
            return SpanExportResult.FAILURE

    async def main() -> int:
        telemetry = Telemetry(Stuck())
        telemetry.start()
        with tracer.start_as_current_span("work"):
            pass
        closing, ticks = asyncio.ensure_future(telemetry.aclose("done")), 0
        while not closing.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(main()) > 10


def test_identifiers_are_random_without_a_seed_and_leave_the_global_stream_alone(tmp_path: Path) -> None:
    def trace_id(name: str, **options: Any) -> str:
        path = tmp_path / name
        with Telemetry(FileSpanExporter(path), **options), tracer.start_as_current_span("work"):
            pass
        (span,) = json.loads(path.read_text())["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert len(span["traceId"]) == 32
        return str(span["traceId"])

    random.seed(3)
    expected = random.Random(3).random()
    assert trace_id("a.jsonl") != trace_id("b.jsonl")
    assert trace_id("c.jsonl", seed=1) == trace_id("d.jsonl", seed=1)
    assert random.random() == expected


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="max_waiting is 0"):
        Telemetry(Slow(), max_waiting=0)
    with pytest.raises(ValueError, match="every_s is 0"):
        Telemetry(Slow(), every_s=0)
