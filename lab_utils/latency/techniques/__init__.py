"""Twelve latency techniques for LiveKit voice agents, to use or to copy.

Each mechanism has a module; what is only a switch is in `switches`.

They know nothing of the simulation: what they do offline they do in a real worker too.
"""
