"""Detectors side by side: which one, by how much, for which callers (`lab compare`)."""
