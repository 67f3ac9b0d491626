"""When a reply is heard, without running a session: commits, transcripts and drawn delays → its stages."""
