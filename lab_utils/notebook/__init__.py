"""What the notebooks call, so that they stay thin: a module for each notebook, all names offered here.

Each function takes and gives records of the layers below. Pictures come back as images that any Jupyter can
show, with no matplotlib backend chosen.
"""

from ..session.rehearsal import load_call, proof, rehearse
from .latency import (
    conversations,
    levels,
    providers,
    savings,
    stages,
    techniques,
    undisturbed,
    verdicts,
    waterfall,
)
from .recordings import apart, check, found, lines
from .sessions import hear, latencies, said, scores, telling_span, timelines
from .tuning import example, export, listen, look, measure, numbers, overview, tradeoff, tuner

__all__ = [
    "apart",
    "check",
    "conversations",
    "example",
    "export",
    "found",
    "hear",
    "latencies",
    "levels",
    "lines",
    "listen",
    "load_call",
    "look",
    "measure",
    "numbers",
    "overview",
    "proof",
    "providers",
    "rehearse",
    "said",
    "savings",
    "scores",
    "stages",
    "techniques",
    "telling_span",
    "timelines",
    "tradeoff",
    "tuner",
    "undisturbed",
    "verdicts",
    "waterfall",
]
