"""Technique 7: asynchronous evaluation.

What it does: a judge scores each turn after it has been committed, off the path of the reply.

LiveKit surface: anything but an `await` in `on_user_turn_completed`: a task of its own as here, or spans
exported in batches and scored elsewhere (OpenTelemetry; `traceai-livekit` maps LiveKit's spans).

What 1.8.9 does by itself: judges nothing, and records its spans without waiting for their export.

Common mistake: an LLM judge awaited in the hook "to gate the response". LiveKit waits for the hook before it
schedules any reply. With preemptive generation the LLM works meanwhile, so what the judge costs is what it
takes beyond the time to first token.

Offline: off is a judge awaited in the hook, with the profile's `Judge.verdict`.
"""

from __future__ import annotations

from ..extras.judging import Judge, Judging


def evaluation(judge: Judge, on: bool) -> Judging:
    """Judges turns off the path, or, where the technique is off, awaited in the hook."""
    return Judging(judge, inline=not on)
