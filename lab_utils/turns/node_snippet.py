"""A profile's settings as TypeScript for the Node SDK (@livekit/agents), whose durations are milliseconds.

Names are those of its `TurnHandlingOptions`, `VADOptions` (inference.VAD, silero.VAD) and
`TurnDetectorOptions`.
"""

from __future__ import annotations

import json
from typing import Any

from ..core.settings import Settings

_DURATIONS = frozenset(
    (
        "min_speech_duration",
        "min_silence_duration",
        "min_delay",
        "max_delay",
        "min_duration",
        "false_interruption_timeout",
        "max_speech_duration",
    )
)


def node_snippet(settings: Settings, title: str) -> str:
    """TypeScript to paste; `stt`, `llm` and `tts` are yours. `title`: what the first comment says.

    >>> print(node_snippet(Settings(), "Profile 'x'").splitlines()[9])
        endpointing: { mode: "fixed", minDelay: 300, maxDelay: 2500, alpha: 0.9 },
    """
    silero, detector = settings.vad.model == "silero", settings.detector.arguments()
    vad = _object(settings.vad.arguments())
    traits = settings.detector.traits
    if traits.needs == "words":
        threshold = (detector or {}).get("unlikely_threshold", "")
        turn_detection = f"new livekit.turnDetector.{traits.constructor}({threshold})"
    elif detector:
        turn_detection = f"new inference.TurnDetector({_object(detector)})"
    else:
        turn_detection = json.dumps(settings.detector.model)
    imports = ["inference"] * ("inference." in turn_detection or not silero) + ["voice"]
    lines = [
        *(f"// {line}" for line in title.splitlines()),
        "// All durations are in milliseconds.",
        f"import {{ {', '.join(imports)} }} from '@livekit/agents';",
        *(["import * as livekit from '@livekit/agents-plugin-livekit';"] if traits.needs == "words" else []),
        *(["import * as silero from '@livekit/agents-plugin-silero';"] if silero else []),
        "",
        "const session = new voice.AgentSession({",
        "  stt, llm, tts, // yours",
        f"  vad: {f'await silero.VAD.load({vad})' if silero else f'new inference.VAD({vad})'},",
        "  turnHandling: {",
        f"    turnDetection: {turn_detection},",
        *(f"    {_camel(name)}: {_object(part)}," for name, part in settings.turn_handling().items()),
        "  },",
        "});",
    ]
    return "\n".join(lines) + "\n"


def _object(values: dict[str, Any]) -> str:
    """Keys in camelCase, durations in milliseconds; what is None is left to LiveKit."""
    given = {name: value for name, value in values.items() if value is not None}
    pairs = [f"{_camel(name)}: {_value(name, value)}" for name, value in given.items()]
    return f"{{ {', '.join(pairs)} }}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps({key: round(one, 6) for key, one in value.items()})
    if name not in _DURATIONS:
        return json.dumps(round(value, 6) if isinstance(value, float) else value)
    milliseconds = round(value * 1000.0, 3)
    return json.dumps(int(milliseconds) if milliseconds == int(milliseconds) else milliseconds)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
