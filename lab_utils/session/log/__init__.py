"""What happened in a session: observed, kept with or without its texts, saved and read."""
