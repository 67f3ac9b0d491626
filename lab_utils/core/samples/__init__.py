"""Samples of any length in bounded memory: kept, read in blocks, put together where they are read."""
