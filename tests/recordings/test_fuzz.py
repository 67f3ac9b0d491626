"""The fuzzing targets run: every seed is taken, and so are a few changes of each. See `fuzz.py`."""

from __future__ import annotations

import pytest
from fuzz_json import mutated
from fuzz_targets import TARGETS


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_documented_error_comes_out_or_none(tmp_path, name):
    target = TARGETS[name]
    try_one = target.prepare(tmp_path)
    for seed in target.seeds()[:4]:
        try_one(seed)
        try_one(seed[: len(seed) * 2 // 3])
        for k in range(4):
            try_one(mutated(seed, len(seed) * 2, k) or b"")
