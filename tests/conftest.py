"""Hypothesis profiles: `make test-fast` takes "quick"; HYPOTHESIS_PROFILE=thorough searches longer."""

import os

from hypothesis import Phase, settings

# Tests trace anew: what comes with the package would hide a fault. `samples_cache` unpacks it for some.
os.environ["LAB_SHIPPED_TRACES"] = "0"

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40, print_blob=True)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=10, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2000, print_blob=True)
# A mutant is to be found, not to be explained: no time for the smallest example.
settings.register_profile(
    "mutants", derandomize=True, deadline=None, max_examples=60, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
