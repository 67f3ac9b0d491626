"""Which latency technique saves what: agents that differ in their techniques, on the same calls."""
