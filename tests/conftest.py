"""Hypothesis profiles: `make test-fast` takes "quick"; HYPOTHESIS_PROFILE=thorough searches longer."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, print_blob=True)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=10, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
