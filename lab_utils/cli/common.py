"""What the commands have in common: the application, their options, how they end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..core.errors import WorkerDied, machine_error_text
from ..core.files.bundled import bundled
from ..core.files.places import Folder, place_of
from ..core.text import one_line, printable

if TYPE_CHECKING:
    from ..recordings.recording_files import FindOptions

app = typer.Typer(
    help="Tune turn-taking and latency of LiveKit voice agents, offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich cuts long names of options off at 80 columns, and takes time to load
)


@app.callback()
def begin() -> None:
    """What comes before any command."""
    from ..core.batch.collecting import collect_seldom

    collect_seldom()


SAMPLES = bundled("audio_samples/calls/demo")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Out = Annotated[Path, typer.Option("--out", help="Folder that receives the results.")]
Jobs = Annotated[int, typer.Option(min=1, help="Worker processes.")]
Phases = Annotated[int, typer.Option(min=1, max=512, help="Audio phases to average over.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the simulated delays.")]
Cache = Annotated[
    Any,  # a `Folder`, which typer can't read from its type
    typer.Option(
        parser=place_of,
        metavar="FOLDER|URL",
        show_default=False,
        help="Where traces are kept, such as s3://bucket/traces (default: the user's cache).",
    ),
]
Paths = Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", show_default=False)]
UserChannel = Annotated[
    str, typer.Option("--user", help="Name of the user's channel in pairs of mono files.")
]
Pair = Annotated[str, typer.Option(help="Names of pairs, such as '{name}_{channel:rx|tx}.wav'.")]
Raw = Annotated[str, typer.Option(help="Coding of .raw and .pcm: ENCODING[,RATE_HZ[,CHANNELS]].")]
Swap = Annotated[bool, typer.Option("--swap", help="Exchange user and agent.")]
AgentChannel = Annotated[str, typer.Option(help="Name of the agent's channel.")]
TranscriptionDelay = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=60,
        help="From the end of speech to the final transcript, in s (default: the median of the default "
        "provider profile).",
    ),
]
ProviderProfile = Annotated[
    str | None,
    typer.Option("--providers", help="Provider profile, by name or file, whose transcripts are assumed."),
]
Slices = Annotated[
    list[str] | None,
    typer.Option(
        help="Also print the choice by language, length, numbers, asked, line, noise or recording; may be "
        "repeated."
    ),
]
Scheduler = Annotated[
    str, typer.Option(help="Address of a Dask scheduler whose workers do the work (default: this machine).")
]
ProfileFile = Annotated[Path | None, typer.Option(help="Profile file (default: LiveKit's default settings).")]


def find_options(
    channels: tuple[str, str], pair: str = "", raw: str = "", swap: bool = False
) -> FindOptions | None:
    """How recordings are found, if by more than the channels' names; ValueError for a bad pattern."""
    from ..recordings.recording_files import FindOptions, parse_raw

    if not (pair or raw or swap):
        return None
    return FindOptions(*channels, pair, parse_raw(raw) if raw else None, swap)


class Terminated(KeyboardInterrupt):
    """SIGTERM; ends a command as Ctrl-C does, so that worker processes are ended too."""


def _terminate(*_: Any) -> NoReturn:
    raise Terminated


@contextmanager
def ending_well(bad_input: int = 1) -> Iterator[None]:
    """Bad input ends in one line on stderr and this exit code; so do a worker's death, Ctrl-C and SIGTERM."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if in_main else None
    try:
        yield
    except (ValueError, OSError) as error:
        told = machine_error_text(error) if isinstance(error, OSError) else str(error)
        print(f"lab: error: {one_line(told)}", file=sys.stderr)
        raise typer.Exit(bad_input) from None
    except WorkerDied as error:
        print(f"lab: error: a worker died at its work: {one_line(str(error))}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, Terminated) or isinstance(interrupt.__cause__, Terminated)
        how = "terminated" if terminated else "interrupted"
        print(f"lab: {how}{': ' if str(interrupt) else ''}{interrupt}", file=sys.stderr)
        raise typer.Exit(143 if terminated else 130) from None
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def working_on(scheduler: str, bad_input: int = 1) -> Iterator[None]:
    """As `ending_well`; what is done with recordings is done by a cluster's workers, if one is given."""
    with ending_well(bad_input):
        from ..core.batch import on_cluster

        with on_cluster(scheduler):
            yield


class SomeFailed(typer.Exit):
    """Sessions failed, exit code 1; the same command runs those again, and goes on from the others."""

    def __init__(self) -> None:
        super().__init__(1)


@contextmanager
def going_on(cache: Folder | None) -> Iterator[None]:
    """What was finished before a kill isn't run again; when all has ended well, nothing is kept of it."""
    from ..turns.cache import finished

    with finished.going_on(cache, warn) as command:
        try:
            yield
        except SomeFailed:
            raise
        except typer.Exit:  # a result, as a mismatch is
            command.remove()
            raise
        command.remove()


def begin_loading(sessions_here: bool, *, pictures: bool = False) -> None:
    """Begin to load what sessions run on, if they run on this machine, while a command looks at its options.

    `pictures`: and what `lab run` draws them with.
    """
    from ..session.clock import loading

    if sessions_here:
        loading.begin_loading(loading.RUN_LOADS if pictures else loading.LOADS)


def results_are_written() -> None:
    """To be called before results are printed: the reader may have gone, and still the command has ended."""
    from ..turns.cache import finished

    finished.results_are_written()


def warn(*lines: str) -> None:
    """What the user should know besides the result, on stderr."""
    for line in lines:
        print(f"lab: {printable(line)}", file=sys.stderr)
