"""A barge-in scene as a session of the real `AgentSession`, and its replay with the same transcripts."""
