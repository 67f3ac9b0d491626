"""Every public function of the metrics and the replays shows an example, and the examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from lab_utils.core import delays
from lab_utils.turns import metrics, one_setting, replay

MODULES = [delays.__name__, metrics.__name__, replay.__name__, one_setting.__name__] + [
    f"{package.__name__}.{one.name}"
    for package in (metrics, replay, one_setting)
    for one in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_is_printed(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("name", MODULES[1:])
def test_every_public_function_shows_an_example(name):
    module = importlib.import_module(name)
    functions = inspect.getmembers(module, inspect.isfunction)
    own = {called: one for called, one in functions if one.__module__ == name and not called.startswith("_")}
    without = [called for called, one in own.items() if ">>>" not in (one.__doc__ or "")]
    assert not without, f"{name}: no example in the docstring of {', '.join(without)}"
