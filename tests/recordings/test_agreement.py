"""Two annotators: κ against its obvious twin and a published table, places, differences, the command."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.recordings.labels.agreement import NOTHING, Agreement, kappa, places

WORDS = st.sampled_from(["hold", "shift", "backchannel"])


def naive_kappa(pairs: list[tuple[str, str]]) -> float:
    """Word by word, as the definition reads."""
    n = len(pairs)
    observed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[word] / n * second[word] / n for word in first | second)
    return (observed - chance) / (1 - chance)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=40))
def test_kappa_is_its_definition(pairs: list[tuple[str, str]]) -> None:
    if len({word for pair in pairs for word in pair}) == 1:
        assert math.isnan(kappa(pairs))  # chance alone would always agree
    else:
        assert kappa(pairs) == pytest.approx(naive_kappa(pairs))
        assert kappa(pairs) == pytest.approx(kappa([(b, a) for a, b in pairs]))
    assert math.isnan(kappa([]))


def test_kappa_of_cohens_own_table() -> None:
    """Cohen (1960), table 1: 200 cases, three words; κ = 0.492."""
    table = {"aa": 88, "ab": 14, "ac": 18, "ba": 10, "bb": 40, "bc": 10, "ca": 2, "cb": 6, "cc": 12}
    pairs = [(first, second) for (first, second), n in table.items() for _ in range(n)]
    assert kappa(pairs) == pytest.approx(0.492, abs=5e-4)


def labels(*spans: tuple[str, float, float]) -> Labels:
    return Labels(20.0, (Ipu("user", 0.1, 0.4),), tuple(Label(*span) for span in spans))


def test_places_are_paired_by_their_starts_whatever_their_kind() -> None:
    ada = labels(("hold", 1.0, 1.5), ("shift", 4.0, 6.0), ("hold", 9.0, 9.5))
    ben = labels(("hold", 1.1, 1.7), ("hold", 4.2, 5.0), ("backchannel", 12.0, 12.3))
    found = places(ada, ben)
    assert [place.words for place in found] == [
        ("hold", "hold"), ("shift", "hold"), ("hold", NOTHING), (NOTHING, "backchannel"),
    ]  # fmt: skip
    assert [place.agree for place in found] == [True, False, False, False]
    assert (found[0].start_s, found[0].end_s) == (1.0, 1.7)
    both = Agreement.of([("one", ada, ben), ("two", ada, ada)])
    assert both.share == pytest.approx(4 / 7)
    assert [(name, place.start_s) for name, place in both.differences] == [
        ("one", 4.0), ("one", 9.0), ("one", 12.0),
    ]  # fmt: skip
    assert both.kappa_of_kinds == pytest.approx(
        naive_kappa(
            [("hold", "hold"), ("shift", "hold"), ("hold", "hold"), ("shift", "shift"), ("hold", "hold")]
        )
    )
    starts_s, ends_s = both.edges_off_s
    assert starts_s == pytest.approx(0.0)
    assert ends_s == pytest.approx(0.0)
    assert math.isnan(Agreement.of([("none", labels(), labels())]).share)


def compare(*paths: Path, more: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["label", str(paths[0]), "--compare", str(paths[1]), *more])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_lists_where_two_files_or_folders_differ(tmp_path: Path) -> None:
    ada, ben = tmp_path / "ada", tmp_path / "ben"
    for folder in (ada, ben):
        folder.mkdir()
        shutil.copy(SAMPLES / "02_lost_parcel.labels.json", folder)
    theirs = ben / "02_lost_parcel.labels.json"
    content = json.loads(theirs.read_text())
    content["labels"][0]["kind"] = "backchannel"
    gone = content["labels"].pop()
    theirs.write_text(json.dumps(content))
    for pair in ((ada / theirs.name, theirs), (ada, ben)):
        code, told, _ = compare(*pair, more=("--json",))
        found = json.loads(told)
        assert code == 0
        assert found["places"] == len(content["labels"]) + 1
        assert [one["first"] for one in found["differences"]] == ["hold", gone["kind"]]
        assert [one["second"] for one in found["differences"]] == ["backchannel", None]
        assert 0.5 < found["kappa"] < 1
    code, told, _ = compare(ada, ben)
    assert code == 0
    assert "Cohen's κ" in told
    assert "nothing" in told


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    one, other = (SAMPLES / f"{name}.labels.json" for name in ("02_lost_parcel", "01_table_booking"))
    assert "is about 01_table_booking" in compare(one, other)[2]
    assert "one is a folder" in compare(one, tmp_path)[2]
    assert "of the same name in both" in compare(SAMPLES, tmp_path)[2]
    assert compare(one, tmp_path / "no.labels.json")[0] == 1
