"""LiveKit's text detectors, `EnglishModel` and `MultilingualModel` (livekit-plugins-turn-detector 1.8.9).

Goal: the very probabilities that they give for a chat context, by the plug-in's own code: it loads model,
tokenizer and thresholds from the hub's cache, writes the prompt, and asks.
Conventions: a prompt is what `EOUModelBase.predict_end_of_turn` passes on: at most six messages of the user
and the agent, the user's turn so far last. Nothing is fetched: what isn't in the cache is refused by name.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...core.detectors import DETECTORS
from ...core.errors import InputError
from ...core.settings import DetectorSettings
from ...core.timeline import Floats
from ...core.traces import Prompt
from .base import Detector, TextPredictor

PACKAGE = "livekit-plugins-turn-detector"
PLUGIN = "livekit.plugins.turn_detector"
DOWNLOAD = "python -m livekit.agents download-files"
REMOTE = "LIVEKIT_REMOTE_EOT_URL"


@dataclass(frozen=True)
class TextModel:
    """One of the two, by its name in settings."""

    name: str
    model_type: str
    """As in the plug-in."""
    runner: str
    """The class that loads and asks it, in the plug-in."""

    def model_version(self) -> str:
        """Plug-in and weights, by the hub's commit. Raises InputError without weights."""
        model = self._cached("onnx/model_q8.onnx")
        return f"{PACKAGE}-{version(PACKAGE)}-{model.parent.parent.name}"

    def thresholds(self) -> Mapping[str, float]:
        """`languages.json`, as `EOUModelBase.unlikely_threshold` reads it."""
        path = self._cached("languages.json")
        try:
            languages = json.loads(path.read_text(encoding="utf-8"))
            return {code: float(data["threshold"]) for code, data in languages.items() if data}
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise InputError(
                f"{path}: no thresholds by language ({error}); get it again: {DOWNLOAD}"
            ) from None

    def probabilities(self, prompts: Sequence[Prompt]) -> Floats:
        """One for each prompt, shape=(n,); prompts that the plug-in writes alike are asked once."""
        self.model_version()
        runner = _loaded(self)
        known: dict[str, float] = {}
        p = np.zeros(len(prompts))
        for k, prompt in enumerate(prompts):
            messages = [{"role": role, "content": said} for role, said in prompt]
            text = runner._format_chat_ctx([dict(one) for one in messages])
            if text not in known:
                answer = json.loads(runner.run(json.dumps({"chat_ctx": messages}).encode()))
                known[text] = float(answer["eou_probability"])
            p[k] = known[text]
        return p

    def build(self, settings: DetectorSettings) -> Any:
        """The plug-in's model with these settings; in a job, whose inference process then runs it."""
        plugin = _plugin(self)
        return getattr(plugin, settings.traits.constructor)(**(settings.arguments() or {}))

    def _cached(self, file: str) -> Path:
        """A file of the weights, where the plug-in finds it. Raises InputError if it isn't there."""
        from huggingface_hub import constants, try_to_load_from_cache

        if self.model_type == "multilingual" and os.environ.get(REMOTE):
            raise InputError(
                f"{self.name}: {REMOTE} is set, so LiveKit's service would be asked; unset it, for nothing "
                "leaves this machine"
            )
        models = _plugin(self, "models")
        revision = models.MODEL_REVISIONS[self.model_type]
        found = try_to_load_from_cache(models.HG_MODEL, file, revision=revision)
        if not isinstance(found, str):
            raise InputError(
                f"{self.name}: {file} of {models.HG_MODEL} {revision} isn't in {constants.HF_HUB_CACHE}; get "
                f"its weights with: {DOWNLOAD}"
            )
        return Path(found)


def _plugin(model: TextModel, module: str = "") -> Any:
    """A module of the plug-in, by default the model's own. Raises InputError where it can't be loaded."""
    name = f"{PLUGIN}.{module or model.name}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(name)
    except RuntimeError as error:  # LiveKit registers plug-ins on the main thread only
        raise InputError(
            f"{model.name}: the plug-in can't be loaded here ({error}); run `import {PLUGIN}` in a "
            "cell, or sweep with this detector first"
        ) from None


@functools.lru_cache(maxsize=2)
def _loaded(model: TextModel) -> Any:
    runner = getattr(_plugin(model), model.runner)()
    try:
        runner.initialize()
    except Exception as error:  # onnxruntime, tokenizers and the hub each have their own
        why = " ".join(str(error).split())[:150]
        raise InputError(
            f"{model.name}: can't be loaded ({why}); get its weights again: {DOWNLOAD}"
        ) from None
    return runner


def _detector(model: TextModel) -> Detector:
    asked = TextPredictor(model.model_version, model.thresholds, model.probabilities)
    return Detector(DETECTORS[model.name], model.build, text_predictor=asked)


ENGLISH = _detector(TextModel("english", "en", "_EUORunnerEn"))
MULTILINGUAL = _detector(TextModel("multilingual", "multilingual", "_EUORunnerMultilingual"))
