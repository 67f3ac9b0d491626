"""The profile's snippet for the Node SDK: its names, its milliseconds."""

from __future__ import annotations

import pytest

from lab_utils.core.settings import parse_settings
from lab_utils.turns.node_snippet import node_snippet
from lab_utils.turns.profile import Profile

SILERO = {
    "vad": {"model": "silero", "min_silence_duration": 0.55, "activation_threshold": 0.6},
    "detector": {"model": "vad"},
    "endpointing": {"mode": "dynamic", "min_delay": 0.4375, "max_delay": 3.0, "alpha": 0.8},
    "interruption": {"false_interruption_timeout": None, "min_words": 2},
}


def test_node_gets_milliseconds_and_its_own_names():
    text = Profile(name="line", settings=parse_settings(SILERO)).node_snippet()
    assert text.splitlines() == [
        "// Turn-taking profile 'line', measured on livekit-agents 1.8.9 (Python).",
        "// All durations are in milliseconds.",
        "import { voice } from '@livekit/agents';",
        "import * as silero from '@livekit/agents-plugin-silero';",
        "",
        "const session = new voice.AgentSession({",
        "  stt, llm, tts, // yours",
        "  vad: await silero.VAD.load({ activationThreshold: 0.6, deactivationThreshold: 0.45, "
        "minSpeechDuration: 50, minSilenceDuration: 550 }),",
        "  turnHandling: {",
        '    turnDetection: "vad",',
        '    endpointing: { mode: "dynamic", minDelay: 437.5, maxDelay: 3000, alpha: 0.8 },',
        "    interruption: { enabled: true, minDuration: 500, minWords: 2, resumeFalseInterruption: true, "
        "discardAudioIfUninterruptible: true },",
        "    preemptiveGeneration: { enabled: true, preemptiveTts: false, maxSpeechDuration: 10000, "
        "maxRetries: 3 },",
        "  },",
        "});",
    ]


@pytest.mark.parametrize(("threshold", "said"), [(0.36, ""), (0.5, ", unlikelyThreshold: 0.5")])
def test_the_turn_detector_and_its_threshold(threshold, said):
    text = node_snippet(parse_settings({"detector": {"unlikely_threshold": threshold}}), "x")
    assert f'turnDetection: new inference.TurnDetector({{ version: "v1-mini"{said} }}),' in text
    assert "import { inference, voice } from '@livekit/agents';" in text


def test_a_name_cannot_leave_its_comment():
    profile = Profile(name="x\n*/ process.exit() //", settings=parse_settings({}))
    assert [line for line in profile.node_snippet().splitlines() if "process.exit" in line] == [
        "// Turn-taking profile 'x\\n*/ process.exit() //', measured on livekit-agents 1.8.9 (Python)."
    ]
