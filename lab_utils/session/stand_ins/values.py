"""Values in place of those of a missing module: they can be called, used as decorators and subclassed.

Nothing else is known about them. Any other use (as a number, in a comparison, in a loop) raises
`NotInstalled`, and so does any use while their owner doesn't allow it.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Generator
from types import FunctionType
from typing import Any, NoReturn, Protocol


class NotInstalled(ImportError):
    """A package that isn't installed is needed; the message names it and the line of the user's code."""


class Owner(Protocol):
    """Decides whether a stand-in may be used."""

    def use(self, name: str, how: str = "") -> None:
        """Note that a value is used; `name`: where it comes from. Raises NotInstalled if it may not."""

    def needs(self, name: str, what: str) -> NoReturn:
        """Raise NotInstalled: the real package is needed."""

    def decorates(self) -> bool:
        """Whether the user's code decorates a function or class at this moment."""


class Value:
    """Replaces a name of a missing module, or the result of calling such a value."""

    _owner: Owner
    _name: str

    def __init__(self, owner: Owner, name: str) -> None:
        vars(self).update(_owner=owner, _name=name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._owner.use(f"{self._name}.{name}")
        child = Value(self._owner, f"{self._name}.{name}")
        vars(self)[name] = child  # the same object each time, as with members of an enumeration
        return child

    def __setattr__(self, name: str, value: Any) -> None:
        self._owner.use(f"{self._name}.{name}")
        vars(self)[name] = value

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self._owner.use(f"{self._name}()")
        alone = len(arguments) == 1 and not named
        if alone and isinstance(arguments[0], (FunctionType, type)) and self._owner.decorates():
            what = arguments[0].__name__
            self._owner.use(self._name, how=f"{what} stays undecorated")
            return arguments[0]
        return Value(self._owner, f"{self._name}()")

    def __getitem__(self, key: Any) -> Value:
        self._owner.use(f"{self._name}[]")
        return Value(self._owner, f"{self._name}[]")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._owner.use(f"{self._name}[]")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type]:
        self._owner.use(self._name)
        return (base_class(self._owner, self._name),)

    def __or__(self, other: Any) -> Any:  # in annotations: Client | None
        self._owner.use(self._name)
        return Value(self._owner, self._name)

    __ror__ = __or__

    def __enter__(self) -> Value:
        self._owner.use(self._name)
        return self

    def __exit__(self, *_: object) -> None:
        """Errors are not kept back."""

    async def __aenter__(self) -> Value:
        self._owner.use(self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Errors are not kept back."""

    def __await__(self) -> Generator[Any, Any, Value]:
        self._owner.use(self._name)
        return self.__aenter__().__await__()

    def __bool__(self) -> bool:
        self._owner.use(self._name)
        return True

    def __str__(self) -> str:
        self._owner.use(self._name, how=f"its text is {self!r}")
        return repr(self)

    def __format__(self, _: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<{self._name}, not installed>"


def _needing(what: str) -> Any:
    def method(self: Value, *_: Any) -> NoReturn:
        self._owner.needs(self._name, what)

    return method


for _what, _names in {
    "its number": "int float index complex round add radd sub rsub mul rmul truediv floordiv mod neg",
    "its order": "lt le gt ge",
    "its contents": "iter len contains reversed aiter next anext bytes",
    "its path": "fspath",
}.items():
    for _one in _names.split():
        setattr(Value, f"__{_one}__", _needing(_what))


class _Meta(ABCMeta):
    """Metaclass of classes derived from a missing one; an ABCMeta, as for many of LiveKit's classes."""

    _stands_for: tuple[Owner, str]

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        owner, stands_for = cls._stands_for
        owner.use(f"{stands_for}.{name}")
        return Value(owner, f"{stands_for}.{name}")


def base_class(owner: Owner, name: str) -> type:
    """A base class for a user's class, in place of a missing one."""

    def __new__(cls: type, *_: Any, **__: Any) -> Any:
        owner.use(f"{name}()")
        return object.__new__(cls)

    def __init__(self: Any, *_: Any, **__: Any) -> None: ...

    def __init_subclass__(cls: type, **_: Any) -> None: ...

    def __getattr__(self: Any, attribute: str) -> Any:
        of_livekit = any(base.__module__.startswith("livekit.") for base in type(self).__mro__)
        if attribute.startswith("_") or of_livekit:  # LiveKit checks which attributes its objects have
            raise AttributeError(attribute)
        owner.use(f"{name}.{attribute}")
        return Value(owner, f"{name}.{attribute}")

    members: dict[str, Any] = {
        "__module__": name.rpartition(".")[0],
        "__new__": __new__,
        "__init__": __init__,
        "__init_subclass__": classmethod(__init_subclass__),  # type: ignore[arg-type]
        "__getattr__": __getattr__,
        "_stands_for": (owner, name),
    }
    return _Meta(name.rpartition(".")[2].strip("()[]") or "Base", (), members)
