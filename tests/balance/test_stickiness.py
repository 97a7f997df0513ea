"""Words that stand for peers, and sessions that are remembered for them."""

from __future__ import annotations

from tests.balance.pools import nick, server, weighted
from twistedproxy.balance.stickiness import Sessions, Tags
from twistedproxy.settings.pools import StickySettings


def test_a_tag_stands_for_one_peer_and_says_nothing_of_it() -> None:
    pool = weighted(1, 1)
    tags = Tags(b"secret")
    a, b = pool.peers
    assert tags.peer(tags.tag(a), pool.peers) is a
    assert tags.peer(tags.tag(b), pool.peers) is b
    assert len(tags.tag(a)) == 24
    assert tags.peer(tags.tag(a)[:-1] + "~", pool.peers) is None


def test_a_tag_is_the_same_after_a_restart_and_another_one_with_another_key() -> None:
    (one, other) = weighted(1).peers[0], weighted(1).peers[0]
    assert Tags(b"secret").tag(one) == Tags(b"secret").tag(other)
    assert Tags(b"secret").tag(one) != Tags(b"other").tag(one)


def test_a_tag_of_a_peer_that_has_left_stands_for_nobody_and_newcomers_have_theirs() -> None:
    pool = weighted(1, 1)
    tags = Tags(b"secret")
    gone = tags.tag(pool.peers[0])
    assert tags.peer(gone, pool.peers) is pool.peers[0]
    pool.remove("a:80", "it is old")
    assert tags.peer(gone, pool.peers) is None
    new = pool.add(server("c"), "shell")
    assert tags.peer(tags.tag(new), pool.peers) is new


def test_sessions_are_remembered_while_they_are_used() -> None:
    pool = weighted(1, 1)
    a, b = pool.peers
    sessions = Sessions(10, 60.0)
    assert sessions.bind("one", a, 0.0) is None
    sessions.bind("two", b, 0.0)
    assert sessions.find("one", 50.0) is a
    assert sessions.find("two", 61.0) is None
    assert sessions.find("one", 100.0) is a
    assert len(sessions) == 1
    assert sessions.find("one", 160.0) is None
    assert len(sessions) == 0


def test_of_too_many_sessions_those_go_that_were_not_seen_for_the_longest_time() -> None:
    a = weighted(1).peers[0]
    sessions = Sessions(2, 60.0)
    sessions.bind("one", a, 0.0)
    sessions.bind("two", a, 1.0)
    sessions.find("one", 2.0)
    sessions.bind("three", a, 3.0)
    assert [sessions.find(name, 4.0) for name in ("one", "two", "three")] == [a, None, a]


def test_a_session_moves_ends_and_does_not_outlive_its_peer() -> None:
    pool = weighted(1, 1)
    a, b = pool.peers
    sessions = Sessions(10, 60.0)
    sessions.bind("one", a, 0.0)
    assert sessions.bind("one", b, 1.0) is a
    assert sessions.find("one", 1.0) is b
    sessions.forget("one")
    sessions.forget("one")
    assert sessions.find("one", 1.0) is None
    sessions.bind("two", a, 2.0)
    pool.remove("a:80", "it is old")
    assert sessions.find("two", 2.0) is None
    assert len(sessions) == 0


def test_peers_keep_who_is_bound_to_them_while_they_drain_or_have_weight_0() -> None:
    pool = weighted(1, 1)
    a = nick(pool, "a")
    assert pool.choose_bound(a, 0.0)
    pool.set_weight("a:80", 0)
    assert pool.choose_bound(a, 0.0)
    pool.drain("a:80")
    assert pool.choose_bound(a, 0.0)
    pool.maintain("a:80")
    assert not pool.choose_bound(a, 0.0)


def test_only_pools_that_bind_by_cookies_count_what_became_of_it() -> None:
    assert weighted(1).bindings is None
    assert weighted(1, sticky=StickySettings("hash", key="{client}")).bindings is None
    pool = weighted(1, sticky=StickySettings("cookie", "srv"))
    assert pool.bindings is not None
    assert (pool.bindings.kept, pool.bindings.made, pool.bindings.moved, pool.bindings.unknown) == (0, 0, 0, 0)
    (a,) = pool.peers
    assert [pool.choose_bound(a, 0.0), pool.choose_bound(a, 1.0)] == [True, True]
