"""Limits what a user's code can do to its process, and undoes what it has done."""
