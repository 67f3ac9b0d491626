"""What everything speaks of: time axes, labels, recordings, traces, settings, session logs."""
