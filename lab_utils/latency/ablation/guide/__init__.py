"""What the latency guide claims, and what the measurement makes of each claim."""
