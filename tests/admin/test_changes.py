"""What operators change, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.admin.site import START, HandClock, Log, live_site, names
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.roles import Who
from twistedproxy.admin.verbs import Verbs
from twistedproxy.balance.drains import Drains
from twistedproxy.balance.peer import PeerState
from twistedproxy.errors import CONNECT_REFUSED_BY_PEER


def site() -> tuple[Live, HandClock, dict[str, Any]]:
    clock = HandClock()
    live = live_site(clock)
    for pool in live.pools.values():
        Drains(pool, clock).startService()
    for membership in live.memberships.values():
        membership.startService()
    return live, clock, names(live)


def state(live: Live) -> Any:
    """Everything that a command can touch."""
    return {
        name: (
            [
                (
                    (peer.name, peer.origin, peer.weight, peer.backup, peer.tier, peer.settings),
                    (peer.state, peer.will, peer.will_ends, peer.ejected_until, peer.circuit.on_trial, peer.alone, peer.why),
                    (peer.in_flight, peer.attempts, peer.failures, peer.ejections, list(peer.last_checks), peer.most_idle),
                )
                for peer in membership.pool.peers
            ],
            [(called, each.line, each.origin, each.found) for called, each in membership.names.items()],
        )
        for name, membership in live.memberships.items()
    }


def test_undo_takes_back_the_latest_change() -> None:
    live, _, verbs = site()
    verbs["drain"]("app", "app1:3000")
    verbs["set_weight"]("app", "app2:3000", 5)
    assert repr(verbs["undo"]()) == "undone: set_weight('app', 'app2:3000', 5)"
    assert live.pools["app"].peer("app2:3000").weight == 1
    assert repr(verbs["undo"]()) == "undone: drain('app', 'app1:3000')"
    assert live.pools["app"].peer("app1:3000").state is PeerState.UP
    with pytest.raises(VerbError, match="there is nothing to undo"):
        verbs["undo"]()


def test_undo_by_number_leaves_what_followed() -> None:
    live, _, verbs = site()
    verbs["set_weight"]("app", "app1:3000", 7)
    verbs["drain"]("app", "app1:3000")
    verbs["undo"](1)
    peer = live.pools["app"].peer("app1:3000")
    assert (peer.weight, peer.state) == (3, PeerState.DRAINING)


def test_undo_does_not_overrun_what_was_changed_again() -> None:
    live, _, verbs = site()
    verbs["set_weight"]("app", "app1:3000", 7)
    verbs["set_weight"]("app", "app1:3000", 9)
    with pytest.raises(VerbError, match=r"alice@laptop's set_weight\('app', 'app1:3000', 9\) followed; undo\(2\) first"):
        verbs["undo"](1)
    live.pools["app"].set_weight("app1:3000", 4)
    with pytest.raises(VerbError, match="what it changed has changed since"):
        verbs["undo"](2)
    with pytest.raises(VerbError, match="there is no change 9"):
        verbs["undo"](9)


def test_another_operators_change_is_undone_by_number_only() -> None:
    live, _, verbs = site()
    bob = Verbs(live, "bob", lambda: None).namespace()
    verbs["drain"]("app", "app1:3000")
    with pytest.raises(VerbError, match=r"the latest change is alice@laptop's drain.*; undo\(1\) if you mean that"):
        bob["undo"]()
    bob["undo"](1)
    assert repr(verbs["history"]()).splitlines()[1].endswith("undone by bob")
    with pytest.raises(VerbError, match="undone already, by bob"):
        verbs["undo"](1)


def test_a_removed_peer_comes_back_to_its_place_with_all_that_is_known_of_it() -> None:
    live, _, verbs = site()
    pool = live.pools["app"]
    peer = pool.peer("app1:3000")
    peer.begin()
    peer.succeed(0.0)
    verbs["drain"]("app", "app1:3000")
    verbs["remove_peer"]("app", "app1:3000")
    verbs["undo"]()
    assert pool.peers[0] is peer
    assert (peer.state, peer.attempts) == (PeerState.DRAINING, 1)
    assert pool.leaving == []


def test_a_peer_that_was_ejected_is_so_again_when_restore_is_undone() -> None:
    live, clock, verbs = site()
    pool = live.pools["app"]
    peer = pool.peer("app2:3000")
    for _ in range(3):
        peer.begin()
        peer.fail(CONNECT_REFUSED_BY_PEER, clock.monotonic())
    why = peer.why
    verbs["restore"]("app", "app2:3000")
    assert peer.state is PeerState.UP
    verbs["undo"]()
    assert (peer.state, peer.why) == (PeerState.EJECTED, why)
    verbs["restore"]("app", "app2:3000")
    clock.advance(60)
    verbs["undo"]()
    assert peer.state is PeerState.UP


def test_a_name_that_is_followed_no_more_is_followed_again() -> None:
    live, _, verbs = site()
    verbs["add_peer"]("app", "found:80 addresses=all")
    verbs["add_peer"]("app", "other:80")
    before = state(live)
    verbs["remove_peer"]("app", "found:80")
    verbs["undo"]()
    assert state(live) == before


def test_what_cannot_be_undone_says_why() -> None:
    _, _, verbs = site()
    verbs["purge"]("https://example.com/logo.svg")
    verbs["kill"](3)
    with pytest.raises(VerbError, match="cannot be undone: the client has to connect again"):
        verbs["undo"]()
    assert [line.split("  ")[-1] for line in repr(verbs["history"]()).splitlines()[1:]] == [
        "no: what is forgotten is fetched again",
        "no: the client has to connect again",
    ]


def test_history_tells_who_when_what_and_how_to_undo() -> None:
    _, clock, verbs = site()
    assert repr(verbs["history"]()) == "nothing was changed"
    verbs["drain"]("app", "app1:3000", minutes=10)
    verbs["set_weight"]("app", "app2:3000", 5)
    verbs["set_weight"]("app", "app2:3000", 6, seconds=30)
    shown = repr(verbs["history"]()).splitlines()
    assert shown[0].split("  ")[0] == "NUMBER"
    assert "08:00:00  alice@laptop  drain('app', 'app1:3000', seconds=600)" in shown[1]
    assert shown[1].endswith("undo(1)")
    assert shown[2].endswith("undo(3) first")
    assert shown[3].endswith("undo(3), by itself in 30.0s")
    clock.advance(31)
    shown = repr(verbs["history"]()).splitlines()
    assert shown[3].endswith("undone by the deadline")
    assert shown[2].endswith("undo(2)")
    clock.advance(600)
    assert repr(verbs["history"](latest=3)).splitlines()[1].endswith("it is over")
    assert repr(verbs["undo"](1)) == "drain('app', 'app1:3000', seconds=600) was over already"


@pytest.mark.parametrize("latest", [0, True, "5"])
def test_history_wants_a_number(latest: object) -> None:
    with pytest.raises(VerbError, match="latest is a number of changes"):
        site()[2]["history"](latest)


def test_a_dry_run_says_what_would_be_and_changes_nothing() -> None:
    live, _, verbs = site()
    before = state(live)
    with verbs["dry_run"]():
        said = [
            verbs["drain"]("app", "app1:3000", minutes=10),
            verbs["restore"]("app", "app1:3000"),
            verbs["set_weight"]("app", "app2:3000", 3),
            verbs["add_peer"]("app", "app4:80"),
            verbs["remove_peer"]("app", "app1:3000"),
            verbs["purge"]("https://example.com/logo.svg"),
            verbs["purge_prefix"]("https://example.com/"),
            verbs["purge_all"]("static"),
            verbs["kill"](2),
            verbs["commit_confirmed"](5),
        ]
        with pytest.raises(VerbError, match="there is no pool 'ap'"):
            verbs["drain"]("ap", "x")
        with pytest.raises(VerbError, match="has a peer app1:3000 already"):
            verbs["add_peer"]("app", "app1:3000")
    assert said == [
        "would: app1:3000, which is up, takes no new requests for 10m00s; nothing runs there",
        "would: app1:3000, which is up, is up",
        "would: app2:3000 has weight 3, 50% of the requests; now: 1",
        "would: app4:80 joins the 3 peers of app",
        "would: app1:3000 leaves pool app; what runs there finishes",
        "would: 'https://example.com/logo.svg' is forgotten, in every cache",
        "static: 2 responses among all 2 files",
        "would: all of static is forgotten",
        "would: connection 2 of 192.0.2.7:40002 is closed, whatever it is doing: GET example.com/a\\x1b[2J → app1:3000",
        "would: undo all that follows after 5.0s, unless confirm()",
    ]
    assert state(live) == before
    assert live.caches["static"].stats().files == 2
    assert not live.journal.changes
    verbs["drain"]("app", "app1:3000")
    with verbs["dry_run"]():
        assert verbs["undo"]() == "would: undo drain('app', 'app1:3000')"
        assert verbs["undo"](since=1) == "would: undo drain('app', 'app1:3000')"
    assert live.pools["app"].peer("app1:3000").state is PeerState.DRAINING


def test_a_time_can_be_typed_again() -> None:
    live = live_site()
    names(live)["drain"]("app", "app1:3000", minutes=24 * 60 * 20 + 0.5)
    assert live.journal.changes[-1].command == "drain('app', 'app1:3000', seconds=1728030)"


def test_the_last_that_is_up_is_drained_with_a_warning_in_a_dry_run() -> None:
    _, _, verbs = site()
    with verbs["dry_run"]():
        assert verbs["drain"]("api", "api1:4000").endswith("; nobody else is up")


def test_changes_with_a_deadline_revert_themselves() -> None:
    live, clock, verbs = site()
    before = state(live)
    assert verbs["set_weight"]("app", "app1:3000", 9, minutes=1).endswith("; 3 again in 1m00s")
    verbs["add_peer"]("app", "app4:80", seconds=60)
    verbs["remove_peer"]("app", "app2:3000", seconds=60)
    clock.advance(59)
    assert [peer.name for peer in live.pools["app"].peers] == ["app1:3000", "spare:3000", "app4:80"]
    clock.advance(1)
    assert state(live) == before
    # A word of the operator's before counts: the deadline then has nothing to say.
    verbs["set_weight"]("app", "app1:3000", 9, seconds=60)
    verbs["set_weight"]("app", "app1:3000", 5)
    with Log() as log:
        clock.advance(60)
    assert live.pools["app"].peer("app1:3000").weight == 5
    assert any("its time is over, but it stays" in line for line in log.lines)


def test_deadlines_may_come_in_any_order() -> None:
    live, clock, verbs = site()
    verbs["set_weight"]("app", "app1:3000", 9, seconds=10)
    verbs["set_weight"]("app", "app1:3000", 5, seconds=30)
    clock.advance(10)
    assert live.pools["app"].peer("app1:3000").weight == 5
    clock.advance(20)
    assert live.pools["app"].peer("app1:3000").weight == 3


def test_what_somebody_has_built_upon_is_undone_in_order() -> None:
    live, _, verbs = site()
    start = state(live)
    verbs["drain"]("app", "app1:3000")
    verbs["restore"]("app", "app1:3000")
    verbs["set_weight"]("app", "app2:3000", 5)
    verbs["remove_peer"]("app", "app2:3000")
    verbs["add_peer"]("app", "app2:3000")
    with pytest.raises(VerbError, match=r"restore\('app', 'app1:3000'\) followed; undo\(2\) first"):
        verbs["undo"](1)
    with pytest.raises(VerbError, match=r"add_peer\('app', 'app2:3000'\) followed; undo\(5\) first"):
        verbs["undo"](3)
    for number in (2, 1, 5, 4, 3):
        verbs["undo"](number)
    assert state(live) == start


def test_what_is_not_confirmed_in_time_is_undone() -> None:
    live, clock, verbs = site()
    verbs["set_weight"]("app", "app1:3000", 5)
    before = state(live)
    assert repr(verbs["commit_confirmed"](60)) == (
        "all that you change from now on is undone at 08:01:00 UTC, unless you say confirm()"
    )
    verbs["drain"]("app", "app1:3000")
    verbs["set_weight"]("app", "app2:3000", 9)
    verbs["kill"](3)
    Verbs(live, "bob", lambda: None).namespace()["set_weight"]("api", "api1:4000", 2)
    assert repr(verbs["history"]()).splitlines()[2].endswith("undo(2), by itself in 1m00s unless confirm()")
    clock.advance(30)
    assert "and the 3 changes before is undone at 08:01:30" in repr(verbs["commit_confirmed"](60))
    with Log() as log:
        clock.advance(60)
    assert live.pools["api"].peer("api1:4000").weight == 2
    verbs["undo"](5)
    assert state(live) == before
    assert any("undone: drain('app', 'app1:3000'): alice@laptop has not confirmed it" in line for line in log.lines)
    with pytest.raises(VerbError, match="nothing waits to be confirmed"):
        verbs["confirm"]()


def test_what_is_confirmed_stays() -> None:
    live, clock, verbs = site()
    verbs["commit_confirmed"]()
    verbs["drain"]("app", "app1:3000")
    assert repr(verbs["confirm"]()) == "1 change confirmed"
    clock.advance(100)
    assert live.pools["app"].peer("app1:3000").state is PeerState.DRAINING


@pytest.mark.parametrize("seconds", [0, True, "60", float("nan"), 1e9])
def test_a_time_to_confirm_is_a_number_of_some_length(seconds: object) -> None:
    with pytest.raises(VerbError, match="seconds is a number"):
        site()[2]["commit_confirmed"](seconds)


def test_what_hangs_on_something_is_taken_back_when_the_process_stops() -> None:
    live, _, verbs = site()
    live.journal.startService()
    before = state(live)
    verbs["set_weight"]("app", "app1:3000", 9, minutes=5)
    verbs["commit_confirmed"](60)
    verbs["drain"]("app", "app1:3000")
    live.journal.stopService()
    assert state(live) == before


def test_who_it_is_is_told_by_the_key_and_not_by_its_comment() -> None:
    live, _, _ = site()
    one = Verbs(live, Who("ops", key="SHA256:one"), lambda: None).namespace()
    other = Verbs(live, Who("ops", key="SHA256:other"), lambda: None).namespace()
    one["commit_confirmed"](60)
    other["drain"]("app", "app1:3000")
    with pytest.raises(VerbError, match=r"undo\(1\) if you mean that"):
        one["undo"]()
    with pytest.raises(VerbError, match="nothing waits to be confirmed"):
        other["confirm"]()
    assert one["confirm"]() == "0 changes confirmed"


def test_undo_since_a_change_takes_back_all_that_followed() -> None:
    live, _, verbs = site()
    verbs["set_weight"]("app", "app1:3000", 5)
    after_first = state(live)
    verbs["drain"]("app", "app1:3000")
    verbs["kill"](1)
    verbs["remove_peer"]("app", "app2:3000")
    assert repr(verbs["undo"](since=2)).splitlines() == [
        "undone: remove_peer('app', 'app2:3000')",
        "left: change 3, kill(1, 'https') of 192.0.2.7:40001, cannot be undone: the client has to connect again",
        "undone: drain('app', 'app1:3000')",
    ]
    assert state(live) == after_first


def test_a_peer_whose_line_has_gone_comes_back_as_the_shells() -> None:
    live, _, verbs = site()
    verbs["remove_peer"]("app", "app2:3000")
    membership = live.memberships["app"]
    servers = membership.pool.settings.servers
    kept = tuple(server for server in servers if server.name != "app2:3000")
    object.__setattr__(membership.pool.settings, "servers", kept)
    membership.revise(servers, kept)
    verbs["undo"]()
    assert membership.pool.peer("app2:3000").origin == "shell"


def test_a_change_of_a_pool_that_has_gone_cannot_be_undone() -> None:
    live, _, verbs = site()
    verbs["add_peer"]("app", "app4:80")
    verbs["drain"]("app", "app1:3000")
    del live.pools["app"], live.memberships["app"]
    assert verbs["undo"](1) == "add_peer('app', 'app4:80') was over already"
    with pytest.raises(VerbError, match="what it changed has changed since"):
        verbs["undo"](2)


def test_changes_and_commands_stand_in_the_audit_log(tmp_path: Path) -> None:
    live, clock, verbs = site()
    path = tmp_path / "audit.log"
    live.journal.audit.path = str(path)
    verbs["drain"]("app", "app1:3000")
    verbs["undo"]()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "when": "2027-01-15T08:00:00.000Z",
        "who": "alice@laptop",
        "key": "",
        "role": "program",
        "from": "",
        "change": 1,
        "command": "drain('app', 'app1:3000')",
        "result": "app1:3000 is draining, nothing runs there; restore('app', 'app1:3000') takes it back",
    }
    assert (lines[1]["command"], lines[1]["result"]) == ("undo(1)", "undone: drain('app', 'app1:3000')")
    assert path.stat().st_mode & 0o777 == 0o600
    path.rename(tmp_path / "audit.log.1")
    live.journal.audit.reopen()
    verbs["set_weight"]("app", "app1:3000", 9, seconds=5)
    clock.advance(5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["who"], line["command"]) for line in lines] == [
        ("alice@laptop", "set_weight('app', 'app1:3000', 9, seconds=5)"),
        ("the deadline", "undo(2)"),
    ]
    assert clock.wall() == START + 5


def test_an_audit_log_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    live, _, verbs = site()
    live.journal.audit.path = str(tmp_path / "nowhere" / "audit.log")
    with Log() as log:
        verbs["drain"]("app", "app1:3000")
        verbs["undo"]()
    assert sum("the audit log" in line for line in log.lines) == 1


PEERS = st.sampled_from(("app1:3000", "app2:3000", "spare:3000", "app4:80", "found:80", "10.0.0.1:80"))
TIMES = st.one_of(st.just({}), st.integers(1, 50).map(lambda seconds: {"seconds": seconds}))
COMMANDS = st.one_of(
    st.tuples(st.just("drain"), st.tuples(st.just("app"), PEERS), TIMES),
    st.tuples(st.just("restore"), st.tuples(st.just("app"), PEERS), st.just({})),
    st.tuples(st.just("set_weight"), st.tuples(st.just("app"), PEERS, st.integers(0, 9)), TIMES),
    st.tuples(st.just("add_peer"), st.tuples(st.just("app"), st.sampled_from(("app4:80 weight=2", "app1:3000"))), TIMES),
    st.tuples(st.just("add_peer"), st.tuples(st.just("app"), st.sampled_from(("found:80 addresses=all", "found:80"))), TIMES),
    st.tuples(st.just("remove_peer"), st.tuples(st.just("app"), PEERS), TIMES),
    st.tuples(st.just("kill"), st.tuples(st.integers(1, 3)), st.just({})),
    st.tuples(st.just("undo"), st.one_of(st.tuples(), st.tuples(st.integers(1, 12))), st.just({})),
    st.tuples(st.just("commit_confirmed"), st.tuples(st.integers(1, 30)), st.just({})),
    st.tuples(st.just("confirm"), st.tuples(), st.just({})),
    st.tuples(st.just("advance"), st.tuples(st.integers(1, 30)), st.just({})),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(COMMANDS, max_size=12), st.booleans())
def test_any_commands_followed_by_undo_of_all_give_the_starting_state(commands: list[Any], beginning: bool) -> None:
    live, clock, verbs = site()
    if beginning:  # a site that was not untouched
        live.pools["app"].drain("app2:3000")
        live.pools["app"].set_weight("app1:3000", 8)
        verbs["add_peer"]("app", "found:80 addresses=all")
        live.journal.changes.clear()
    start = state(live)
    for verb, arguments, options in commands:
        if verb == "advance":
            clock.advance(arguments[0])
            continue
        try:
            verbs[verb](*arguments, **options)
        except VerbError:
            continue
    if live.journal.changes:
        verbs["undo"](since=live.journal.changes[0].number)
    assert state(live) == start
