"""LiveKit's text detectors in an offline session: the plug-in's class, its answers looked up or computed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np

from ..core.settings import DetectorSettings
from ..core.traces import Prompt, TextAnswers, text_key
from ..turns.detectors import built, text_predictor_of


def text_detector(settings: DetectorSettings, answers: TextAnswers | None, delay_s: float) -> Any:
    """`turn_detection` of AgentSession; each answer comes `delay_s` seconds after it is asked for.

    `answers`: from a trace; what it lacks is computed. Call it in a job. Raises InputError without weights.
    """
    text_predictor_of(settings.model).model_version()
    model = built(settings)
    model._executor = _InThisProcess(settings.model, answers or TextAnswers(), delay_s)
    return model


class _InThisProcess:
    """In place of LiveKit's inference process, which a worker starts."""

    def __init__(self, name: str, answers: TextAnswers, delay_s: float) -> None:
        self._predictor, self._answers, self._delay_s = text_predictor_of(name), answers, delay_s

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """What the plug-in's runner says about a chat context."""
        messages = json.loads(data)["chat_ctx"]
        prompt: Prompt = tuple((one["role"], one["content"]) for one in messages)
        keys = np.array([text_key(prompt)], dtype=np.int64)
        p = self._answers.known(keys)
        if np.isnan(p[0]):
            p = self._predictor.probabilities([prompt])
            self._answers = self._answers.merged(keys, p)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        return json.dumps({"eou_probability": float(p[0])}).encode()
