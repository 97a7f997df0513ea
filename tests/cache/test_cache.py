"""What clients see of a cache: hits, misses, validation, variants, invalidation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cache.plays import Stage, body_of, date, request, response
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.purge import PurgeKind
from twistedproxy.message import RequestHead

ETAG = 'Cache-Control: max-age=60\nETag: "1"'


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "cache")


def both_tiers(stage: Stage, asked: RequestHead | None = None) -> list[bytes | None]:
    """What memory serves, and what the disk serves."""
    first = stage.served(asked)
    stage.forget_memory()
    return [first, stage.served(asked)]


def test_a_stored_response_is_served_until_it_is_stale(stage: Stage) -> None:
    assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED
    assert stage.fetch() is StoreVerdict.STORED
    assert both_tiers(stage) == [b"hello", b"hello"]
    stage.later(59.9)
    assert both_tiers(stage) == [b"hello", b"hello"]
    stage.later(0.1)
    assert both_tiers(stage) == [None, None]
    assert stage.lookup().verdict is LookupVerdict.EXPIRED


def test_an_entry_says_what_was_stored_and_how_old_it_is(stage: Stage) -> None:
    stage.fetch("Cache-Control: max-age=60\nAge: 10\nContent-Type: text/plain\nConnection: X-Hop\nX-Hop: 1\nContent-Length: 5")
    stage.later(5)
    entry = stage.lookup().entry
    assert entry is not None
    assert (entry.status, entry.reason, entry.length) == (200, b"OK", 5)
    assert [name for name, _ in entry.headers] == [b"Cache-Control", b"Content-Type", b"Date"]
    assert entry.headers.get(b"date") == date().encode()
    assert entry.age(stage.clock.wall()) == 15
    assert entry.ttl(stage.clock.wall()) == 45
    assert repr(entry) == "<200 of http://example.com/page, 5 bytes>"


def test_head_is_answered_from_a_stored_get_and_stores_nothing(stage: Stage) -> None:
    assert stage.fetch(asked=request(method="HEAD"), body=b"") is StoreVerdict.METHOD
    stage.fetch()
    assert stage.lookup(request(method="HEAD")).outcome is Outcome.SERVE


def test_hosts_queries_and_paths_do_not_mix(stage: Stage) -> None:
    stage.fetch(asked=request(target="/page?a"))
    assert stage.served(request(target="/page?b")) is None
    assert stage.served(request(target="/page?a")) == b"hello"
    assert stage.cache.lookup(request(target="/page?a"), b"https", stage.clock.wall()).outcome is Outcome.FETCH


def test_requests_that_are_not_for_the_cache_pass_and_store_nothing(stage: Stage) -> None:
    for asked in (request(method="POST"), request('If-Match: "a"'), request("Cache-Control: no-store")):
        assert stage.lookup(asked).outcome is Outcome.PASS
        assert stage.fetch(asked=asked) is StoreVerdict.PASSED
    assert stage.cache.stats().counts.passed == 6


def test_a_client_that_has_the_response_gets_304(stage: Stage) -> None:
    stage.fetch(ETAG)
    assert stage.lookup(request('If-None-Match: "1"')).outcome is Outcome.NOT_MODIFIED
    assert stage.lookup(request('If-None-Match: "2"')).outcome is Outcome.SERVE


def test_wishes_of_the_request_are_followed(stage: Stage) -> None:
    assert stage.lookup(request("Cache-Control: only-if-cached")).outcome is Outcome.UNAVAILABLE
    stage.fetch(ETAG)
    assert stage.lookup(request("Cache-Control: only-if-cached")).outcome is Outcome.SERVE
    lookup = stage.lookup(request("Cache-Control: no-cache"))
    assert (lookup.outcome, lookup.verdict) == (Outcome.REVALIDATE, LookupVerdict.REQUEST_NO_CACHE)
    assert repr(lookup) == "<REVALIDATE: the request says no-cache (RFC 9111 §5.2.1.4)>"
    stage.later(61)
    assert stage.lookup(request("Cache-Control: max-stale=5")).verdict is LookupVerdict.STALE_ACCEPTED
    assert stage.lookup(request("Cache-Control: only-if-cached")).outcome is Outcome.UNAVAILABLE


def test_a_stale_response_without_validator_is_fetched_anew(stage: Stage) -> None:
    stage.fetch()
    stage.later(61)
    lookup = stage.lookup()
    assert (lookup.outcome, lookup.verdict) == (Outcome.FETCH, LookupVerdict.EXPIRED)


def revalidate(stage: Stage, text: str, asked_text: str = "") -> Entry | StoreVerdict:
    """A stale response is validated, and the peer answers 304."""
    asked = request(asked_text)
    lookup = stage.lookup(asked)
    assert lookup.outcome is Outcome.REVALIDATE
    now = stage.clock.wall()
    return stage.cache.freshen(lookup, asked, response(text, status=304), now, now)


@pytest.mark.parametrize("size", [5, 600_000])
def test_a_304_makes_the_stored_response_fresh_again(stage: Stage, size: int) -> None:
    body = b"x" * size
    stage.fetch(ETAG + "\nX-News: 1", body)
    stage.later(61)
    entry = revalidate(stage, 'ETag: "1"\nX-News: 2')
    assert isinstance(entry, Entry)
    assert entry.headers.get_all(b"x-news") == [b"2"]
    assert body_of(entry) == body
    assert both_tiers(stage) == [body, body]
    stage.later(61)
    assert both_tiers(stage) == [None, None]
    assert stage.cache.stats().counts.freshened == 1


def test_a_304_about_something_else_drops_the_stored_response(stage: Stage) -> None:
    stage.fetch(ETAG)
    stage.later(61)
    lookup = stage.lookup()
    assert revalidate(stage, 'ETag: "2"') is StoreVerdict.MISMATCH
    assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED
    again = lookup.without_entry()
    assert (again.outcome, again.entry) == (Outcome.FETCH, None)
    assert stage.cache.freshen(again, request(), response(status=304), 0, 0) is StoreVerdict.MISMATCH


def test_a_304_that_says_no_store_serves_this_client_and_drops_the_rest(stage: Stage) -> None:
    stage.fetch(ETAG)
    stage.later(61)
    entry = revalidate(stage, "Cache-Control: no-store")
    assert isinstance(entry, Entry)
    assert body_of(entry) == b"hello"
    assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED


def test_a_304_to_an_authorized_client_does_not_change_what_others_share(stage: Stage) -> None:
    stage.fetch(ETAG)
    stage.later(61)
    assert isinstance(revalidate(stage, "", "Authorization: x"), Entry)
    assert both_tiers(stage) == [None, None]
    assert stage.lookup().outcome is Outcome.REVALIDATE


def test_head_updates_or_outdates_the_stored_response(stage: Stage) -> None:
    stage.fetch(ETAG)
    stage.later(61)
    asked = request(method="HEAD")
    assert stage.fetch(ETAG + "\nContent-Length: 5", b"", asked=asked) is StoreVerdict.UPDATED
    assert both_tiers(stage) == [b"hello", b"hello"]
    stage.later(61)
    assert stage.fetch('ETag: "2"', b"", asked=asked) is StoreVerdict.OUTDATED
    assert stage.lookup().verdict is LookupVerdict.NOTHING_STORED


def test_a_newer_answer_that_may_not_be_stored_ends_the_older_one(stage: Stage) -> None:
    stage.fetch(ETAG)
    refresh = request("Cache-Control: no-cache")
    assert stage.fetch("", asked=refresh, status=500) is StoreVerdict.SILENT
    assert stage.served() == b"hello"
    assert stage.fetch("Cache-Control: private", asked=refresh) is StoreVerdict.PRIVATE
    assert stage.served() is None


def test_variants_are_kept_apart_and_each_is_found_again(stage: Stage) -> None:
    fields = ETAG + "\nVary: Accept-Language"
    german, english, none = request("Accept-Language: de"), request("Accept-Language: en"), request()
    stage.fetch(fields, b"hallo", asked=german)
    assert stage.lookup(english).verdict is LookupVerdict.NO_VARIANT
    stage.fetch(fields, b"hello", asked=english)
    stage.fetch(fields, b"?", asked=none)
    assert both_tiers(stage, german) == [b"hallo", b"hallo"]
    assert both_tiers(stage, english) == [b"hello", b"hello"]
    assert both_tiers(stage, none) == [b"?", b"?"]
    stage.fetch(fields, b"moin", asked=german)
    assert both_tiers(stage, german) == [b"moin", b"moin"]
    assert both_tiers(stage, english) == [b"hello", b"hello"]
    assert {summary.vary[0] for summary in stage.cache.entries()} == {
        ("accept-language", "de"),
        ("accept-language", "en"),
        ("accept-language", None),
    }


def test_another_vary_supersedes_the_variants_before(stage: Stage) -> None:
    asked = request("Accept-Language: de\nAccept: x")
    stage.fetch(ETAG + "\nVary: Accept-Language", b"1", asked=asked)
    stage.fetch(ETAG + "\nVary: Accept", b"2", asked=request("Accept: x\nCache-Control: no-cache"))
    assert both_tiers(stage, asked) == [b"2", b"2"]
    stage.fetch(ETAG, b"3", asked=request("Cache-Control: no-cache"))
    assert both_tiers(stage, asked) == [b"3", b"3"]
    stage.fetch(ETAG + "\nVary: Accept", b"4", asked=request("Accept: y\nCache-Control: no-cache"))
    assert both_tiers(stage, asked) == [None, None]
    assert both_tiers(stage, request("Accept: y")) == [b"4", b"4"]
    assert len(stage.files()) == 2


def test_the_number_of_variants_is_bounded(stage: Stage) -> None:
    for number in range(70):
        stage.fetch(ETAG + "\nVary: User-Agent", asked=request(f"User-Agent: {number}"))
    assert len(stage.files()) == 65
    stage.forget_memory()
    assert stage.served(request("User-Agent: 5")) is None
    assert stage.served(request("User-Agent: 6")) == b"hello"


def test_two_users_never_see_each_others_page(stage: Stage) -> None:
    anna, bert = request("Cookie: user=anna"), request("Cookie: user=bert")
    valid = ((frozenset({200}), 600.0),)
    for fields in (
        "",
        "Set-Cookie: user=anna",
        "Cache-Control: private, max-age=60",
        "Cache-Control: max-age=60\nSet-Cookie: a=b",
    ):
        stage.fetch(fields, b"anna's", asked=anna, cache_valid=valid)
        assert stage.served(bert) is None
    stage.fetch("Vary: Cookie", b"anna's", asked=anna, cache_valid=valid)
    assert both_tiers(stage, bert) == [None, None]
    assert both_tiers(stage, anna) == [b"anna's", b"anna's"]
    authorized = request("Authorization: anna", target="/mine")
    stage.fetch("Cache-Control: max-age=60", b"anna's", asked=authorized)
    assert stage.served(request("Authorization: bert", target="/mine")) is None


def test_a_fill_that_is_cut_or_given_up_or_too_long_stores_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_entry=1_000_000)
    now = stage.clock.wall()
    for length, pieces, verdict in (
        (5, [b"hell"], StoreVerdict.CUT),
        (5, [b"hello!"], StoreVerdict.CUT),
        (600_000, [b"x" * 300_000], StoreVerdict.CUT),
        (-1, [b"x" * 900_000, b"x" * 100_001], StoreVerdict.TOO_LARGE),
    ):
        fill = stage.cache.admit(stage.lookup(), request(), response("Cache-Control: max-age=60", length=length), now, now)
        assert isinstance(fill, Fill)
        assert stage.cache.stats().fills == 1
        for piece in pieces:
            fill.write(piece)
        assert fill.commit() is verdict
        assert fill.abort() is verdict
        fill.write(b"more")
    fill = stage.cache.admit(stage.lookup(), request(), response("Cache-Control: max-age=60", length=-2), now, now)
    assert isinstance(fill, Fill)
    fill.write(b"x" * 600_000)
    assert fill.abort() is StoreVerdict.ABANDONED
    assert stage.fetch(body=b"x" * 1_000_001) is StoreVerdict.TOO_LARGE
    assert stage.served() is None
    assert stage.files() == []
    assert stage.cache.stats().fills == 0


@pytest.mark.parametrize("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024, 1_000_000])
def test_bodies_of_every_size_come_back_whole(stage: Stage, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    assert stage.fetch(body=body) is StoreVerdict.STORED
    assert both_tiers(stage) == [body, body]
    entry = stage.lookup().entry
    assert entry is not None
    assert entry.length == size
    assert (entry.body is None) == (size > 256 * 1024)


def test_a_reader_goes_on_though_the_entry_is_replaced_and_a_closed_one_reads_nothing(stage: Stage) -> None:
    stage.fetch(body=b"1" * 600_000)
    entry = stage.lookup().entry
    assert entry is not None
    reader = entry.open()
    first = reader.read()
    stage.fetch(body=b"2" * 600_000, asked=request("Cache-Control: no-cache"))
    assert first + reader.read() + reader.read() + reader.read() == b"1" * 600_000
    closed = entry.open()
    closed.close()
    assert closed.read() == b""
    assert stage.served() == b"2" * 600_000
    assert len(stage.files()) == 2


def test_a_small_entry_has_no_reader(stage: Stage) -> None:
    stage.fetch()
    entry = stage.lookup().entry
    assert entry is not None
    with pytest.raises(ValueError, match="in memory"):
        entry.open()


def test_what_is_prepared_goes_when_the_entry_is_replaced(stage: Stage) -> None:
    stage.fetch()
    entry = stage.lookup().entry
    assert entry is not None
    entry.prepared = b"head"
    again = stage.lookup().entry
    assert again is entry
    stage.fetch(asked=request("Cache-Control: no-cache"))
    replaced = stage.lookup().entry
    assert replaced is not None
    assert replaced.prepared is None


def test_an_unsafe_request_invalidates_what_its_answer_names(stage: Stage) -> None:
    for target in ("/page", "/other", "/third"):
        stage.fetch(ETAG + "\nVary: Accept", asked=request(target=target))
    asked = request(method="POST")
    lookup = stage.lookup(asked)
    assert stage.cache.invalidate(lookup, asked, response(status=500)) == 0
    assert stage.cache.invalidate(lookup, asked, response("Location: /other", status=201)) == 2
    assert [stage.served(request(target=target)) for target in ("/page", "/other", "/third")] == [None, None, b"hello"]
    stage.forget_memory()
    assert [stage.served(request(target=target)) for target in ("/page", "/other", "/third")] == [None, None, b"hello"]


@pytest.mark.parametrize("clear", [False, True])
def test_an_answer_under_way_does_not_bring_back_what_was_purged(stage: Stage, clear: bool) -> None:
    stage.fetch(ETAG)
    stage.later(61)
    stale, now = stage.lookup(), stage.clock.wall()
    missing = stage.lookup(request(target="/new"))
    fills = [
        stage.cache.admit(missing, request(target="/new"), response("Cache-Control: max-age=60", length=length), now, now)
        for length in (5, 300_000)
    ]
    if clear:
        stage.cache.clear()
    else:
        assert stage.cache.purge(b"http://EXAMPLE.com:80/page") == 1
        assert stage.cache.purge(b"http://example.com/new") == 0
        assert stage.cache.purge(b"/page") == 0
    assert isinstance(stage.cache.freshen(stale, request(), response(status=304), now, now), Entry)
    for fill, length in zip(fills, (5, 300_000), strict=True):
        assert isinstance(fill, Fill)
        fill.write(b"x" * length)
        assert fill.commit() is StoreVerdict.SUPERSEDED
    assert stage.served() is None
    assert stage.served(request(target="/new")) is None
    stage.later(10)
    assert stage.files() == []
    assert stage.fetch() is StoreVerdict.STORED


def test_many_removals_forget_none_that_matters(stage: Stage) -> None:
    lookup, now = stage.lookup(), stage.clock.wall()
    fill = stage.cache.admit(lookup, request(), response("Cache-Control: max-age=60", length=5), now, now)
    assert isinstance(fill, Fill)
    stage.cache.purge(b"http://example.com/page")
    for number in range(4200):
        stage.cache.purge(b"http://example.com/%d" % number)
    fill.write(b"hello")
    assert fill.commit() is StoreVerdict.SUPERSEDED
    assert stage.fetch() is StoreVerdict.STORED


def test_the_hot_tier_is_bounded_and_the_disk_serves_the_rest(tmp_path: Path) -> None:
    stage = Stage(tmp_path, memory=100_000)
    for number in range(20):
        stage.fetch(body=b"x" * 10_000, asked=request(target=f"/{number}"))
    stats = stage.cache.stats()
    assert 0 < stats.memory_entries < 20
    assert stats.memory_bytes <= 100_000
    assert all(stage.served(request(target=f"/{number}")) == b"x" * 10_000 for number in range(20))
    assert Stage(tmp_path / "none", memory=0).fetch() is StoreVerdict.STORED


def test_the_least_recently_used_leave_the_hot_tier_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path, memory=100_000)
    for number in range(4):
        stage.fetch(body=b"x" * 10_000, asked=request(target=f"/{number}"))
    first = stage.lookup(request(target="/0")).entry
    for number in range(4, 6):
        stage.fetch(body=b"x" * 10_000, asked=request(target=f"/{number}"))
    assert stage.lookup(request(target="/0")).entry is first


def test_what_is_stored_is_listed_and_counted(stage: Stage) -> None:
    stage.fetch(ETAG)
    stage.later(10)
    stage.fetch("Cache-Control: max-age=5", b"x" * 300_000, asked=request(target="/large"), status=404)
    stage.served()
    assert [(s.url, s.status, s.length, s.age, s.ttl) for s in stage.cache.entries()] == [
        ("http://example.com/page", 200, 5, 10, 50),
        ("http://example.com/large", 404, 300_000, 0, 5),
    ]
    assert stage.cache.purge(b"http://example.com/page", soft=True) == 1
    stage.later(3)
    assert [(s.url, s.ttl) for s in stage.cache.entries()] == [("http://example.com/page", -3), ("http://example.com/large", 2)]
    stage.cache.removals.purge(PurgeKind.PREFIX, b"http://example.com/pa", soft=False)
    assert [s.url for s in stage.cache.entries()] == ["http://example.com/large"]
    stats = stage.cache.stats()
    assert (stats.counts.hits, stats.counts.misses, stats.counts.stored, stats.files) == (1, 2, 2, 2)
    assert stats.complete
    assert stage.cache.clear() == 2
    assert stage.cache.stats().files == 0
