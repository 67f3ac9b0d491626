"""`lab cache status|verify|prune` and `lab forget`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.text import printable
from .common import AgentChannel, Cache, Json, UserChannel, app, ending_well

cache_app = typer.Typer(help="Look after the cache of traces and transcripts.", no_args_is_help=True)
app.add_typer(cache_app, name="cache")


@cache_app.command()
def status(cache: Cache = None, as_json: Json = False) -> None:
    """Tell how much is in the cache."""
    with ending_well():
        from ..workflows.cache import cache_status

        found = cache_status(cache)
        if as_json:
            _print_json({**vars(found), "folder": str(found.folder)})
            return
        largest = f"{found.largest_bytes / 1e9:.1f} GB at most (LAB_CACHE_MAX)"
        size = f"{found.bytes / 1e6:.1f} MB"
        print(f"{found.folder}: {found.entries} entries of {found.recordings} recordings, {size}; {largest}")


@cache_app.command()
def verify(cache: Cache = None, as_json: Json = False) -> None:
    """Read every entry of the cache. Exit code 1 if one is damaged; it would be computed again when used."""
    with ending_well():
        from ..workflows.cache import verify_cache

        intact, damaged = verify_cache(cache)
        if as_json:
            _print_json({"intact": intact, "damaged": [[str(path), why] for path, why in damaged]})
        else:
            for path, why in damaged:
                print(printable(f"{path}: {why}"))
            print(f"{intact} entries are intact, {len(damaged)} are not")
        if damaged:
            raise typer.Exit(1)


@cache_app.command()
def prune(
    largest: Annotated[
        float | None, typer.Option("--largest-mb", min=0, help="MB to keep at most (default: LAB_CACHE_MAX).")
    ] = None,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Remove damaged entries, and the least recently used ones beyond a size."""
    with ending_well():
        from ..workflows.cache import prune_cache

        removed = prune_cache(cache, None if largest is None else int(largest * 1e6))
        if as_json:
            _print_json({"removed": [str(path) for path in removed]})
        else:
            print(f"{len(removed)} entries removed")


@app.command()
def forget(
    call: Annotated[Path, typer.Argument(help="Recording, or a folder of them.", show_default=False)],
    results: Annotated[
        list[Path] | None, typer.Option("--in", help="Results folder of lab run; may be repeated.")
    ] = None,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Delete all that was derived from a recording, and list it. The recording and its labels stay."""
    with ending_well():
        from ..workflows.cache import forget as forget_call

        gone = forget_call(call, results or [], cache=cache, channels=(user, agent))
        if as_json:
            _print_json({"removed": list(map(str, gone.removed)), "stays": list(map(str, gone.stays))})
            return
        for path in gone.removed:
            print(printable(f"removed {path}"))
        for path in gone.stays:
            print(printable(f"stays   {path}"))


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values))
