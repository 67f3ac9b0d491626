"""Twelve latency techniques for LiveKit voice agents, each in a module of its own, to use or to copy.

They know nothing of the simulation: what they do offline they do in a real worker too.
"""
