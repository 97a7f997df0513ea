"""What is known of pools after a restart."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.balance.pools import HandClock, log_lines, nick, picks, server, states
from twistedproxy import errors
from twistedproxy.addresses import Tcp
from twistedproxy.balance.drains import Drains
from twistedproxy.balance.membership import Membership
from twistedproxy.balance.memory import DELAY, Memory, StateFile
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.remembered import FORMAT, NotUnderstood, RememberedPeer, RememberedPool, read, written
from twistedproxy.balance.standing import CheckResult
from twistedproxy.config import network
from twistedproxy.config.scalars import Context
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings, StandsFor

NAME = ServerSettings(Tcp("app.internal", 80), stands_for=StandsFor.ADDRESSES)
read_server = partial(network.server, at=Context("/", {}))


class Reactor(HandClock):
    """A clock that runs at once what should run in a thread."""

    def callInThread(self, run: Callable[..., object], *arguments: Any) -> None:
        run(*arguments)


class Life:
    """One life of a process: it starts with what *path* holds; names cannot be resolved."""

    def __init__(self, path: Path, *servers: ServerSettings, clock: Reactor | None = None, **knobs: Any) -> None:
        self.clock = clock or Reactor()
        self.pool = Pool(PoolSettings("app", servers=servers, **knobs), self.clock)
        self.membership = Membership(self.pool, self._find, lambda host, port: [], self.clock)
        lines = (read_server, network.write_server)
        self.memory = Memory(StateFile(str(path)), {"app": self.membership}, lines, self.clock, self.clock)
        self.drains = Drains(self.pool, self.clock)
        for service in (self.memory, self.membership, self.drains):
            service.startService()

    def _find(self, line: ServerSettings) -> Deferred[list[ServerSettings]]:
        return Deferred()

    def end(self) -> None:
        for service in (self.drains, self.membership, self.memory):
            service.stopService()
        assert not self.clock.getDelayedCalls()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "pools.json"


A, B = server("a"), server("b", 2)


def test_a_drain_and_a_weight_are_kept(path: Path) -> None:
    life = Life(path, A, B)
    life.pool.drain("a:80")
    life.pool.set_weight("b:80", 7)
    life.end()
    assert oct(path.stat().st_mode)[-3:] == "600"
    with log_lines() as lines:
        again = Life(path, A, B)
    assert lines == [
        "info: pool app: peer a:80 is draining: the operator drains it (before the restart)",
        "info: pool app: peer b:80 has weight 7, before: 2",
    ]
    assert states(again.pool) == "a draining, b up"
    again.pool.restore("a:80")
    again.pool.set_weight("b:80", 2)
    again.end()
    assert json.loads(path.read_text())["pools"]["app"]["peers"] == {}
    assert states(Life(path, A, B).pool) == "a up, b up"


def test_a_second_restart_says_no_more_than_the_first(path: Path) -> None:
    for _ in range(3):
        life = Life(path, A, B)
        if life.pool.peers[0].will is PeerState.UP:
            life.pool.maintain("a:80")
        life.end()
    assert Life(path, A, B).pool.peers[0].why == "the operator took it out (before the restart)"


def test_a_drain_with_a_deadline_goes_on_and_ends_on_time(path: Path) -> None:
    clock = Reactor()
    life = Life(path, A, B, clock=clock)
    life.pool.drain("a:80", 600)
    clock.advance(100)
    life.end()
    again = Life(path, A, B, clock=clock)
    assert states(again.pool) == "a draining, b up"
    clock.advance(499)
    assert states(again.pool) == "a draining, b up"
    clock.advance(1)
    assert states(again.pool) == "a up, b up"
    again.pool.drain("a:80", 60)
    again.end()
    clock.advance(61)
    assert states(Life(path, A, B, clock=clock).pool) == "a up, b up"


def test_who_spoke_last_has_the_last_word(path: Path) -> None:
    down = server("a", down=True)
    life = Life(path, down, B)
    life.pool.restore("a:80")
    life.pool.set_weight("b:80", 7)
    life.end()
    # The file says what it said: the operator's word counts.
    again = Life(path, down, B)
    assert states(again.pool) == "a up, b up"
    assert nick(again.pool, "b").weight == 7
    again.end()
    # The file was edited, and says something else now.
    edited = Life(path, down, server("b", 3))
    assert nick(edited.pool, "b").weight == 3
    edited.pool.maintain("b:80")
    edited.end()
    assert states(Life(path, down, server("b", 3)).pool) == "a up, b in maintenance"
    drained = Life(path, A, B)
    assert states(drained.pool) == "a up, b in maintenance"
    drained.pool.drain("a:80")
    drained.end()
    assert states(Life(path, down, B).pool) == "a in maintenance, b in maintenance"


def test_added_and_removed_peers_are_kept(path: Path) -> None:
    life = Life(path, A, B)
    life.membership.add(server("c", 3, tls=True, backup=True))
    life.membership.add(NAME)
    life.membership.remove("a:80", "")
    life.end()
    again = Life(path, A, B)
    assert [(peer.name, peer.origin) for peer in again.pool.peers] == [("b:80", "site.ini"), ("c:80", "shell")]
    c = nick(again.pool, "c")
    assert (c.weight, c.tls, c.backup) == (3, True, True)
    assert list(again.membership.names) == ["app.internal:80"]
    again.end()
    # In the file by now, and one that was removed is not: both are forgotten.
    third = Life(path, B, server("c"), NAME)
    assert [(peer.name, peer.origin) for peer in third.pool.peers] == [("b:80", "site.ini"), ("c:80", "site.ini")]
    assert third.membership.names[NAME.name].origin == "site.ini"
    third.end()
    assert len(Life(path, A, B).pool.peers) == 2


def test_peers_that_a_name_stood_for_serve_until_it_is_resolved(path: Path) -> None:
    life = Life(path, replace(NAME, weight=5))
    found = [replace(NAME, address=Tcp(f"10.0.0.{n}", 80), stands_for=StandsFor.PEER, found_by="app.internal") for n in (1, 2)]
    life.membership._found(life.membership.names[NAME.name], [found[0], replace(found[1], backup=True, tier=2)])
    life.pool.drain("10.0.0.2:80")
    life.end()
    again = Life(path, NAME)
    first, second = again.pool.peers
    assert (first.weight, first.name.partition(":")[0]) == (1, "10.0.0.1")  # the line says so now
    assert (first.name, first.origin, first.settings.authority) == ("10.0.0.1:80", "app.internal:80", "app.internal")
    assert (second.state, second.backup, second.tier) == (PeerState.DRAINING, True, 2)
    # What the name says now counts.
    again.membership._found(again.membership.names[NAME.name], found[:1])
    assert [peer.name for peer in again.pool.peers] == ["10.0.0.1:80"]


def test_health_is_kept_as_long_as_somebody_can_find_it_changed(path: Path) -> None:
    clock = Reactor()
    check = CheckSettings("tcp")
    life = Life(path, A, B, clock=clock, check=check, fall=1, max_fails=1, fail_timeout=30.0)
    nick(life.pool, "a").checked(CheckResult(0.0, 0.0, passed=False, reason="connection refused"))
    b = nick(life.pool, "b")
    b.begin()
    b.fail(errors.PEER_RESET, clock.monotonic())
    clock.advance(10)
    life.end()
    clock.advance(5)
    again = Life(path, A, B, clock=clock, check=check, rise=1)
    assert states(again.pool) == "a down, b ejected"
    assert nick(again.pool, "b").ejected_until == clock.monotonic() + 15.0
    nick(again.pool, "a").checked(CheckResult(0.0, 0.0, passed=True))
    assert states(again.pool) == "a up, b ejected"
    clock.advance(16)
    assert picks(again.pool, 3, clock.monotonic()) != "---"
    assert states(again.pool) == "a up, b up"
    # Without checks, a peer that was down would stay so for ever.
    assert states(Life(path, A, B, clock=clock).pool) == "a up, b up"


def test_it_is_written_once_a_moment_after_changes_and_not_without(path: Path) -> None:
    life = Life(path, A, B)
    life.clock.advance(10)
    assert not path.exists()
    life.pool.drain("a:80")
    life.pool.drain("b:80")
    assert not path.exists()
    life.clock.advance(DELAY)
    first = path.stat().st_ino
    assert json.loads(path.read_text())["format"] == FORMAT
    assert sorted(json.loads(path.read_text())["pools"]["app"]["peers"]) == ["a:80", "b:80"]
    life.pool.restore("a:80")
    life.pool.drain("a:80")
    life.clock.advance(DELAY)
    life.end()
    assert path.stat().st_ino == first
    assert os.listdir(path.parent) == ["pools.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is damaged (JSONDecodeError: Expecting value"),
        ("[]", "it is damaged (TypeError"),
        ('{"format": 99}', "it has format 99, not 1"),
        ('{"format": 1, "written": NaN, "pools": {}}', "NaN is not a number"),
        ('{"format": 1, "written": 1e999, "pools": {}}', "it is damaged (TypeError: inf is not a number"),
        ('{"format": 1, "written": 0, "pools": {"app": 5}}', "it is damaged (TypeError"),
        ("[" * 100_000, "it is damaged"),
    ],
)
def test_a_file_that_is_not_understood_is_ignored_and_kept_aside(path: Path, text: str, why: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with log_lines() as lines:
        life = Life(path, A, B)
    assert states(life.pool) == "a up, b up"
    (line,) = lines
    assert line.startswith(f"warn: {path} is ignored, and kept as {path}.ignored: ")
    assert why in line
    assert Path(f"{path}.ignored").read_text() == text
    life.pool.drain("a:80")
    life.end()
    assert states(Life(path, A, B).pool) == "a draining, b up"


def test_a_file_that_is_no_text_or_no_file_is_ignored_too(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with log_lines() as lines:
        Life(path, A)
    assert "can't decode byte 0xff" in lines[0]
    path.mkdir()
    with log_lines() as lines:
        Life(path, A)
    assert "Is a directory" in lines[0]


def test_a_directory_that_cannot_be_written_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    life = Life(tmp_path / "file" / "pools.json", A, B)
    with log_lines() as lines:
        for way in (life.pool.drain, life.pool.restore, life.pool.drain):
            way("a:80")
            life.clock.advance(DELAY)
    assert [line for line in lines if "warn" in line] == [
        f"warn: the state of pools cannot be kept in {tmp_path}/file/pools.json: [Errno 17] File exists: '{tmp_path}/file'"
    ]


def test_the_latest_text_stays_whichever_thread_is_slower(path: Path) -> None:
    file = StateFile(str(path))
    file.write("second", 2)
    file.write("first", 1)
    assert file.read() == "second"


good_peers = st.builds(
    RememberedPeer,
    will=st.sampled_from([None, PeerState.UP, PeerState.DRAINING, PeerState.MAINTENANCE]),
    will_ends=st.one_of(st.just(NEVER), st.floats(0, 1e10)),
    weight=st.one_of(st.none(), st.integers(0, 65535)),
    said=st.tuples(st.booleans(), st.integers(1, 65535)),
    passes_checks=st.booleans(),
    ejected_for=st.floats(0, 1e6),
    why=st.text(),
)


@given(peers=st.dictionaries(st.text(), good_peers), removed=st.frozensets(st.text()))
def test_what_is_written_is_read_again(peers: dict[str, RememberedPeer], removed: frozenset[str]) -> None:
    pools = {"app": RememberedPool((A, NAME), removed, {NAME.name: (B,)}, peers)}
    assert read(written(pools, 1e9, network.write_server), 1e9, read_server) == pools


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
KEYS = ["added", "removed", "found", "peers"]
PEER_KEYS = ["will", "will_ends", "weight", "site_says", "passes_checks", "ejected_for", "why"]


@given(
    pool=st.fixed_dictionaries(dict.fromkeys(KEYS, json_values)),
    peer=st.fixed_dictionaries(dict.fromkeys(PEER_KEYS, json_values)),
)
def test_nothing_that_a_file_can_say_keeps_the_proxy_from_starting(pool: dict[str, Any], peer: dict[str, Any]) -> None:
    for value in (pool, {"added": [], "removed": [], "found": {}, "peers": {"a": peer}}):
        text = json.dumps({"format": FORMAT, "written": 0, "pools": {"app": value}})
        try:
            read(text, 0.0, read_server)
        except NotUnderstood:
            continue


def test_what_site_ini_names_no_more_is_forgotten(path: Path) -> None:
    life = Life(path, A, B)
    life.pool.drain("a:80")
    life.membership.add(server("c"))
    life.pool.drain("b:80")
    life.end()
    text = path.read_text().replace('"app"', '"gone"')
    again = Life(path, B)
    assert states(again.pool) == "b draining, c up"
    again.end()
    assert states(Life(path, A, B).pool) == "a up, b draining, c up"
    # A pool of which there is no section any more.
    path.write_text(text)
    assert states(Life(path, A, B).pool) == "a up, b up"
