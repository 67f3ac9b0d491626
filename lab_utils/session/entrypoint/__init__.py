"""Runs a worker file's entrypoint, as production does, in a stand-in for the room."""
