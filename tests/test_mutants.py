"""The mutation tool changes exactly one place, and draws the same for the same seed."""

import ast
from pathlib import Path

import mutants
import pytest


@pytest.mark.parametrize(
    ("source", "mutated"),
    [
        ("x = a < b", {"x = a <= b"}),
        ("x = a + b", {"x = a - b"}),
        ("x = a and b", {"x = a or b"}),
        ("x = not a", {"x = not not a"}),
        ("x = -a", {"x = +a"}),
        ("x = 3", {"x = 4"}),
        ("x = True", {"x = False"}),
        ("if a:\n    f()", {"if not a:\n    f()", "if a:\n    pass"}),
        ("x += a", {"pass"}),
        ("x: Literal[3] = a", set()),
        ("@dataclass(frozen=True)\nclass A:\n    pass", set()),
    ],
)
def test_each_kind_of_place_is_changed_alone(source: str, mutated: set[str]) -> None:
    places = [place for place, _, _ in mutants.mutations(ast.parse(source))]
    assert {mutants.mutated(source, place) for place in places} == mutated


def test_the_same_seed_draws_the_same_mutants_and_every_one_differs_from_its_file() -> None:
    drawn = mutants.sample(20, seed=3, only="endpointing")
    assert drawn == mutants.sample(20, seed=3, only="endpointing")
    assert len(drawn) == 20
    for mutant, source in drawn:
        original = (mutants.ROOT / mutant.file).read_text("utf-8")
        assert source != ast.unparse(ast.parse(original))
        assert mutant.before in original


def test_every_file_of_the_core_has_tests_of_its_own() -> None:
    for place in mutants.CORE:
        for path in mutants.files_of(place):
            if path.exists():
                assert mutants.tests_of(str(path.relative_to(mutants.ROOT))), path


def test_too_many_survivors_end_in_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    one = mutants.Mutant("f.py", 1, 0, "+ 1", "x = 3")
    dead, alive = mutants.Result(one, True, "timeout"), mutants.Result(one, False, "survived")
    assert mutants.report([dead] * 19 + [alive], [], {}, 1.0, None) == 0
    assert mutants.report([dead] * 18 + [alive], [], {}, 1.0, None) == 1
    assert "survived  f.py:1:0" in capsys.readouterr().out


def test_what_is_listed_as_equivalent_is_still_there() -> None:
    for file, line, what in mutants.known_equivalent():
        source = (mutants.ROOT / file).read_text("utf-8")
        lines = source.split("\n")
        found = mutants.mutations(ast.parse(source))
        assert (line, what) in {(lines[node.lineno - 1].strip(), how) for _, node, how in found}, file


def test_tests_of_a_mutant_fail_pass_or_are_ended_in_a_process_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import os, time\n"
        "def test_fails(): assert os.environ['HYPOTHESIS_PROFILE'] != 'quick'\n"
        "def test_passes(): assert os.getcwd() == os.environ['PYTHONPATH']\n"
        "def test_hangs(): time.sleep(600)\n"
    )
    ends = {}
    for name, limit_s in (("fails", 120), ("passes", 120), ("hangs", 0.1)):
        arguments = ["-q", "-p", "no:cacheprovider", "test_it.py", "-k", name]
        ends[name] = mutants.tested(arguments, "quick", tmp_path.resolve(), limit_s)
    assert (ends["fails"][0], ends["passes"][0], ends["hangs"][0]) == (1, 0, None)
    assert "FAILED test_it.py::test_fails" in ends["fails"][1]
