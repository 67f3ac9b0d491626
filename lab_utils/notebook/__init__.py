"""What the notebooks call, so that they stay thin: a module for each notebook, all names offered here.

Each function takes and gives records of the layers below. Pictures come back as images that any Jupyter can
show, with no matplotlib backend chosen.
"""

from ..rehearsal import load_call, proof, rehearse
from .recordings import apart, check, found, lines
from .sessions import hear, latencies, said, scores, telling_span, timelines
from .tuning import example, export, listen, look, measure, numbers, overview, tradeoff, tuner

__all__ = [
    "apart",
    "check",
    "example",
    "export",
    "found",
    "hear",
    "latencies",
    "lines",
    "listen",
    "load_call",
    "look",
    "measure",
    "numbers",
    "overview",
    "proof",
    "rehearse",
    "said",
    "scores",
    "telling_span",
    "timelines",
    "tradeoff",
    "tuner",
]
