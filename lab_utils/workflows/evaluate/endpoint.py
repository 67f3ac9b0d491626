"""A language model behind an OpenAI-compatible endpoint: which, where, and the key that opens it.

`OPENAI_BASE_URL` (OpenAI's own by default) and `OPENAI_API_KEY` of the environment. No message quotes either:
an address may hold a password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import requests

from ...core.errors import InputError
from ...core.text import clip

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Endpoint:
    """A model that is asked, and where."""

    model: str
    base_url: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, model: str, environment: Mapping[str, str] = os.environ, option: str = "--judge") -> Self:
        """The endpoint that the environment allows; `option`: of the command line, which names the model.

        Raises InputError without a key, and for a key or an address that can't be used; neither is quoted.
        """
        base_url = environment.get("OPENAI_BASE_URL", "").strip() or OPENAI
        key = environment.get("OPENAI_API_KEY", "").strip()
        if not key:
            raise InputError(
                f"{option} {model}: OPENAI_API_KEY isn't set; set it (any text for a server without keys)"
            )
        if not (key.isascii() and key.isprintable()):
            raise InputError("OPENAI_API_KEY holds a line break or what isn't ASCII; set it again")
        if not _is_address(base_url):
            raise InputError(
                f"OPENAI_BASE_URL: expected a URL such as {OPENAI}, with a host, without user or query"
            )
        return cls(model, base_url.rstrip("/"), key)

    @property
    def host(self) -> str:
        """Where it is asked: host[:port]."""
        address = urlsplit(self.base_url)
        name = address.hostname or ""
        name = f"[{name}]" if ":" in name else name
        return name if address.port is None else f"{name}:{address.port}"

    def without_key(self, text: str, longest: int = 200) -> str:
        """A message as it may be shown; the key goes before the text is cut, so that no part of it stays."""
        return clip(text.replace(self.key, "…"), longest)

    def signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the key; for `auth`, since a header would give way to ~/.netrc."""
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


def _is_address(url: str) -> bool:
    """Whether a URL names a host and nothing that may be secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return False
    return (
        url.isprintable()
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not set("?#") & set(url)
    )
