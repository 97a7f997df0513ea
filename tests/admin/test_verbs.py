"""The shell's verbs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.site import HandClock, Log, StillConnection, StillListener, live_site, names
from twistedproxy.addresses import Tcp
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.pools import PoolSettings, QueueSettings
from twistedproxy.settings.servers import ServerSettings


def test_pools_shows_how_many_peers_are_up() -> None:
    assert repr(names(live_site())["pools"]()) == (
        "POOL  PEERS      BALANCE      CHECK  RUNNING  ATTEMPTS  FAILED  RETRIES  IDLE\n"
        "app   3 of 3 up  round_robin  -            0         0       0        0     0\n"
        "api   1 of 1 up  round_robin  -            0         0       0        0     0"
    )


def test_pools_and_peers_show_limits_and_who_waits_where_there_are_such() -> None:
    live = live_site()
    server = ServerSettings(Tcp("a", 80), max_connections=2)
    tight = live.pools["tight"] = Pool(PoolSettings("tight", servers=(server,), queue=QueueSettings(5)), live.clock)
    tight.hedges = 7
    tight.peers[0].begin()
    header, *_, row = repr(names(live)["pools"]()).splitlines()
    assert header.split()[-4:] == ["RETRIES", "HEDGES", "QUEUED", "IDLE"]
    assert row.split()[-4:] == ["0", "7", "0", "0"]
    assert "  1 of 2  " in repr(names(live)["peers"]("tight"))


def test_peers_shows_state_weight_and_the_last_check() -> None:
    clock = HandClock()
    live = live_site(clock)
    first = live.pools["app"].peers[0]
    first.begin()
    first.checked(CheckResult(clock.wall(), 0.003, passed=False, reason="connection refused"))
    clock.advance(2)
    header, first_row, second_row, spare_row = repr(names(live)["peers"]("app")).splitlines()
    assert header.split() == [
        "PEER", "STATE", "WEIGHT", "RUNNING", "ATTEMPTS", "FAILED", "SENT", "RECEIVED", "LAST", "CHECK", "SINCE", "BECAUSE",
    ]  # fmt: skip
    assert first_row.split("  ")[0] == "app1:3000"
    assert "connection refused 2.0s ago" in first_row
    assert second_row.split() == ["app2:3000", "up", "1", "0", "0", "0", "0", "0", "-", "2.0s", "-"]
    assert "up, backup" in spare_row


def test_peers_of_all_pools_name_their_pool() -> None:
    shown = repr(names(live_site())["peers"]())
    assert shown.splitlines()[0].startswith("POOL  PEER")
    assert "api   api1:4000" in shown


def test_a_listing_is_a_sequence_of_the_live_objects() -> None:
    live = live_site()
    verbs = names(live)
    assert verbs["pools"]()["app"] is live.pools["app"]
    assert verbs["pools"]()[0] is live.pools["app"]
    assert [peer.name for peer in verbs["peers"]("api")] == ["api1:4000"]
    assert len(verbs["connections"]()) == 3
    with pytest.raises(VerbError, match="did you mean 'app'"):
        verbs["pools"]()["ap"]


def test_a_listing_is_laid_out_anew_when_it_is_printed() -> None:
    live = live_site()
    verbs = names(live)
    pools = verbs["pools"]()
    verbs["drain"]("app", "app1:3000")
    assert "2 of 3 up" in repr(pools)


def test_connections_say_what_each_is_doing() -> None:
    clock = HandClock()
    live = live_site(clock)
    clock.advance(75)
    assert repr(names(live)["connections"]()) == (
        "NUMBER  CLIENT           LISTENER        OPEN  REQUESTS  NOW\n"
        "     1  192.0.2.7:40001  https (https)  1m15s         1  idle\n"
        "     2  192.0.2.7:40002  https (https)  1m15s         1  GET example.com/a\\x1b[2J → app1:3000\n"
        "     3  192.0.2.7:40003  https (https)  1m15s         1  websocket /ws/ → app2:3000, 10 up, 4.0k down"
    )


def test_routes_stand_in_order_of_precedence() -> None:
    shown = repr(names(live_site())["routes"]()).splitlines()
    assert [line.split()[0] for line in shown] == ["ROUTE", "/old", "/api/", "/"]
    assert "301 /" in shown[1]
    assert "pool api" in shown[2]


def test_listeners_show_where_clients_connect() -> None:
    assert repr(names(live_site())["listeners"]()) == (
        "LISTENER  ON           TLS   CONNECTIONS   MOST  ACCEPTED  TURNED AWAY  REFUSED\n"
        "https     0.0.0.0:443  site            3  4,096        12            0        2"
    )


def test_cache_shows_the_hit_ratio() -> None:
    assert repr(names(live_site())["cache"]()) == (
        "CACHE   FILES    SIZE    OF  IN MEMORY  HITS  STALE  MISSES  PASSED  HIT RATIO  PURGES  EVICTED  DAMAGED  DIRECTORY\n"
        "static      2  512.0k  1.0m       4.0k    30      4       6       2        75%       0        0        0  var/cache"
    )


def test_cache_of_a_name_lists_its_entries() -> None:
    shown = repr(names(live_site())["cache"]("static")).splitlines()
    assert shown[0] == "cache static: 2 files, 512.0k of 1.0m; 30 hits (75%), 4 stale, 6 misses, 2 passed"
    assert shown[2] == ("https://example.com/logo.svg      200  2.0k  1m00s  for 9m00s  accept-encoding: gzip")


def test_drain_and_restore_change_the_peer_and_say_so() -> None:
    live = live_site()
    verbs = names(live)
    peer = live.pools["app"].peer("app1:3000")
    peer.begin()
    with Log() as log:
        said = repr(verbs["drain"]("app", "app1:3000"))
        assert peer.state is PeerState.DRAINING
        assert said == "app1:3000 is draining, 1 attempt still running; restore('app', 'app1:3000') takes it back"
        assert repr(verbs["restore"]("app", "app1:3000")) == "app1:3000 is up"
    assert peer.available
    assert "shell: alice@laptop: drain('app', 'app1:3000')" in log.lines
    assert "shell: alice@laptop: restore('app', 'app1:3000')" in log.lines


def test_set_weight_says_the_share_that_follows() -> None:
    live = live_site()
    with Log() as log:
        said = repr(names(live)["set_weight"]("app", "app2:3000", 9))
    assert said == "app2:3000 has weight 9, 75% of the requests; before: 1"
    assert live.pools["app"].peer("app2:3000").weight == 9
    assert "shell: alice@laptop: set_weight('app', 'app2:3000', 9)" in log.lines


@pytest.mark.parametrize("weight", [-1, 1.5, "3", True])
def test_a_weight_is_a_whole_number(weight: object) -> None:
    with pytest.raises(VerbError, match="a weight is a whole number, 0 or more"):
        names(live_site())["set_weight"]("app", "app2:3000", weight)


def test_purge_says_where_the_url_was_stored() -> None:
    live = live_site()
    purge = names(live)["purge"]
    assert repr(purge("https://example.com/logo.svg")) == "https://example.com/logo.svg is forgotten: 1 response in static"
    assert repr(purge("https://example.com/logo.svg")) == "nothing was stored for https://example.com/logo.svg"
    with pytest.raises(VerbError, match="a URL is absolute"):
        purge("/logo.svg")


def test_a_soft_purge_makes_stale() -> None:
    purge = names(live_site())["purge"]
    for _ in range(2):
        said = "https://example.com/logo.svg is stale: 1 response in static"
        assert repr(purge("https://example.com/logo.svg", soft=True)) == said


def test_purges_of_many_can_be_counted_before() -> None:
    live = live_site()
    verbs = names(live)
    prefix = "https://example.com/l"
    assert repr(verbs["purge_prefix"](prefix, preview=True)).startswith("static: 1 response among all ")
    assert repr(verbs["purge_tag"]("pictures", preview=True)).startswith("static: ")
    with Log() as log:
        said = f"whatever begins with {prefix} is forgotten; the files go behind"
        assert repr(verbs["purge_prefix"](prefix)) == said
    assert f"shell: alice@laptop: purge_prefix('{prefix}', soft=False)" in log.lines
    assert repr(verbs["purge_prefix"](prefix, preview=True)).startswith("static: 0 responses among all ")
    assert repr(verbs["purge_tag"]("pictures", soft=True)) == "whatever has the tag pictures is stale"
    assert "in static until the next start only" in repr(verbs["purge_tag"]("lost"))
    assert repr(verbs["purge_all"]("static")).startswith("all of static is forgotten: ")
    with pytest.raises(VerbError, match="a tag is one word"):
        verbs["purge_tag"]("two words")
    with pytest.raises(VerbError, match="a URL is absolute"):
        verbs["purge_prefix"]("/l")
    with pytest.raises(VerbError, match="static"):
        verbs["purge_all"]("statics")


def test_kill_closes_the_connection() -> None:
    live = live_site()
    kill = names(live)["kill"]
    with Log() as log:
        assert repr(kill(3)) == "connection 3 of 192.0.2.7:40003 is closed"
    assert [connection.closed for connection in names(live)["connections"]()] == [False, False, True]
    assert "shell: alice@laptop: kill(3, 'https') of 192.0.2.7:40003" in log.lines
    with pytest.raises(VerbError, match="there is no connection 9"):
        kill(9)


def test_kill_asks_which_of_two_connections_with_one_number() -> None:
    live = live_site()
    other = StillConnection(3, listener_name="http")
    second: Any = StillListener(ListenSettings("http", on=(Tcp("", 80),)), [other])
    live.listeners = [*live.listeners, second]
    kill = names(live)["kill"]
    with pytest.raises(VerbError, match=r"say kill\(3, 'https'\) or kill\(3, 'http'\)"):
        kill(3)
    with pytest.raises(VerbError, match="did you mean 'http'"):
        kill(3, "htp")
    kill(3, "http")
    assert other.closed


@pytest.mark.parametrize(
    ("pool", "peer", "said"),
    [
        ("ap", "app1:3000", r"there is no pool 'ap'; did you mean 'app'\?"),
        ("app", "app1", r"there is no peer of pool 'app' 'app1'; did you mean 'app1:3000'\?"),
        ("app", "aap2:3000", r"did you mean 'app2:3000'\?"),
        ("zzz", "x", r"there is no pool 'zzz'; known: 'app', 'api'"),
        (7, "x", r"there is no pool 7; known: 'app', 'api'"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(pool: object, peer: object, said: str) -> None:
    with pytest.raises(VerbError, match=said):
        names(live_site())["drain"](pool, peer)


def test_a_missing_argument_is_said_in_one_line() -> None:
    with pytest.raises(
        VerbError, match=r"^drain\(pool, peer, minutes=None, seconds=None\): missing a required argument: 'peer'$"
    ):
        names(live_site())["drain"]("app")


def test_help_lists_every_verb_and_explains_one() -> None:
    verbs = names(live_site())
    listed = repr(verbs["help"]())
    for name in (
        "pools",
        "peers",
        "routes",
        "hosted",
        "limits",
        "listeners",
        "connections",
        "cache",
        "drain",
        "restore",
        "set_weight",
        "add_peer",
        "remove_peer",
        "purge",
        "purge_prefix",
        "purge_tag",
        "purge_all",
        "kill",
    ):
        assert f"\n{name}(" in listed
    assert repr(verbs["help"](verbs["drain"])) == repr(verbs["help"]("drain"))
    assert repr(verbs["help"]("drain")).startswith(
        "drain(pool, peer, minutes=None, seconds=None): give a peer no new requests; those that run finish\n\n"
    )
    assert (
        repr(verbs["drain"])
        == "drain(pool, peer, minutes=None, seconds=None): give a peer no new requests; those that run finish"
    )
    with pytest.raises(VerbError, match="did you mean 'drain'"):
        verbs["help"]("drian")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_table_fits_the_terminal(width: int) -> None:
    verbs = names(live_site(), width)
    for name in ("pools", "peers", "routes", "listeners", "connections", "cache"):
        assert all(len(line) <= width for line in repr(verbs[name]()).splitlines()), name


def test_the_proxy_itself_says_where_to_look_on() -> None:
    assert repr(names(live_site())["live"]).startswith("<Live: settings, pools, caches, routes, listeners, clock, started,")
