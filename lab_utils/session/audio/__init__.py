"""Audio of an offline session, which has no room: recorded audio in, the agent's playout and its text out."""
