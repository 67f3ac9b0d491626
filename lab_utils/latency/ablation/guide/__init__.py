"""What the latency guide claims, and whether each claim holds in the measurement."""
