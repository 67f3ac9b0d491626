"""From recordings to a chosen setting: traces, replay, metrics, sweep, choice, profile."""
