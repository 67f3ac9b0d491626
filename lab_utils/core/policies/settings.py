"""The group of settings that AgentSession has no knob for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer
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


ExtraDelay = Annotated[float, Field(ge=0.0, le=60.0, allow_inf_nan=False)]


class PolicySettings(Frozen):
    """What AgentSession has no knob for; a worker gets it as code (`turns.live_policy`)."""

    wait_shape: Shape = None
    """How the wait falls from `max_delay` to `min_delay` while p rises to `unlikely_threshold`; None: it is
    one of the two (`core.policies.wait_shape`)."""
    extra_delay_numbers: ExtraDelay = 0.0
    """Added to each wait while the user is giving a number or spelling (`number_words.gives_numbers`)."""
    extra_delay_asked: ExtraDelay = 0.0
    """Added to each wait after the agent asked for a number or spelling (`number_words.asks_for_number`). Of
    two that apply the longer counts."""

    @property
    def by_words(self) -> bool:
        """Whether waits depend on what was said."""
        return self.extra_delay_numbers > 0 or self.extra_delay_asked > 0
