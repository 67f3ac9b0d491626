"""Every public function of the metrics and the replays shows an example; all examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import lab_utils
from lab_utils.turns import metrics, one_setting, replay

MODULES = [metrics.__name__, replay.__name__, one_setting.__name__] + [
    f"{package.__name__}.{one.name}"
    for package in (metrics, replay, one_setting)
    for one in pkgutil.iter_modules(package.__path__)
]
ROOT = Path(lab_utils.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_show_what_is_printed(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_shows_an_example(name):
    module = importlib.import_module(name)
    functions = inspect.getmembers(module, inspect.isfunction)
    own = {called: one for called, one in functions if one.__module__ == name and not called.startswith("_")}
    without = [called for called, one in own.items() if ">>>" not in (one.__doc__ or "")]
    assert not without, f"{name}: no example in the docstring of {', '.join(without)}"
