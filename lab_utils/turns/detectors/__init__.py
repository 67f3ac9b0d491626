"""End-of-turn detectors: audio → probability that the user's turn is over. One file per detector."""
