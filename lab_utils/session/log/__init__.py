"""Records what happens in a session, with or without its texts; saves it and reads it."""
