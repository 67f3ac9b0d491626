"""The prompt cache: only true prefixes are found, for as long and from the length that the rules say."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.session.providers.schema import Origin, PromptCache
from lab_utils.session.scripted.prompt_cache import CacheUse, PrefixCache

ORIGIN = Origin(source="made up")


def rules(
    min_tokens: int = 1, step_tokens: int = 1, ttl_s: float = 300.0, automatic: bool = True
) -> PromptCache:
    return PromptCache(
        min_tokens=min_tokens, step_tokens=step_tokens, ttl_s=ttl_s, automatic=automatic, origin=ORIGIN
    )


def prompts() -> st.SearchStrategy[list[str]]:
    """Prompts of which many begin alike, some of them longer than what is compared at a time."""
    start = st.integers(0, 2).map(lambda n: ["a"] * 70 * n)
    return st.tuples(start, st.lists(st.sampled_from("ab"), max_size=12)).map(lambda two: two[0] + two[1])


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.one_of(st.just([]), prompts()),
    st.lists(st.tuples(st.sampled_from(["find", "keep"]), prompts(), st.integers(0, 4)), max_size=20),
)
def test_it_knows_what_a_cache_that_remembers_every_prefix_knows(
    min_tokens: int, step_tokens: int, earlier: list[str], steps: list[tuple[str, list[str], int]]
) -> None:
    fast = PrefixCache(rules(min_tokens, step_tokens, ttl_s=5.0), earlier)
    numbered = PrefixCache(
        rules(min_tokens, step_tokens, ttl_s=5.0), np.array(list(map(ord, earlier)), np.int64)
    )
    slow = naive.PrefixCache(min_tokens, step_tokens, ttl_s=5.0, earlier=earlier)
    now_s = 0.0
    for what, tokens, later_s in steps:
        now_s += later_s
        numbers = np.array([ord(token) for token in tokens], dtype=np.int64)
        found = getattr(fast, what)(tokens, now_s)
        assert found == getattr(slow, what)(tokens, now_s) == getattr(numbered, what)(numbers, now_s)


def test_what_other_calls_keep_there_is_there_from_the_start_and_stays() -> None:
    asked = [*"instructions", "Hi."]
    warm, cold = (
        PrefixCache(rules(ttl_s=5.0).model_copy(update={"warm": is_warm}), list("instructions"))
        for is_warm in (True, False)
    )
    assert [warm.find(asked, at_s) for at_s in (0.0, 100.0)] == [12, 12]
    assert warm.keep(asked, 100.0) == 1
    assert [cold.find(asked, at_s) for at_s in (0.0, 100.0)] == [0, 0]
    assert cold.keep(asked, 100.0) == 13


@given(prompts(), prompts())
def test_what_is_read_is_a_prefix_of_both(kept: list[str], asked: list[str]) -> None:
    cache = PrefixCache(rules())
    cache.keep(kept, 0.0)
    read = cache.find(asked, 1.0)
    assert kept[:read] == asked[:read]
    assert read == len(kept) or read == len(asked) or kept[read] != asked[read]


def test_a_token_changed_at_the_top_leaves_nothing() -> None:
    cache = PrefixCache(rules())
    cache.keep(["12:00", *"prompt"], 0.0)
    assert cache.find(["12:01", *"prompt"], 1.0) == 0


def test_short_prefixes_are_not_kept_and_long_ones_in_whole_steps() -> None:
    cache = PrefixCache(rules(min_tokens=1024, step_tokens=128))
    words = [str(n) for n in range(3000)]
    assert cache.use(words[:1023], 0.0) == CacheUse(0, 0)
    assert cache.use(words[:1200], 0.0) == CacheUse(0, 1152)
    assert cache.use(words[:1400], 0.0) == CacheUse(1152, 1280 - 1152)
    assert cache.use([*words[:1150], "x"], 0.0).read == 1024


def test_it_forgets_what_was_not_used_for_the_time_to_live() -> None:
    cache = PrefixCache(rules(ttl_s=300.0))
    cache.keep("abcd", 0.0)
    assert cache.find("abx", 300.0) == 2
    assert cache.find("abcd", 300.5) == 2  # what was used at 300 s is left
    assert cache.find("abcd", 601.0) == 0


def test_without_a_mark_only_an_automatic_cache_works() -> None:
    for automatic in (True, False):
        cache = PrefixCache(rules(automatic=automatic))
        cache.use("abc", 0.0, marked=False)
        assert cache.use("abc", 1.0, marked=False).read == (3 if automatic else 0)
        assert cache.use("abc", 2.0, marked=True) == CacheUse(*((3, 0) if automatic else (0, 3)))


@pytest.mark.parametrize("length", [63, 64, 65, 128, 200])
def test_a_difference_at_the_end_of_a_stride_is_seen(length: int) -> None:
    cache = PrefixCache(rules())
    cache.keep(["a"] * length, 0.0)
    assert cache.find([*["a"] * (length - 1), "b"], 0.0) == length - 1
    assert cache.find(["a"] * (length + 5), 0.0) == length
