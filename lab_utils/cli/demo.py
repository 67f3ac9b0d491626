"""`lab demo`: the main job on the sample conversations."""

from __future__ import annotations

from pathlib import Path

from .choosing.sweep import sweep_and_tell
from .common import (
    SAMPLES,
    Cache,
    Jobs,
    Json,
    Out,
    Phases,
    ProviderProfile,
    TranscriptionDelay,
    app,
    ending_well,
)


@app.command()
def demo(
    out: Out = Path("out/demo"),
    phases: Phases = 4,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Run the main job on the project's own sample conversations."""
    with ending_well():
        sweep_and_tell(
            [SAMPLES],
            None,
            out,
            phases=phases,
            jobs=jobs,
            cache=cache,
            as_json=as_json,
            providers=providers,
            transcription_delay=transcription_delay,
        )
