"""The examples in docstrings run, and each public function of the metrics has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from lab_utils.turns import metrics

MODULES = [f"{metrics.__name__}.{one.name}" for one in pkgutil.iter_modules(metrics.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_is_printed(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
