"""Barge-in: onsets of the user's sound while the agent speaks, and what each setting makes of them.

Definitions: docs/barge-in.md. `onsets` tells where they are and whether to yield, `scenes` cuts each out,
`replay` says when the agent falls silent, `figures` counts, `search` sweeps the knobs.
"""
