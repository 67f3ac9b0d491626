"""Tune the turn-taking and response latency of LiveKit voice agents, offline.

The path of the data: recordings (`corpus`, `audio`) -> traces (`vad`, `detectors`, `transcripts`, `tracing`)
-> `replay` -> `metrics` -> `sweep` -> `profile`. Importing this package loads none of them.
"""

__version__ = "0.1.0"
