"""Twelve latency techniques for LiveKit voice agents, to use or to copy.

Each mechanism has a module; what is only a switch is in `switches`.

They don't depend on the simulation: they work the same offline and in a real worker.
"""
