"""Exports a session's OpenTelemetry spans in a thread: nothing that an exporter does can delay a turn.

LiveKit surface: `livekit.agents.telemetry.set_tracer_provider`. LiveKit 1.8.9 makes spans of every session,
turn, LLM and TTS call by itself, and discards them unless it is given a provider (LiveKit Cloud has its own).
A `Telemetry` gives it a provider with a `BatchSpanProcessor`: a span that ends is put into a queue in memory,
and a separate thread exports the queue. If the exporter fails, hangs or is too slow, spans are dropped and
counted, and the session isn't affected.

    telemetry = Telemetry(HttpSpanExporter("http://localhost:4318/v1/traces"))
    telemetry.start()                                # in the worker's entrypoint, before session.start()
    ctx.add_shutdown_callback(telemetry.aclose)

Offline: `with Telemetry(FileSpanExporter(path), seed=0): run(job)`. The export runs in real time and takes no
virtual time; identifiers come from `seed`. Equal sessions give equal files, except for one attribute that
LiveKit derives from the date (`langfuse.observation.completion_start_time`).

Common mistakes: a `SimpleSpanProcessor`, which exports in the event loop, during turns; and starting the
telemetry when the worker's module is loaded, before LiveKit starts the job's process.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from livekit.agents.telemetry import set_tracer_provider, tracer
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from .bounded import checked_limit
from .span_exporters import Forwarding

_one_at_a_time = threading.Lock()
"""A process has one LiveKit tracer: a second provider would get the spans of the first one's sessions."""


@dataclass(frozen=True)
class Delivery:
    """How many spans were exported, and how many not."""

    ended: int
    """Spans that ended while the telemetry was on."""
    exported: int
    """Spans that the exporter accepted."""

    @property
    def dropped(self) -> int:
        """Spans that were lost: the exporter refused them, or the queue was full."""
        return self.ended - self.exported


class Telemetry:
    """Exports the spans of all sessions of this process from `start` to `close`; usable in a `with`."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        service: str = "livekit-turn-lab",
        text: bool = False,
        max_waiting: int = 2048,
        every_s: float = 5.0,
        seed: int | None = None,
    ) -> None:
        """Up to `max_waiting` spans are queued; they are passed to the exporter every `every_s` seconds.

        `text`: whether spans contain what was said, instructions, and arguments and results of tools
        (LiveKit's `allow_pii`, which is on by default in LiveKit and off here). `seed`: of the identifiers;
        None makes them random. Raises ValueError for limits out of range.
        """
        if max_waiting < 1:
            raise ValueError(f"max_waiting is {max_waiting}; expected 1 or more spans that may wait")
        self._exporter = _Counting(exporter)
        self._counter = _Counter()
        self._service, self._text, self._seed = service, text, seed
        self._max_waiting, self._every_s = max_waiting, checked_limit("every_s", every_s)
        self._provider: TracerProvider | None = None
        self._before: trace.TracerProvider | None = None

    @property
    def delivery(self) -> Delivery:
        """How many spans were exported so far, and how many not; final after `close`."""
        return Delivery(self._counter.ended, self._exporter.exported)

    def start(self) -> None:
        """Give LiveKit the provider. Raises RuntimeError if another Telemetry is on in this process."""
        if not _one_at_a_time.acquire(blocking=False):
            raise RuntimeError("another Telemetry is at work in this process; close it first, or share it")
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({SERVICE_NAME: self._service}),
            shutdown_on_exit=False,  # True would keep it in memory until the process ends
            id_generator=_Ids(self._seed),
        )
        provider.add_span_processor(self._counter)
        batches = BatchSpanProcessor(
            self._exporter,
            max_queue_size=self._max_waiting,
            schedule_delay_millis=self._every_s * 1000,
            max_export_batch_size=min(512, self._max_waiting),
        )
        provider.add_span_processor(batches)
        self._provider, self._before = provider, tracer._tracer_provider
        set_tracer_provider(provider, allow_pii=self._text)

    def close(self, limit_s: float = 5.0) -> Delivery:
        """Restore LiveKit's former provider, export what is queued, and return the counts of spans.

        Blocks for at most `limit_s`. In the second half of it the exporter is shut down, even if spans are
        still queued. The thread has ended then, unless an export that is running takes longer than that half.
        """
        provider, self._provider = self._provider, None
        if provider is None:
            return self.delivery
        if tracer._tracer_provider is provider and self._before is not None:  # no other was set since
            tracer.set_provider(self._before)
        self._before = None
        try:
            closing = threading.Thread(target=provider.shutdown, name="telemetry-close", daemon=True)
            closing.start()
            closing.join(limit_s / 2)
            if closing.is_alive():
                self._exporter.shutdown()
                closing.join(limit_s / 2)
        finally:
            _one_at_a_time.release()
        return self.delivery

    async def aclose(self, reason: str = "") -> None:
        """`close` without blocking the event loop; can be a shutdown callback of LiveKit's JobContext."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class _Ids(IdGenerator):
    """Makes identifiers with its own random numbers, so that the agent's random numbers don't change."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1


class _Counter(SpanProcessor):
    """Counts the spans that end."""

    def __init__(self) -> None:
        self.ended = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class _Counting(Forwarding):
    """Counts the spans that an exporter takes, and shuts it down once."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__(exporter)
        self.exported = 0
        self._shut_down = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        return result

    def shutdown(self) -> None:
        if self._shut_down.acquire(blocking=False):
            super().shutdown()
