"""Extras for LiveKit agents: push-to-talk, guardrail, judging, telemetry, scores of how a call sounds."""
