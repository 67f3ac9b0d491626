"""Tune the turn-taking and response latency of LiveKit voice agents, offline.

The rooms, each importing only from those before it: `core`, `recordings`, `turns`, `session`, `latency`,
`plots`, `workflows`, `widgets`, `cli`. Importing this package loads none of them. It does one thing: it tells
onnxruntime, before that can load, not to send telemetry to its maker.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime loads; worker processes inherit it

__version__ = "0.1.0"
