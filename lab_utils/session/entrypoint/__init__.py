"""A worker file as production runs it: its entrypoint, in a room that is a stand-in."""
