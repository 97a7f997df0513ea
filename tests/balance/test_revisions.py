"""A pool that lives gets other settings: who stays, who goes, and what is known of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.balance.pools import nick, picks, pool_of, server
from tests.balance.test_membership import NAME, World
from twistedproxy import errors
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.pools import BalanceSettings, BudgetSettings, QueueSettings, StickySettings


def revised(pool: Pool, **knobs: Any) -> None:
    pool.revise_settings(replace(pool.settings, **knobs))


def test_another_scheduler_takes_the_same_peers_with_their_counters() -> None:
    pool = pool_of(server("a", 3), server("b"))
    assert picks(pool, 4).count("a") == 3
    nick(pool, "a").begin()
    revised(pool, balance=BalanceSettings("least_connections"))
    assert picks(pool, 1) == "b"
    revised(pool, balance=BalanceSettings("least_time"))
    assert nick(pool, "a").is_timed and nick(pool, "a").attentive
    revised(pool, balance=BalanceSettings())
    assert not nick(pool, "a").is_timed
    assert nick(pool, "a").attempts == 1


def test_keys_are_known_from_now_on_and_requests_that_have_some_may_ask_on() -> None:
    pool = pool_of(server("a"), server("b"))
    revised(pool, balance=BalanceSettings("hash", "{path}"))
    chosen = pool.choose_for("x", (), 0.0)
    assert chosen is not None
    revised(pool, balance=BalanceSettings())
    assert pool.choose_for("x", (), 0.0) is chosen


def test_who_comes_back_is_judged_as_the_others_are_by_then() -> None:
    pool = pool_of(server("a"), server("b"), max_fails=3)
    peer = pool.remove("a:80", "the operator removed it")
    revised(pool, max_fails=1)
    pool.put_back(peer, ["b:80"])
    pool.put_back_will(peer, PeerState.UP, NEVER, NEVER, "undone")
    peer.begin()
    peer.fail(errors.CONNECT_REFUSED_BY_PEER, 0.0)
    assert peer.state is PeerState.EJECTED


def test_how_clients_are_bound_begins_anew_only_when_it_changes() -> None:
    pool = pool_of(server("a"), sticky=StickySettings("cookie", "route"))
    counts = pool.bindings
    revised(pool, rise=5)
    assert pool.bindings is counts
    revised(pool, sticky=StickySettings("cookie", "other"))
    assert pool.bindings is not counts
    revised(pool, sticky=None)
    assert pool.bindings is None


def test_a_queue_comes_grows_and_goes() -> None:
    pool = pool_of(server("a", max_connections=1))
    revised(pool, queue=QueueSettings(3, 2.0))
    queue = pool.queue
    assert queue is not None and nick(pool, "a").on_room == queue.tell
    revised(pool, queue=QueueSettings(9, 4.0))
    assert pool.queue is queue and (queue.length, queue.timeout) == (9, 4.0)
    revised(pool, queue=None)
    assert pool.queue is None and nick(pool, "a").on_room is None


def test_a_budget_may_be_had_and_lost() -> None:
    pool = pool_of(server("a"), retry_budget=BudgetSettings(0.0, 0))
    assert not pool.affords_retry(0.0)
    revised(pool, retry_budget=BudgetSettings(float("inf"), 0))
    assert pool.affords_retry(0.0)


def test_a_peer_is_judged_by_the_new_limits_and_an_ejection_goes_on() -> None:
    pool = pool_of(server("a"), server("b"), max_fails=3)
    peer = nick(pool, "a")
    for _ in range(2):
        peer.begin()
        peer.fail(errors.CONNECT_REFUSED_BY_PEER, 0.0)
    revised(pool, max_fails=1)
    assert peer.state is PeerState.UP
    peer.begin()
    peer.fail(errors.CONNECT_REFUSED_BY_PEER, 0.0)
    assert peer.state is PeerState.EJECTED
    revised(pool, max_fails=5)
    assert peer.state is PeerState.EJECTED


def test_checks_count_by_the_new_numbers_and_nobody_stays_down_without_checks() -> None:
    pool = pool_of(server("a"), check=CheckSettings("tcp"), fall=3)
    peer = nick(pool, "a")
    revised(pool, fall=1)
    peer.checked(CheckResult(0.0, 0.0, passed=False, reason="refused"))
    assert peer.state is PeerState.DOWN
    revised(pool, check=None)
    assert (peer.state, peer.why) == (PeerState.UP, "it is not checked any more")


def test_names_come_and_go_with_the_peers_that_they_stand_for() -> None:
    world = World(server("x"))
    world.says[NAME.name] = "ab"
    world.membership.startService()
    world.membership.revise((server("x"),), (server("x"), NAME))
    assert world.peers() == "x<site.ini a<app.internal b<app.internal"
    world.membership.revise((server("x"), NAME), (server("x"), replace(NAME, weight=5)))
    assert [peer.weight for peer in world.pool.peers] == [1, 5, 5]
    world.membership.revise((server("x"), replace(NAME, weight=5)), (server("x"),))
    assert world.peers() == "x<site.ini"
    world.membership.stopService()
    assert not world.clock.getDelayedCalls()


def test_a_peer_that_was_found_and_gets_a_line_of_its_own_stays() -> None:
    world = World(NAME)
    world.says[NAME.name] = "a"
    world.membership.startService()
    (peer,) = world.pool.peers
    world.membership.revise((NAME,), (NAME, server("a", 4)))
    assert world.pool.peers == [peer] and (peer.origin, peer.weight) == ("site.ini", 4)
    world.membership.revise((NAME, server("a", 4)), (server("a", 4),))
    assert world.pool.peers == [peer]
    world.membership.stopService()


def test_a_name_that_the_shell_has_added_is_the_files_when_it_is_there_and_stays_otherwise() -> None:
    world = World(server("x"))
    world.says[NAME.name] = "a"
    world.membership.startService()
    world.membership.add(NAME)
    world.membership.revise((server("x"),), (server("x"),))
    assert world.peers() == "x<site.ini a<app.internal"
    world.membership.revise((server("x"),), (server("x"), NAME))
    world.membership.revise((server("x"), NAME), (server("x"),))
    assert world.peers() == "x<site.ini"
    world.membership.stopService()


def test_the_same_address_with_tls_is_another_peer() -> None:
    world = World(server("x"))
    (peer,) = world.pool.peers
    world.membership.revise((server("x"),), (server("x", tls=True),))
    (other,) = world.pool.peers
    assert other is not peer and other.tls and peer.state is PeerState.REMOVED


def test_a_line_that_changes_brings_back_who_was_removed_and_one_that_stays_does_not() -> None:
    world = World(server("x"), server("y"))
    world.membership.remove("y:80", "the operator removed it")
    world.membership.revise((server("x"), server("y")), (server("x", 2), server("y")))
    assert world.peers() == "x<site.ini"
    world.membership.revise((server("x", 2), server("y")), (server("x", 2), server("y", 3)))
    assert world.peers() == "x<site.ini y<site.ini"


def test_what_is_done_already_stands_where_it_was_done() -> None:
    one, two, three = server("a"), server("b"), replace(NAME, tier=1)
    world = World(one, NAME)
    membership = world.membership
    assert membership.as_it_is((one, NAME), (one, two)) == (one, NAME)
    membership.add(two)
    assert membership.as_it_is((one, NAME), (one, two)) == (one, NAME, two)
    membership.remove(NAME.name, "the operator removed it")
    assert membership.as_it_is((one, NAME), (one, two)) == (one, two)
    assert membership.as_it_is((one, NAME), (one, three)) == (one, NAME)
    membership.add(three)
    assert membership.as_it_is((one, NAME), (one, three)) == (one, three)


def test_names_are_asked_for_at_the_new_interval() -> None:
    world = World(NAME)
    world.says[NAME.name] = "a"
    world.membership.startService()
    world.pool.revise_settings(replace(world.pool.settings, resolve=5.0))
    world.membership.refresh()
    asked = len(world.asked)
    world.clock.advance(5)
    assert len(world.asked) == asked + 1
    world.membership.stopService()


@pytest.mark.parametrize("down", [True, False])
def test_down_in_the_file_counts_when_it_changes(down: bool) -> None:
    world = World(server("x", down=not down), server("y"))
    world.membership.revise((server("x", down=not down), server("y")), (server("x", down=down), server("y")))
    assert world.pool.peers[0].state is (PeerState.MAINTENANCE if down else PeerState.UP)
