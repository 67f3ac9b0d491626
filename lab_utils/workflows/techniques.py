"""The latency techniques, measured: run, look at, write to a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..core.errors import InputError
from ..core.files import replacing
from ..core.files.places import Folder
from ..core.settings import Settings
from ..latency.ablation.cells import Plan
from ..latency.ablation.files import save_ablation, summary_of
from ..latency.ablation.guide.claims import guides_name
from ..latency.ablation.plan import BASELINE, MISTAKE
from ..latency.ablation.run import TURNS, WAIT_S, Ablation, ablate
from ..latency.ablation.side_by_side import side_by_side
from ..latency.ablation.summary import LEVEL_TIMES, alone_and_left_out, by_stage, levels, waterfall
from ..latency.ablation.turns import MEASURES
from ..latency.joint.computed_replies import Computed, computed_replies
from ..latency.techniques.descriptions import descriptions
from ..latency.techniques.levers import LEVERS
from ..recordings.find import find_recordings
from ..session.job import HasSettings
from ..session.providers.files import load_providers
from ..session.providers.schema import Providers
from ..turns.cache import cache_folder
from ..turns.tracing import default_cache
from .compare import Sessions
from .tables import TextTable

if TYPE_CHECKING:
    from .. import plots

TOTAL, AFTER_COMMIT = MEASURES
SHORT_WORDS = 6
"""Words of the longest short turn."""
HEADS = {
    "commit_p95": "commit p95",
    "after_commit_p95": "after commit p95",
    "answer_p95": "answer p95",
    "llm_calls": "LLM calls a turn",
    "discarded_replies": "discarded",
    "dollars": "$",
    "false_boundaries": "false boundaries",
    "wasted_look_ups": "look-ups wasted",
    "wrong_answers": "wrong answers",
}


@dataclass(frozen=True)
class TechniqueStudy:
    """What the techniques save on some calls; `ablation` has every turn and session, in seconds.

    What is shown here is in ms."""

    ablation: Ablation
    computed: Computed | None = None
    """The floor, other speech-to-texts and what else there is to pay, on the same turns."""

    @property
    def floor(self) -> tuple[float, float] | None:
        """p50 and p95 (s) from the end of the turn, if a perfect detector committed each turn at its end.

        With all techniques and levers that can be computed (`latency.reply.scope`); None where nothing can.
        """
        return None if self.computed is None else self.computed.floor

    @property
    def by_stt(self) -> pd.DataFrame:
        """p50 and p95 (ms) if the speech-to-text sent its transcripts otherwise: how much rests on it.

        Computed; empty where nothing can be.
        """
        if self.computed is None or self.computed.by_stt.empty:
            return pd.DataFrame()
        return self.computed.by_stt.mul(1000).round().replace(np.inf, np.nan).astype("Int64")

    @property
    def _agents(self) -> Mapping[str, str]:
        """The agents that everybody asks about, and how they are called."""
        return self.ablation.summary.family.agents

    @property
    def levels(self) -> pd.DataFrame:
        """The agents that everybody asks about, a row each: latency (ms), and what it takes.

        With mistakes in the ablation, all twelve with each of them, too. By turn: LLM calls, preemptive
        replies thrown away, false boundaries. Per 1,000 turns: dollars (LLM and TTS), look-ups whose result
        nobody took, and answers that were another question's or another tenant's.
        """
        table = levels(self.ablation.summary)[["p50", "p95", *HEADS]]
        table[list(LEVEL_TIMES)] *= 1000
        whole = [*LEVEL_TIMES, "wasted_look_ups", "wrong_answers"]
        table[whole] = table[whole].round().astype("Int64")  # an agent that never answered has no times
        mistaken = [name for name in map(str, table.index) if name.startswith(MISTAKE)]
        names = {**self._agents, **{name: f"all twelve, {name}" for name in mistaken}}
        return table.round(2).rename(index=names, columns=HEADS)

    @property
    def stages(self) -> pd.DataFrame:
        """p50 and p95 (ms) of each stage, in the guide's names, beside the guide's figure for all twelve."""
        table = by_stage(self.ablation.summary).set_index("stage").mul(1000).rename(index=guides_name)
        table.columns = pd.MultiIndex.from_tuples(
            [("the guide", ""), *((name, q) for name in self._agents.values() for q in ("p50", "p95"))]
        )
        return table.round().astype("Int64")

    @property
    def without_waits(self) -> pd.DataFrame:
        """Of the turns that don't wait for `max_delay` and need no tool: p50 and p95 (ms), an agent each."""
        turns = self.ablation.turns
        waits = turns["commit_s"] >= self.ablation.settings.endpointing.max_delay
        rows = {}
        for agent, name in self._agents.items():
            own = turns["configuration"] == agent
            quick = turns.loc[own & ~waits & ~turns["tool"], "turn_total_s"].astype(float)
            rows[name] = {
                "share of turns": round(len(quick) / max(1, int(own.sum())), 2),
                "p50": (1000 * quick.quantile(0.5)).round(),
                "p95": (1000 * quick.quantile(0.95)).round(),
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def views(self) -> pd.DataFrame:
        """p50 and p95 (ms) from the end of the turn, which a caller hears, and from the commit, which the
        guide adds up: of all turns, of those without a tool, and of these of the short ones (`SHORT_WORDS`)
        and of those that the light model answers in this configuration. Missing where there are none."""
        turns, rows = self.ablation.turns, {}
        for agent, name in self._agents.items():
            own = turns[turns["configuration"] == agent]
            plain = own[~own["tool"]]
            groups = {
                "all turns": own,
                "without tools": plain,
                "… short turns": plain[plain["words"] <= SHORT_WORDS],
                "… light model": plain[plain["answered_by"] == "small"],
            }
            rows[name] = {
                (of, since, f"p{q}"): 1000 * some[measure].astype(float).quantile(q / 100)
                for of, some in groups.items()
                for since, measure in (("from the end", TOTAL), ("from the commit", AFTER_COMMIT))
                for q in (50, 95)
            }
        return pd.DataFrame.from_dict(rows, orient="index").round().astype("Int64")

    @property
    def verdicts(self) -> TextTable:
        """The guide's claims, what was measured, the verdict; "(?)" where the interval is too wide."""
        return TextTable(
            pd.DataFrame(
                {
                    "claim": f"{one.subject.replace('_', ' ')}: {one.claim}",
                    "measured": one.measured,
                    "verdict": one.words + ("" if one.certain else " (?)"),
                }
                for one in self.ablation.summary.verdicts
            )
        )

    def sessions(self, path: str | Path, number: int = 0) -> Sessions:
        """One call under LiveKit's default and all twelve: whole sessions, with sound."""
        of = self.ablation
        plan = Plan(of.settings, of.conditions, of.providers, default_cache(), of.wait_s, of.greeting)
        agents = {shown: of.configurations[name] for name, shown in self._agents.items() if name != BASELINE}
        found = find_recordings(path)
        if not 0 <= number < len(found):
            raise InputError(
                f"{path}: has recordings 0 to {len(found) - 1}, asked for {number}; choose one of them"
            )
        ran = side_by_side(plan, found[number], agents, seed=of.seed)
        return Sessions(ran.recording, ran.logs, ran.replayed)

    def plot_waterfall(self, measure: str = TOTAL) -> plots.Picture:
        """The techniques one on top of the other, from none to all twelve; p50 and p95.

        Counted from the end of the turn, the floor is a line.
        """
        from .. import plots

        steps = waterfall(self.ablation.summary, measure)
        family = self.ablation.summary.family
        return plots.Picture(
            plots.waterfall_figure(
                steps,
                measure,
                self.ablation.caption,
                title=family.title,
                floor=self.floor if measure == TOTAL else None,
            )
        )

    def plot_savings(self, measure: str = TOTAL) -> plots.Picture:
        """What each technique saves alone, and what leaving it out of all twelve costs."""
        from .. import plots

        savings = alone_and_left_out(self.ablation.summary, measure)
        kind = self.ablation.summary.family.kind
        return plots.Picture(plots.savings_figure(savings, measure, self.ablation.caption, kind=kind))

    @property
    def summary(self) -> dict[str, Any]:
        """The main results as plain values: times in seconds, None where there is no figure."""
        computed = {} if self.computed is None else {"computed": self.computed.plain}
        return summary_of(self.ablation) | computed

    def save(self, folder: str | Path) -> Path:
        """Write turns.parquet, sessions.parquet, summary.json, waterfall.png and savings.png into a folder.

        The pictures count from the end of the caller's turn; those called "-after-commit" from the commit.
        """
        target = Path(folder)
        save_ablation(self.ablation, target, self.summary)
        for measure, suffix in ((TOTAL, ""), (AFTER_COMMIT, "-after-commit")):
            for name, picture in (
                (f"waterfall{suffix}.png", self.plot_waterfall(measure)),
                (f"savings{suffix}.png", self.plot_savings(measure)),
            ):
                with replacing(target / name) as part:
                    part.write_bytes(picture.png())
        return target

    def _repr_html_(self) -> str:
        return str(self.levels.to_html())


def measure_techniques(
    paths: str | Path | Sequence[str | Path],
    settings: Settings | HasSettings | None = None,
    providers: Providers | str = "guide",
    *,
    turns: int = TURNS,
    seed: int = 0,
    wait_s: float = WAIT_S,
    greeting: bool | None = None,
    mistakes: bool = False,
    levers: bool = False,
    cold_caches: bool = False,
    jobs: int = 2,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> TechniqueStudy:
    """Measure what each latency technique saves on recordings; see `latency.ablation.run.ablate`.

    `settings`: turn-taking (LiveKit's defaults if not given); `providers`: a provider profile, or its name or
    file; `levers`: measure the levers on top of the twelve instead (`describe_levers`); `cold_caches`: each
    call begins with an empty prompt cache (`PromptCache.warm`).
    """
    profile = load_providers(providers) if isinstance(providers, str) else providers
    several = [paths] if isinstance(paths, str | Path) else paths
    ablation = ablate(
        several,
        settings or Settings(),
        profile.with_cold_caches() if cold_caches else profile,
        turns=turns,
        seed=seed,
        wait_s=wait_s,
        greeting=greeting,
        mistakes=mistakes,
        levers=levers,
        jobs=jobs,
        cache=cache,
        channels=channels,
        quiet=quiet,
    )
    computed = computed_replies(ablation, several, channels, cache_folder(cache), quiet=quiet)
    return TechniqueStudy(ablation, computed)


def describe_techniques() -> TextTable:
    """The twelve techniques in words, a row each; the words are those of their modules."""
    return TextTable(
        pd.DataFrame(
            {
                "technique": f"{one.number}. {one.name.replace('_', ' ')}",
                "what it does": one.does,
                "what LiveKit 1.8.9 does by itself": one.by_default,
                "common mistake": one.mistake,
            }
            for one in descriptions()
        )
    )


def describe_levers() -> TextTable:
    """The levers in words, a row each."""
    return TextTable(
        pd.DataFrame(
            {
                "lever": one.name.replace("_", " "),
                "what it does": one.does,
                "where": one.surface,
                "what LiveKit 1.8.9 does by itself": one.by_default,
                "its price": one.price,
            }
            for one in LEVERS.values()
        )
    )
