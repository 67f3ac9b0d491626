"""Transcripts that speech-to-text programs write as JSON, one module per program."""
