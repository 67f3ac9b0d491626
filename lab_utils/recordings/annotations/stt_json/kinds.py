"""Which program wrote a transcript in JSON, recognised by keys that only this program writes.

Ten programs write "words" and "text", and their times differ by a factor of a thousand. So each program is
recognised by its keys and by what lies below them; a file without such keys is no known annotation. Only the
first MiB of a file is read; values that are cut off there are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

from ..source import BOMS

_ASSEMBLYAI = (
    "audio_url", "acoustic_model", "language_model", "utterances", "speech_model", "speech_models",
    "audio_duration", "webhook_status_code", "auto_highlights", "speaker_labels", "multichannel",
    "dual_channel",
)  # fmt: skip
_WHISPER = ("seek", "tokens", "temperature", "avg_logprob", "no_speech_prob", "compression_ratio")
_WRAPPERS = ("result", "response", "data", "body")


@lru_cache(maxsize=4)
def kind_of_json(head: bytes) -> str:
    """The program whose JSON begins with these bytes, by its key in `KINDS`; empty if none is known."""
    value = _partial(head)
    if not isinstance(value, dict | list):
        return ""
    return next((name for name, has_marks in KINDS.items() if has_marks(value)), "")


def is_kind(name: str) -> Callable[[bytes], bool]:
    """A function that tells from a file's first bytes whether that program wrote it."""
    return lambda head: kind_of_json(head) == name


def unwrapped(value: Any) -> Any:
    """Deepgram's answer without the wrappers of SDKs and clients: `{"result": ...}`, a list of one."""
    for _ in range(3):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and not isinstance(value.get("results"), dict):
            inner = next((value[key] for key in _WRAPPERS if isinstance(value.get(key), dict | list)), None)
            if inner is None:
                return value
            value = inner
        else:
            return value
    return value


def _partial(head: bytes) -> Any:
    mark, encoding = next(((b, e) for b, e in BOMS if head.startswith(b)), (b"", "utf-8"))
    text = head[len(mark) :].decode(encoding, errors="replace").lstrip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return None


def _dict(value: Any, key: str = "") -> dict[str, Any]:
    found = value.get(key) if key and isinstance(value, dict) else value
    return found if isinstance(found, dict) else {}


def _first(value: Any, *keys: str) -> dict[str, Any]:
    """The first object of the list at some keys; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return next((one for one in value if isinstance(one, dict)), {}) if isinstance(value, list) else {}


def _deepgram(value: Any) -> bool:
    return "alternatives" in _first(_dict(unwrapped(value), "results"), "channels")


def _deepgram_stream(value: Any) -> bool:
    one = _first({"": value}, "") if isinstance(value, list) else _dict(value)
    return "channel" in one and "alternatives" in _dict(one, "channel")


def _aws(value: Any) -> bool:
    results = _dict(value, "results")
    item = _first(results, "items")
    return "transcripts" in results or (
        "alternatives" in item and item.get("type") in ("pronunciation", "punctuation")
    )


def _contact_lens(value: Any) -> bool:
    return "BeginOffsetMillis" in _first(value, "Transcript")


def _scribe(value: Any) -> bool:
    one = _first(value, "transcripts") or _dict(value)
    word = _first(one, "words")
    return (
        word.get("type") in ("word", "spacing", "audio_event") and "text" in word and "language_code" in one
    )


def _whisper_cpp(value: Any) -> bool:
    one = _first(value, "transcription")
    return "offsets" in one and "text" in one


def _whisper(value: Any) -> bool:
    if isinstance(value, list):
        one = _first({"": value}, "")
        return {"start", "end", "text"} <= one.keys() and (
            any(key in one for key in _WHISPER) or "word" in _first(one, "words")
        )
    if not isinstance(value, dict) or "results" in value or "monologues" in value:
        return False
    if isinstance(value.get("segments"), list):
        return not value["segments"] or {"start", "end"} <= _first(value, "segments").keys()
    word = _first(value, "words")
    told = value.get("task") in ("transcribe", "translate") or "language" in value or "duration" in value
    return {"word", "start", "end"} <= word.keys() and "text" in value and told


def _assemblyai(value: Any) -> bool:
    return isinstance(value, dict) and any(key in value for key in _ASSEMBLYAI)


def _google(value: Any) -> bool:
    one = _first(value, "results") or _first(_dict(value, "response"), "results")
    return "alternatives" in one and "type" not in one


def _speechmatics(value: Any) -> bool:
    one = _first(value, "results")
    return "alternatives" in one and "start_time" in one and "type" in one


def _azure(value: Any) -> bool:
    one = _dict(value)
    phrases = "recognizedPhrases" in one or "combinedRecognizedPhrases" in one or "combinedPhrases" in one
    return phrases or ("NBest" in one and ("DisplayText" in one or "Offset" in one))


def _gladia(value: Any) -> bool:
    return "transcription" in _dict(value, "result") or "time_begin" in _first(value, "prediction")


def _vosk(value: Any) -> bool:
    return "conf" in _first(value, "result") and "word" in _first(value, "result")


KINDS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "deepgram": _deepgram,
        "Deepgram's streaming messages": _deepgram_stream,
        "aws_contact_lens": _contact_lens,
        "aws_transcribe": _aws,
        "Speechmatics": _speechmatics,
        "Google Speech-to-Text": _google,
        "Azure Speech": _azure,
        "Rev AI": lambda value: "elements" in _first(value, "monologues"),
        "Gladia": _gladia,
        "Vosk": _vosk,
        "Soniox": lambda value: "start_ms" in _first(value, "tokens"),
        "IBM Watson": lambda value: "word_alternatives" in _first(value, "results"),
        "elevenlabs": _scribe,
        "whisper_cpp": _whisper_cpp,
        "whisper": _whisper,
        "assemblyai": _assemblyai,
    }
)
"""Name -> function that tells whether a file's content is this program's, in the order of trying.

Programs in `FORMATS` are read. For the others the error names the program."""
