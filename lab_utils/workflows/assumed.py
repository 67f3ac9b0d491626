"""What a study assumes of delays: the default provider profile's, another's, or given figures."""

from __future__ import annotations

import os

from ..core.settings import USUAL_CONDITIONS, Conditions
from ..session.providers.files import load_providers
from ..session.providers.schema import Providers


def conditions_with(
    providers: Providers | str | os.PathLike[str] | None = None,
    conditions: Conditions = USUAL_CONDITIONS,
    *,
    transcription_delay: float | None = None,
) -> Conditions:
    """The conditions with a provider profile's transcripts, or with transcripts after a given delay.

    `providers`: a profile, a built-in one's name, or a file such as `lab fit` writes; taken are the median of
    its `stt.final` and `stt.tells_end`. Raises ValueError if both are given, or if one can't be used.
    """
    if providers is not None and transcription_delay is not None:
        raise ValueError(
            "got both a provider profile and a transcription delay, which it would overrule; give one of them"
        )
    if transcription_delay is not None:
        return conditions.replace(transcription_delay=transcription_delay)
    if providers is None:
        return conditions
    chosen = providers if isinstance(providers, Providers) else load_providers(providers)
    return conditions.replace(
        transcription_delay=chosen.stt.final.p50_s,
        transcription_source=f"median of the provider profile {chosen.name}",
        stt_tells_end=chosen.stt.tells_end,
    )
