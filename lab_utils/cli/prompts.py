"""`lab prompts`: parts of an agent's instructions chosen by what replies under them measure."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import AgentChannel, Cache, Json, Out, Paths, Seed, UserChannel, app, ending_well, warn

if TYPE_CHECKING:
    from ..workflows.prompts import Limits, Model, Rewrites, Search

PartsFile = Annotated[
    Path, typer.Argument(help="YAML: instructions, with optional parts and alternatives.", show_default=False)
]
ModelName = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Model that speaks as the agent. Sends the calls' words to $OPENAI_BASE_URL with "
        "$OPENAI_API_KEY.",
    ),
]
Minimize = Annotated[
    str,
    typer.Option(help="first_sentence_characters, first_token_s, first_sentence_s or dollars."),
]
Prices = Annotated[
    str, typer.Option("--providers", help="Provider profile whose prices count (large model, TTS).")
]
Expect = Annotated[
    Path | None,
    typer.Option(help="YAML of lab evaluate; instructions with more failures than as they stand are out."),
]
JudgeModel = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", help="Model that grades the replies' coherence, 1 to 5."),
]

Tries = Annotated[int, typer.Option(min=2, help="Combinations that are tried at most.")]
Turns = Annotated[int, typer.Option(min=1, help="Turns of each call that are answered.")]
LeastCoherence = Annotated[float, typer.Option(min=1, max=5, help="Mean grade that the judge must give.")]
With = Annotated[
    str | None,
    typer.Option(
        "--with", help="agent-opt: has the model rewrite the best, too, from the environment of --python."
    ),
]
OtherPython = Annotated[Path | None, typer.Option("--python", help="Python that has what --with names.")]
Variations = Annotated[int, typer.Option(min=1, help="How many --with agent-opt writes.")]


@app.command()
def prompts(
    parts: PartsFile,
    paths: Paths,
    model: ModelName,
    minimize: Minimize = "first_sentence_characters",
    tries: Tries = 20,
    turns: Turns = 5,
    expect: Expect = None,
    judge: JudgeModel = None,
    least_coherence: LeastCoherence = 4.0,
    with_: With = None,
    python: OtherPython = None,
    variations: Variations = 5,
    providers: Prices = "guide",
    seed: Seed = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Send it without asking.")] = False,
    out: Out = Path("out/prompts"),
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Search parts of your instructions by what replies measure. Asks a live model."""
    with ending_well():
        from ..session.providers.files import load_providers
        from ..workflows import prompts as workflow
        from ..workflows.study import check_folder

        check_folder(out)
        if minimize not in workflow.OBJECTIVES:
            raise ValueError(f"--minimize {minimize}: expected {', '.join(workflow.OBJECTIVES)}")
        asked = workflow.Model.of(model, option="--model")
        limits = _limits(expect, judge, least_coherence)
        declared, prices = workflow.load_parts(parts), load_providers(providers)
        rewrites = _rewrites(asked, with_, python)
        played, skipped = workflow.read_turns(paths, turns, cache=cache, channels=(user, agent_channel))
        warn(*(f"skipped: {reason}" for reason in skipped))
        _agreed(workflow.told(declared, played, asked, limits, tries, variations if rewrites else 0), yes)
        found = workflow.search_prompts(
            declared,
            played,
            asked,
            prices,
            objective=minimize,
            limits=limits,
            tries=tries,
            seed=seed,
            rewrites=rewrites,
            variations=variations,
            folder=out,
            tell=(lambda _: None) if as_json else warn,
        )
        workflow.save_search(found, out)
        _tell(found, out, as_json)


def _limits(expect: Path | None, judge: str | None, least_coherence: float) -> Limits:
    """What replies must keep to."""
    from ..workflows.evaluate import Judge, load_expectations
    from ..workflows.prompts import Limits

    expected = load_expectations(expect) if expect else None
    return Limits(expected, Judge.of(judge) if judge else None, least_coherence)


def _rewrites(model: Model, package: str | None, python: Path | None) -> Rewrites | None:
    """What rewrites instructions, if that is asked for. Raises ValueError where the options don't fit."""
    from ..workflows.prompts import AGENT_OPT, rewritten

    if package is None and python is None:
        return None
    if package is None:
        raise ValueError(f"--python is that of --with {AGENT_OPT.package}; name both, or neither")
    if package != AGENT_OPT.package:
        raise ValueError(f"--with {package}: expected {AGENT_OPT.package}")
    if python is None:
        raise ValueError(f"--with {package} needs --python, of its environment; {AGENT_OPT.remedy}")
    AGENT_OPT.check(python)
    return partial(rewritten, model, python)


def _agreed(told: str, yes: bool) -> None:
    """Tell what will be sent, and ask. Raises ValueError where nobody can answer, typer.Exit for a no."""
    warn(told)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("nothing was sent: nobody is there to ask; add --yes to send it")
    if not typer.confirm("send it?", err=True):
        raise typer.Exit(1)


def _tell(found: Search, out: Path, as_json: bool) -> None:
    """What was found, and that it goes beyond the limits on held-out turns."""
    from ..workflows.prompts import summary_of
    from .tables.words.prompts import print_search

    if found.held_out_beyond:
        beyond = " and ".join(found.held_out_beyond)
        warn(f"on held-out turns the best goes beyond the limits ({beyond}); look for another")
    if as_json:
        print(json.dumps(summary_of(found) | {"out": str(out)}))
    else:
        print_search(found, out)
