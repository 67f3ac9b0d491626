"""VAD and turn detector that read their probabilities from traces, and LiveKit's own beside them.

They send `AgentSession` the same events as `inference.VAD`, `silero.VAD` and `inference.TurnDetector`
(1.8.9); only the model's numbers are looked up instead of computed.
"""
