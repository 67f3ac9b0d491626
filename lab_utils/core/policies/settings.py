"""The group of settings that AgentSession has no knob for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

from ..models import Frozen
from .wait_shape import WaitShape, wait_shape


def _checked(value: Any) -> WaitShape | None:
    try:
        return wait_shape(value)
    except ValueError as error:
        raise PydanticCustomError("wait_shape", "{why}", {"why": str(error).partition(", got ")[0]}) from None


if TYPE_CHECKING:
    Shape = WaitShape | None
else:
    Shape = Annotated[
        Any,
        BeforeValidator(_checked),
        PlainSerializer(lambda value: value and [list(point) for point in value]),
    ]


class PolicySettings(Frozen):
    """What AgentSession has no knob for; a worker gets it as code (`turns.live_policy`)."""

    wait_shape: Shape = None
    """How the wait falls from `max_delay` to `min_delay` while p rises to `unlikely_threshold`; None: it is
    one of the two (`core.policies.wait_shape`)."""
