"""The index orders files by use, to the second, and adds up their sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.cache.index import Index, pages

names = st.sampled_from("abcdef")
seconds = st.integers(-3, 9)
steps = st.one_of(
    st.tuples(st.just("put"), names, seconds),
    st.tuples(st.just("touch"), names, seconds),
    st.tuples(st.just("remove"), names, seconds),
    st.tuples(st.just("oldest"), names, seconds),
)


@given(st.lists(steps, max_size=60))
def test_whatever_is_done_the_order_is_that_of_use(play: list[tuple[str, str, int]]) -> None:
    index = Index()
    model: list[tuple[int, str]] = []  # in the order in which they were used
    for what, name, second in play:
        before = next((item for item in model if item[1] == name), None)
        if what == "oldest":
            oldest = index.oldest()
            assert (oldest and oldest[0]) == (min(model, key=lambda item: item[0])[1] if model else None)
            continue
        if before is not None:
            model.remove(before)
        if what == "put":
            index.put(name, 10, second)
        elif what == "touch":
            index.touch(name, second)
        else:
            assert (index.remove(name) is not None) == (before is not None)
        if what == "put" or (what == "touch" and before is not None):
            model.append((second, name))
    by_use = [name for _, name in sorted(model, key=lambda item: item[0])]
    assert list(index.newest_first()) == by_use[::-1]
    assert index.bytes == 10 * len(model) == 10 * len(index)
    while (oldest := index.oldest()) is not None:
        assert oldest[0] == by_use.pop(0)
        index.remove(oldest[0])
    assert by_use == []


def test_seconds_that_have_gone_by_take_no_memory() -> None:
    index = Index()
    index.put("old", 1, 0)
    index.put("busy", 1, 0)
    for second in range(1, 100_000):
        index.touch("busy", second)
    assert len(index._seconds) < 100
    oldest = index.oldest()
    assert oldest is not None
    assert oldest[0] == "old"


def test_files_are_counted_in_pages() -> None:
    assert [pages(size) for size in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]
