"""Whether workers can be forks, and what is told to libraries before they are loaded. Imported everywhere."""

from __future__ import annotations

import sys

GROWTH = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e9"}
"""Bytes by which a worker may grow before loky replaces it: models and a long call are no leak of 300 MB."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""Variables of the environment that tell libraries how many threads to start when they are loaded."""


def can_fork() -> bool:
    """Only Linux: elsewhere a system's own libraries don't stand it, or there is no fork."""
    return sys.platform == "linux"
