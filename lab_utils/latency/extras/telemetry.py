"""A session's OpenTelemetry spans, exported off the path: nothing that an exporter does can delay a turn.

LiveKit surface: `livekit.agents.telemetry.set_tracer_provider`. LiveKit 1.8.9 makes spans of every session,
turn, LLM and TTS call by itself, and throws them away unless it is given a provider (LiveKit Cloud has its
own). A `Telemetry` gives it one with a `BatchSpanProcessor`: a span that ends is put into a queue in memory,
and a thread of its own exports what is queued. Where the exporter fails, hangs or can't keep up, spans are
dropped and counted, and the session doesn't notice.

    telemetry = Telemetry(HttpSpanExporter("http://localhost:4318/v1/traces"))
    telemetry.start()                                # in the worker's entrypoint, before session.start()
    ctx.add_shutdown_callback(telemetry.aclose)

Offline: `with Telemetry(FileSpanExporter(path), seed=0): run(job)`. The export runs in real time and takes
no virtual time; identifiers come from `seed`. Equal sessions give equal files, but for one attribute that
LiveKit takes from the date (`langfuse.observation.completion_start_time`).

Common mistakes: a `SimpleSpanProcessor`, which exports in the event loop, in every turn; and starting it
where the worker's module is loaded, before LiveKit starts the job's process.
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
"""LiveKit's tracer is the process's: a second provider would take the spans of the first one's sessions."""


@dataclass(frozen=True)
class Delivery:
    """What became of the spans."""

    ended: int
    """Spans that ended while the telemetry was on."""
    exported: int
    """Those that the exporter took."""

    @property
    def dropped(self) -> int:
        """Those that got lost: refused by the exporter, or by a queue that was full."""
        return self.ended - self.exported


class Telemetry:
    """Exports the spans of all sessions of this process from `start` to `close`; usable as a context."""

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
        """Up to `max_waiting` spans wait for the exporter, which is given those there are `every_s`.

        `text`: whether spans hold what was said, instructions, and what tools were given and gave (LiveKit's
        `allow_pii`, which LiveKit turns on and this project off). `seed`: of the identifiers; None draws them
        at random. Raises ValueError for limits that are none.
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
        """What became of the spans so far; final after `close`."""
        return Delivery(self._counter.ended, self._exporter.exported)

    def start(self) -> None:
        """Hand LiveKit the provider. Raises RuntimeError if one is at work in this process."""
        if not _one_at_a_time.acquire(blocking=False):
            raise RuntimeError("another Telemetry is at work in this process; close it first, or share it")
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({SERVICE_NAME: self._service}),
            shutdown_on_exit=False,  # which would keep it, and all it holds, until the process ends
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
        """Take LiveKit's provider back, export what is queued, and say what became of the spans.

        Blocks for at most `limit_s`: in the second half of it the exporter is shut down, whatever still
        waits. Its thread is gone then, if an export under way takes no longer than that half.
        """
        provider, self._provider = self._provider, None
        if provider is None:
            return self.delivery
        if tracer._tracer_provider is provider and self._before is not None:  # nobody has set another since
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
        """`close` without blocking the event loop: a shutdown callback of LiveKit's JobContext."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class _Ids(IdGenerator):
    """Identifiers of its own stream of random numbers: those of the agent stay as they were."""

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
