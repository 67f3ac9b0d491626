"""Commands that look for a setting, and write the one that is chosen."""
