"""The real AgentSession offline: on recordings, without room or network, under a virtual clock."""
