"""The user's own agent and plug-ins, named as on a command line: "module:Class" or "agents.py:Class".

Call this in a worker process, after its clock is installed: the user's module imports LiveKit.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ..core.batch.made_of import files_hash
from ..core.files.users_code import is_users
from . import clock
from .stand_ins.imports import ProcessStandIns
from .stand_ins.places import raised_at
from .stand_ins.unanswerable import Unanswerable

PartKind = Literal["agent", "stt", "llm", "tts"]
Part = str | Callable[[], Any] | None
"""A name to be loaded, the callable itself, or None for the lab's own part."""

_PROGRAM = ("__main__", "__mp_main__")
"""What was started: `lab`, a worker of a cluster; it differs between processes that load the same modules."""

LOADED_LATE = "modules of your own are loaded during sessions; import them at the top"
"""Why a session can't be gone on from: nobody knew of these modules before it ran."""


class BadPart(ValueError):
    """A part that can't be used; the message is one line: option and name: finding; remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))

    @classmethod
    def of(cls, kind: str, name: str, finding: str, remedy: str) -> BadPart:
        """The exception that names what is wrong with a part and the remedy."""
        return cls(f"--{kind} {name}: {finding}; {remedy}")


def load_parts(
    parts: Mapping[PartKind, Part], stand_ins: ProcessStandIns | None = None
) -> dict[PartKind, Callable[[], Any] | None]:
    """Each part as a callable without arguments; None stays None. Raises BadPart.

    `stand_ins` replace what isn't installed while the parts are imported and made.
    """
    made = {}
    for kind, part in parts.items():
        with answering(stand_ins):
            made[kind] = _load(kind, part, stand_ins) if isinstance(part, str) else part
    return made


@contextmanager
def answering(stand_ins: ProcessStandIns | None) -> Iterator[None]:
    """Let `stand_ins`, if any, replace missing packages until the block ends."""
    with nullcontext() if stand_ins is None else stand_ins.packages.answering():
        yield


def _load(kind: PartKind, name: str, stand_ins: ProcessStandIns | None) -> Callable[[], Any]:
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise BadPart.of(kind, name, "no module and attribute", "write module:Class or path/to/file.py:Class")
    with _no_worker_starts():
        module = import_module(kind, name, place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadPart.of(kind, name, f"{place} has no {attribute!r}", f"it has {_offers(kind, module)}")
        found = getattr(found, part)
    base = _base(kind)
    article = "an" if kind != "tts" else "a"
    wanted = f"{article} {base.__name__}"
    remedy = f"name a subclass of {base.__name__}, or a function without arguments that returns one"
    if isinstance(found, base):
        raise BadPart.of(
            kind, name, f"is {wanted} that exists already, but each session needs its own", remedy
        )
    if not callable(found) or (isinstance(found, type) and not issubclass(found, base)):
        raise BadPart.of(kind, name, f"is {_described(found)}, not {wanted}", remedy)
    needed = _needed_arguments(found)
    if needed:
        finding = f"needs arguments ({', '.join(needed)})"
        raise BadPart.of(kind, name, finding, f"name a function without arguments that returns {wanted}")

    def make() -> Any:
        with answering(stand_ins):
            part = found()
        if not isinstance(part, base):
            raise BadPart.of(kind, name, f"returned {_described(part)}, not {wanted}", remedy)
        return part

    return make


def make_once(names: Mapping[PartKind, str], parts: Mapping[PartKind, Callable[[], Any] | None]) -> None:
    """Make the parts that have names, to see what they ask for. Raises BadPart if it can't be replaced."""
    from livekit.agents.testing import fake_job_context

    async def make() -> None:
        with fake_job_context():
            for kind, name in names.items():
                part = parts[kind]
                assert part is not None
                try:
                    part()
                except Unanswerable as error:
                    raise BadPart(f"--{kind} {name}: {error}") from None
                except BadPart:
                    raise
                except Exception:
                    continue  # each session reports it

    clock.run(make)


def users_code() -> str:
    """A hash of the modules of the user's own that this process has loaded, beside the program itself."""
    loaded = (module for name, module in list(sys.modules.items()) if name not in _PROGRAM)
    files = {getattr(module, "__file__", None) for module in loaded}
    return files_hash(Path(file) for file in files if file and is_users(file) and Path(file).is_file())


def _base(kind: PartKind) -> type:
    from livekit.agents import Agent, llm, stt, tts

    bases: dict[PartKind, type] = {"agent": Agent, "stt": stt.STT, "llm": llm.LLM, "tts": tts.TTS}
    return bases[kind]


def import_module(option: str, name: str, place: str) -> ModuleType:
    """The user's module or file `place`, which `--option name` asks for. Raises BadPart."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        return _import_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except FileNotFoundError as error:
        if error.filename != place:
            raise _import_failed(option, name, place, error) from None
        raise BadPart.of(option, name, f"no file {place} in {here}", "check the path") from None
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(f"{error.name}.")):
            raise _import_failed(option, name, place, error) from None
        remedy = "check the spelling, start lab in the folder that holds it, or give path/to/file.py:Class"
        raise BadPart.of(option, name, f"no module {error.name!r} here or installed", remedy) from None
    except (
        Exception,
        SystemExit,
        KeyboardInterrupt,
    ) as error:  # the user's module may raise anything when it is imported
        raise _import_failed(option, name, place, error) from None


@contextmanager
def _no_worker_starts() -> Iterator[None]:
    """Make `cli.run_app` do nothing: many worker files call it without checking for `__main__`."""
    from livekit.agents import cli

    run_app = cli.run_app
    cli.run_app = lambda *_: None
    try:
        yield
    finally:
        cli.run_app = run_app


def _import_failed(option: str, name: str, place: str, error: BaseException) -> BadPart:
    return BadPart.of(option, name, *import_failed(place, error))


def import_failed(place: str, error: BaseException) -> tuple[str, str]:
    """Finding (with the user's line, if known) and remedy for a module that raised when it was imported."""
    if isinstance(error, Unanswerable):
        finding, _, remedy = str(error).rpartition(": ")
        return finding, remedy
    line = raised_at(error)
    at = f" at {line}" if line is not None else ""
    finding = f"importing {place} failed{at} with {type(error).__name__}: {error}"
    if isinstance(error, KeyError) and from_environment(error):
        return finding, "set it in the environment: what a stand-in answers takes any value"
    return finding, "see that it can be imported by itself"


def from_environment(error: BaseException) -> bool:
    """Whether an error was raised by looking up an environment variable."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__") == "os"


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    for name in (path.stem, f"user_{path.stem}"):  # not in place of a library of the same name
        known = sys.modules.get(name)
        if known is None:
            break
        if getattr(known, "__file__", None) == str(path.resolve()):
            return known
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # the file may import its neighbours, as a script may
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _offers(kind: PartKind, module: ModuleType) -> str:
    """The classes in a module that could be used as this part."""
    base = _base(kind)
    fitting = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    return ", ".join(fitting) or f"no subclass of {base.__name__} of its own"


def _described(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def _needed_arguments(made: Callable[..., Any]) -> list[str]:
    """Names of parameters without a default; empty if there is no signature."""
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
