from __future__ import annotations

from lab_utils import plots
from lab_utils.core.delays import Delay
from lab_utils.session.providers.schema import Origin
from lab_utils.session.providers.stages import Stage

STAGES = (
    Stage("a", "one stage", Delay(0.2, 0.5), Origin(source="a bench")),
    Stage("b", "another", Delay(0.1), Origin(source="assumed: why")),
)


def test_each_stage_lies_from_its_median_to_its_95th_percentile_in_ms() -> None:
    artists = plots.stage_delays(plots.blank_figure((5, 3)).subplots(), STAGES).artists
    spans = [tuple(map(tuple, segment)) for segment in artists.spread.get_segments()]
    assert spans == [((200.0, 0.0), (500.0, 0.0)), ((100.0, 1.0), (100.0, 1.0))]
    assert [list(part) for part in artists.sourced.get_data()] == [[200.0], [0]]
    assert [list(part) for part in artists.assumed.get_data()] == [[100.0], [1]]


def test_what_is_assumed_is_said_in_the_key() -> None:
    (ax,) = plots.provider_figure("x", STAGES).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == [
        "p50, from a source",
        "p50, assumed",
    ]
