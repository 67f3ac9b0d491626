"""The examples in the docstrings of the metrics and the replay run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from lab_utils.core import delays
from lab_utils.turns import metrics, replay

MODULES = [delays.__name__, metrics.__name__, replay.__name__] + [
    f"{package.__name__}.{one.name}"
    for package in (metrics, replay)
    for one in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_is_printed(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
