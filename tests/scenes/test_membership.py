"""Peers that come and go under traffic, as clients and peers meet them."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred, succeed

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND, TWO
from twistedproxy.addresses import Tcp
from twistedproxy.balance.drains import Drains
from twistedproxy.balance.membership import Membership
from twistedproxy.settings.servers import ServerSettings, StandsFor

THIRD = "10.0.0.3:80"

BY_NAME = """
[pool app]
servers = app.internal:80 addresses=all
resolve = 10s
[route /]
pool = app
"""


def serve(play: Play, *names: str) -> None:
    """A client asks once for each of *names*, and the peers of these names answer."""
    client = play.client()
    for name in names:
        client.says(ASKED)
        origin = play.origin(name)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        origin.leaves()


def test_no_request_fails_while_a_peer_is_removed() -> None:
    with Play(TWO) as play:
        pool = play.pools["app"]
        running, idling = play.client(), play.client()
        running.says(ASKED)
        removed = play.origin(FIRST)
        removed.hears(FORWARDED)
        idling.says(ASKED)
        other = play.origin(SECOND)
        other.hears(FORWARDED)
        other.says(ANSWER, b"other")
        idling.hears(ANSWER, b"other")
        idling.says(ASKED)
        kept = play.origin(FIRST)
        kept.hears(FORWARDED)
        kept.says(ANSWER, b"kept.")
        idling.hears(ANSWER, b"kept.")
        assert play.idle() == 2

        peer = pool.remove(FIRST, "the operator removed it")
        play.turn()
        kept.sees_end()
        assert pool.leaving == [peer]
        for _ in range(2):
            idling.says(ASKED)
            other.hears(FORWARDED)
            other.says(ANSWER, b"other")
            idling.hears(ANSWER, b"other")
        # What ran goes on to its end, and its connection is not kept.
        removed.says(ANSWER, b"whole")
        running.hears(ANSWER, b"whole")
        removed.sees_end()
        assert pool.leaving == []
        assert [exchange.status for exchange in play.finished] == [200] * 5


def test_a_request_that_fails_on_a_removed_peer_goes_elsewhere() -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(ASKED)
        removed = play.origin(FIRST)
        removed.hears(FORWARDED)
        play.pools["app"].remove(FIRST, "the operator removed it")
        removed.resets()
        other = play.origin(SECOND)
        other.hears(FORWARDED)
        other.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_the_addresses_of_a_name_are_followed_under_traffic() -> None:
    with Play(BY_NAME) as play:
        hosts = ["10.0.0.1", "10.0.0.2"]

        def find(line: ServerSettings) -> Deferred[list[ServerSettings]]:
            return succeed(
                [replace(line, address=Tcp(host, 80), stands_for=StandsFor.PEER, found_by="app.internal") for host in hosts]
            )

        early = play.client()
        early.says(ASKED)
        assert early.hears_message().status == 503
        membership = Membership(play.pools["app"], find, lambda host, port: [], play.clock)
        membership.startService()
        serve(play, FIRST, SECOND)
        running = play.client()
        running.says(ASKED)
        first = play.origin(FIRST)
        first.hears(FORWARDED)
        hosts[:] = ["10.0.0.2", "10.0.0.3"]
        play.later(10)
        serve(play, SECOND, THIRD, SECOND, THIRD)
        first.says(ANSWER, b"whole")
        running.hears(ANSWER, b"whole")
        first.sees_end()
        membership.stopService()


def test_a_peer_that_was_found_hears_the_name_by_which_it_was_where_the_route_says_so() -> None:
    with Play(BY_NAME.replace("[route /]", "[route /]\nhost = upstream")) as play:
        found = ServerSettings(Tcp("10.0.0.1", 80), found_by="app.internal")
        play.pools["app"].add(found, "app.internal:80")
        client = play.client()
        client.says(ASKED)
        origin = play.origin(FIRST)
        assert origin.hears_message().fields["host"] == "app.internal"
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_drain_with_a_deadline_is_over_on_time() -> None:
    with Play(TWO) as play:
        drains = Drains(play.pools["app"], play.clock)
        drains.startService()
        play.pools["app"].drain(FIRST, 60)
        serve(play, SECOND, SECOND)
        play.later(60)
        serve(play, FIRST, SECOND)
        drains.stopService()


def test_a_peer_at_a_unix_socket_hears_the_clients_host_or_localhost() -> None:
    site = """
    [pool app]
    servers = unix:/run/app.sock
    [route /]
    pool = app
    [route /upstream]
    pool = app
    host = upstream
    """
    with Play(site) as play:
        client = play.client()
        for path, host in (("/", "example.com"), ("/upstream", "localhost")):
            client.says(f"""
                GET {path} HTTP/1.1
                Host: example.com
            """)
            origin = play.same_origin()
            assert origin.hears_message().fields["host"] == host
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
