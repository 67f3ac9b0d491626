"""Session reports and OTLP dumps made up for tests: given latencies, nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.core.delays import Delay, rng_for

Turn = dict[str, float]
"""LiveKit's name of a latency -> seconds."""
USER, LLM, TTS = "transcription_delay", "llm_node_ttft", "tts_node_ttfb"
TRUE = {USER: Delay(0.25, 0.4), LLM: Delay(0.6, 1.8), TTS: Delay(0.19, 0.33)}


def drawn(n: int, seed: int = 0, delays: dict[str, Delay] = TRUE) -> list[Turn]:
    """Turns whose latencies are log-normal."""
    streams = {name: rng_for(seed, name) for name in delays}
    return [{name: delays[name].sample(rng) for name, rng in streams.items()} for _ in range(n)]


def write_report(path: Path, turns: Sequence[Turn], llm: str = "", llms: Sequence[str] = ()) -> Path:
    """A session report; `llm` or, turn by turn, `llms` name the model that answered."""
    items: list[dict[str, Any]] = []
    for k, turn in enumerate(turns):
        model = llms[k] if llms else llm
        user = {USER: turn[USER]} if USER in turn else {}
        agent: dict[str, Any] = {name: turn[name] for name in (LLM, TTS) if name in turn}
        agent |= {"llm_metadata": {"model_name": model, "model_provider": "x"}} if model else {}
        items += [
            {"type": "message", "role": "user", "content": ["Hello."], "metrics": user},
            {"type": "message", "role": "assistant", "content": ["Hi."], "metrics": agent},
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"job_id": "a", "chat_history": {"items": items}}), encoding="utf-8")
    return path


def write_spans(path: Path, turns: Sequence[Turn], llm: str = "") -> Path:
    """The same as OTLP spans, of as many sessions as you like."""
    spans: list[dict[str, Any]] = []

    def add(name: str, at: int, identity: str, parent: str = "", **attributes: float | str) -> None:
        kinds = {str: "stringValue", float: "doubleValue"}
        spans.append(
            {
                "name": name, "spanId": identity, "parentSpanId": parent,
                "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 1),
                "attributes": [{"key": k, "value": {kinds[type(v)]: v}} for k, v in attributes.items()],
            }
        )  # fmt: skip

    for k, turn in enumerate(turns):
        at = 1_000_000 * (k + 1)
        add("user_turn", at, f"u{k}", **{"lk.transcription_delay": turn[USER]})
        add("agent_turn", at + 10, f"a{k}")
        model = {"gen_ai.request.model": llm} if llm else {}
        # A preemptive attempt that was thrown away, and the one that counted.
        add("llm_node", at + 11, f"p{k}", f"a{k}", **{"lk.response.ttft": 9.0}, **model)
        add("llm_node", at + 12, f"l{k}", f"a{k}", **{"lk.response.ttft": turn[LLM]}, **model)
        add("tts_node", at + 13, f"t{k}", f"a{k}", **{"lk.response.ttfb": turn[TTS]})
    dump = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    path.write_text(json.dumps(dump), encoding="utf-8")
    return path


def log_normal(n: int, p50_s: float, sigma: float, seed: int) -> np.ndarray:
    """Figures of one stage, shape=(n,)."""
    return p50_s * np.exp(sigma * np.random.default_rng(seed).standard_normal(n))
