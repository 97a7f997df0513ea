"""Names by which peers are found, as DNS changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tests.balance.pools import HandClock, log_lines, picks, pool_of, server
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.balance.membership import FoundByName, Membership
from twistedproxy.balance.pool import PeerExists, Pool, UnknownPeer
from twistedproxy.settings.servers import ServerSettings, StandsFor

NAME = ServerSettings(Tcp("app.internal", 80), stands_for=StandsFor.ADDRESSES)
OTHER = ServerSettings(Tcp("other.internal", 80), stands_for=StandsFor.ADDRESSES)


class World:
    """A pool, and a DNS that says what a test says."""

    def __init__(self, *lines: ServerSettings) -> None:
        self.clock = HandClock()
        self.says: dict[str, str | None] = {}
        self.asked: list[str] = []
        self.hangs: Deferred[list[ServerSettings]] | None = None
        self.pool: Pool = pool_of(*lines, clock=self.clock, resolve=30.0)
        self.membership = Membership(self.pool, self.find, lambda host, port: ["10.1.1.1"], self.clock)

    def find(self, line: ServerSettings) -> Deferred[list[ServerSettings]]:
        self.asked.append(line.name)
        if self.hangs is not None:
            return self.hangs
        said = self.says.get(line.name)
        if said is None:
            return fail(LookupError(f"{line.name} could not be resolved"))
        return succeed([found(letter, line) for letter in said])

    def peers(self) -> str:
        return " ".join(f"{peer.name.removesuffix(':80')}<{peer.origin.removesuffix(':80')}" for peer in self.pool.peers)


def found(letter: str, line: ServerSettings) -> ServerSettings:
    return replace(line, address=Tcp(letter, 80), stands_for=StandsFor.PEER, found_by="app.internal")


def test_every_address_of_a_name_is_a_peer_and_is_followed() -> None:
    world = World(server("x"), NAME)
    world.says[NAME.name] = "ab"
    assert world.peers() == "x<site.ini"
    world.membership.startService()
    assert world.peers() == "x<site.ini a<app.internal b<app.internal"
    assert Counter(picks(world.pool, 30)) == {"x": 10, "a": 10, "b": 10}
    world.says[NAME.name] = "bc"
    world.clock.advance(29)
    assert world.peers() == "x<site.ini a<app.internal b<app.internal"
    with log_lines() as lines:
        world.clock.advance(1)
    assert world.peers() == "x<site.ini b<app.internal c<app.internal"
    assert lines == [
        "info: pool app: peer c:80 has come, from app.internal:80",
        "info: pool app: peer a:80 is removed: app.internal:80 stands for it no more",
    ]
    world.membership.stopService()
    assert not world.clock.getDelayedCalls()


def test_what_cannot_be_resolved_keeps_its_last_known_peers() -> None:
    world = World(NAME)
    world.says[NAME.name] = "ab"
    world.membership.startService()
    world.says[NAME.name] = None
    with log_lines() as lines:
        world.clock.pump([30.0] * 3)
    assert lines == ["warn: pool app: app.internal:80: app.internal:80 could not be resolved; its last known peers stay"]
    assert world.peers() == "a<app.internal b<app.internal"
    assert repr(world.membership.names[NAME.name]) == "<Name app.internal:80 2 peers, app.internal:80 could not be resolved>"
    world.says[NAME.name] = "b"
    with log_lines() as lines:
        world.clock.advance(30)
    assert lines[0] == "info: pool app: app.internal:80 is resolved again"
    assert world.peers() == "b<app.internal"


def test_a_name_that_does_not_resolve_at_the_start_delays_nobody_else_and_is_asked_for_each_second() -> None:
    world = World(server("x"), NAME)
    with log_lines() as lines:
        world.membership.startService()
        assert picks(world.pool, 3) == "xxx"
        world.clock.pump([1.0] * 5)
    assert lines == ["warn: pool app: app.internal:80: app.internal:80 could not be resolved"]
    assert len(world.asked) == 6
    world.says[NAME.name] = "a"
    world.clock.advance(1)
    assert world.peers() == "x<site.ini a<app.internal"
    del world.asked[:]
    world.clock.pump([1.0] * 20)
    assert not world.asked
    world.membership.stopService()
    assert not world.clock.getDelayedCalls()


def test_a_look_up_that_hangs_is_waited_for_and_given_up_with_the_service() -> None:
    world = World(NAME)
    world.hangs = Deferred()
    world.membership.startService()
    world.clock.pump([30.0] * 3)
    assert world.asked == [NAME.name]
    world.membership.stopService()
    assert world.hangs.called
    assert world.peers() == ""
    assert not world.clock.getDelayedCalls()


def test_an_address_of_two_names_stays_as_long_as_one_of_them_has_it() -> None:
    world = World(NAME, OTHER)
    world.says = {NAME.name: "ab", OTHER.name: "bc"}
    world.membership.startService()
    assert world.peers() == "a<app.internal b<app.internal c<other.internal"
    b = world.pool.peer("b:80")
    world.says[NAME.name] = "a"
    world.clock.advance(30)
    assert world.pool.peer("b:80") is b
    assert b.origin == "other.internal:80"
    world.says[OTHER.name] = "c"
    world.clock.advance(30)
    assert world.peers() == "a<app.internal c<other.internal"


def test_a_peer_with_a_line_of_its_own_is_not_taken_by_a_name() -> None:
    world = World(server("a"), NAME)
    world.says[NAME.name] = "ab"
    world.membership.startService()
    world.says[NAME.name] = "b"
    world.clock.advance(30)
    assert world.peers() == "a<site.ini b<app.internal"


def test_what_a_name_says_of_a_peer_may_change_but_not_what_the_operator_said() -> None:
    world = World(NAME)
    answers = [found("a", replace(NAME, weight=3)), found("b", replace(NAME, weight=1))]
    world.membership._find = lambda line: succeed(list(answers))
    world.membership.startService()
    world.pool.set_weight("b:80", 9)
    answers[:] = [found("a", replace(NAME, weight=5)), found("b", replace(NAME, weight=2, backup=True))]
    world.clock.advance(30)
    assert [(peer.weight, peer.backup) for peer in world.pool.peers] == [(5, False), (9, True)]
    assert picks(world.pool, 3) == "aaa"


def test_backups_come_tier_by_tier() -> None:
    world = World(NAME)
    tiers = [("a", 0), ("b", 1), ("c", 2)]
    world.membership._find = lambda line: succeed(
        [found(letter, replace(NAME, backup=tier > 0, tier=tier)) for letter, tier in tiers]
    )
    world.membership.startService()
    for expected in "abc":
        assert picks(world.pool, 3) == expected * 3
        world.pool.drain(f"{expected}:80")
    assert picks(world.pool, 1) == "-"


def test_the_operator_adds_and_removes() -> None:
    world = World(server("x"))
    world.says[NAME.name] = "ab"
    changes: list[str] = []
    world.membership.on_change.append(lambda: changes.append(world.peers()))
    world.membership.startService()
    world.membership.add(server("y"))
    world.membership.add(NAME)
    assert world.peers() == "x<site.ini y<shell a<app.internal b<app.internal"
    assert repr(world.membership.names[NAME.name]) == "<Name app.internal:80 2 peers>"
    with pytest.raises(PeerExists, match=r"pool app follows app.internal:80 already"):
        world.membership.add(NAME)
    with pytest.raises(PeerExists):
        world.membership.add(server("x"))
    with pytest.raises(FoundByName):
        world.membership.remove("a:80", "")
    with pytest.raises(UnknownPeer, match="pool app has no peer 'z:80'"):
        world.membership.remove("z:80", "")
    assert [peer.name for peer in world.membership.remove(NAME.name, "")] == ["a:80", "b:80"]
    assert [peer.name for peer in world.membership.remove("x:80", "")] == ["x:80"]
    assert world.peers() == "y<shell"
    assert len(changes) == 5
    del world.asked[:]
    world.clock.pump([30.0] * 2)
    assert not world.asked


def test_the_addresses_of_a_peer_are_those_that_are_known() -> None:
    world = World(server("x"), ServerSettings(Unix("/run/app.sock")))
    x, socket = world.pool.peers
    assert world.membership.addresses(x) == ["10.1.1.1"]
    assert world.membership.addresses(socket) == ()


def test_a_name_that_is_removed_while_it_could_not_be_resolved_is_not_asked_for_again() -> None:
    world = World(NAME)
    world.membership.startService()
    world.membership.remove(NAME.name, "")
    world.clock.pump([1.0] * 40)
    assert world.asked == [NAME.name]
    assert not world.clock.getDelayedCalls()


def test_a_second_question_waits_for_the_answer_to_the_first() -> None:
    world = World(NAME)
    world.membership.startService()
    world.hangs = Deferred()
    world.clock.advance(1)
    assert len(world.asked) == 2
    world.clock.advance(29)
    assert len(world.asked) == 2
    world.hangs.callback([found("a", NAME)])
    assert world.peers() == "a<app.internal"
    world.membership.stopService()


def test_a_name_that_was_never_followed_is_removed_as_well() -> None:
    world = World(NAME)
    world.membership.recall("unknown", [found("b", NAME)])
    world.membership.recall(NAME.name, [found("a", NAME)])
    world.membership.recall(NAME.name, [found("b", NAME)])
    assert world.peers() == "a<app.internal"
    assert [peer.name for peer in world.membership.remove(NAME.name, "")] == ["a:80"]
