"""The site's file is read again: what stays goes on, what has changed begins anew, and nobody is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.reloading import ReloadingPlay, open_sockets
from twistedproxy.addresses import Tcp
from twistedproxy.config.problems import ConfigError
from twistedproxy.running.running import NotReplaced
from twistedproxy.settings.servers import ServerSettings

SITE = """
[site]
state_dir = /state
[listen http]
on = tcp:80
[pool app]
servers =
    a:1
    b:1
[pool other]
servers = c:1
[route /]
pool = app
[route /other/]
pool = other
[defaults]
forwarded = no
response_headers = remove Date
"""

GET = "GET / HTTP/1.1\nHost: example.com"
OK = ("HTTP/1.1 200 OK\nContent-Length: 2", b"hi")


def asked(client: Party, play: ReloadingPlay, peer: str, request: str = GET) -> Party:
    """*client* asks, and the request reaches *peer*."""
    client.says(request)
    origin = play.origin(peer)
    origin.hears_message()
    return origin


def test_the_same_file_changes_no_object_at_all() -> None:
    with ReloadingPlay(SITE) as play:
        before = (play.pools["app"], play.routes["/"], play.listeners["http"], play.pools["app"].peers, play.bound[:])
        origin = asked(client := play.client(), play, "a:1")
        assert play.reload() == ["nothing has changed"]
        origin.says(*OK)
        client.hears(*OK)
        assert (play.pools["app"], play.routes["/"], play.listeners["http"], play.pools["app"].peers, play.bound) == before
        assert list(open_sockets(play)) == ["*:80"]
        assert play.routes["/"].requests == 1 and play.idle() == 1


def test_what_an_operator_has_done_already_is_no_change() -> None:
    with ReloadingPlay(SITE) as play:
        membership = play.live.memberships["app"]
        membership.pool.set_weight("a:1", 5)
        membership.remove("b:1", "the operator removed it")
        membership.add(ServerSettings(Tcp("d", 1), weight=2))
        membership.pool.drain("d:1")
        saved = ("    a:1\n    b:1", "    a:1 weight=5\n    d:1 weight=2 drain")
        assert play.reload(saved) == ["nothing has changed"]
        assert play.reload() == ["nothing has changed"]
        # What is to end by itself, or has become something else, is to be another.
        membership.pool.drain("a:1", 60)
        assert play.reload(("a:1 weight=5", "a:1 weight=5 drain")) == [
            "~ [pool app] servers: - a:1 weight=5, + a:1 weight=5 drain"
        ]
        membership.pool.set_weight("a:1", 7)
        assert play.reload(("a:1 weight=5 drain", "a:1 weight=6 drain"))[0].startswith("~ [pool app] servers: ")
        assert play.reload(("    d:1 weight=2 drain\n", "")) == ["~ [pool app] servers: - d:1 weight=2 drain"]


def test_a_request_on_a_changed_route_finishes_by_the_old_rules_and_the_next_one_has_the_new_ones() -> None:
    with ReloadingPlay(SITE) as play:
        origin = asked(client := play.client(), play, "a:1")
        assert play.reload(("[route /]\n", "[route /]\nresponse_headers =\n    remove Date\n    set X-New yes\n")) == [
            "~ [route /] response_headers: + set X-New yes"
        ]
        origin.says(*OK)
        client.hears(*OK)
        origin = asked(client, play, "b:1")
        origin.says(*OK)
        client.hears("HTTP/1.1 200 OK\nContent-Length: 2\nX-New: yes", b"hi")
        assert play.routes["/"].requests == 2 and play.routes["/"].statuses[2] == 2


def test_counters_of_a_changed_route_go_on_also_for_what_fails_after_the_reload() -> None:
    with ReloadingPlay(SITE) as play:
        origin = asked(client := play.client(), play, "c:1", "POST /other/ HTTP/1.1\nHost: example.com\nContent-Length: 0")
        play.reload(("[route /other/]\n", "[route /other/]\ntries = 1\n"))
        origin.leaves()
        client.hears_message()
        route = play.routes["/other/"]
        assert (route.requests, route.errors, route.statuses[5]) == (1, 1, 1)


def test_peers_that_stay_keep_health_counters_and_connections_while_others_come_and_go() -> None:
    with ReloadingPlay(SITE) as play:
        origin = asked(client := play.client(), play, "a:1")
        origin.says(*OK)
        client.hears(*OK)
        staying, going = play.pools["app"].peers
        play.pools["app"].drain("a:1")
        origin.sees_end()
        assert play.reload(("    b:1\n", "    d:1 weight=3\n")) == ["~ [pool app] servers: - b:1, + d:1 weight=3"]
        assert [peer.name for peer in play.pools["app"].peers] == ["a:1", "d:1"]
        assert play.pools["app"].peers[0] is staying and staying.attempts == 1
        assert str(staying.state) == "draining" and str(going.state) == "removed"
        asked(client, play, "d:1").says(*OK)
        client.hears(*OK)


def test_a_request_on_a_peer_that_leaves_finishes() -> None:
    with ReloadingPlay(SITE) as play:
        origin = asked(client := play.client(), play, "a:1")
        play.reload(("    a:1\n    b:1\n", "    b:1\n"))
        origin.says(*OK)
        client.hears(*OK)
        origin.sees_end()
        asked(client, play, "b:1").says(*OK)
        client.hears(*OK)


def test_a_weight_that_the_operator_has_set_stays_until_the_file_says_another() -> None:
    with ReloadingPlay(SITE) as play:
        play.pools["app"].set_weight("a:1", 7)
        play.reload(("c:1\n", "c:1 weight=2\n"))
        assert [peer.weight for peer in play.pools["app"].peers] == [7, 1]
        play.reload(("    a:1\n", "    a:1 weight=4\n"))
        assert [peer.weight for peer in play.pools["app"].peers] == [4, 1]


def test_a_peer_that_the_file_has_down_is_in_maintenance_and_comes_back_with_the_word() -> None:
    with ReloadingPlay(SITE) as play:
        play.reload(("    a:1\n", "    a:1 down\n"))
        assert str(play.pools["app"].peers[0].state) == "in maintenance"
        play.reload(("    a:1 down\n", "    a:1\n"))
        assert str(play.pools["app"].peers[0].state) == "up"


def test_peers_that_the_shell_has_added_or_removed_are_left_alone() -> None:
    with ReloadingPlay(SITE) as play:
        membership = play.running.parts.pools["app"].membership
        (server,) = play.running.parts.settings.pools["other"].servers
        membership.add(server)
        membership.remove("b:1", "the operator removed it")
        play.reload(("    a:1\n", "    a:1\n    e:1\n"))
        assert [peer.name for peer in play.pools["app"].peers] == ["a:1", "c:1", "e:1"]


def test_another_way_to_reach_peers_does_not_use_connections_that_were_made_the_old_way() -> None:
    with ReloadingPlay(SITE) as play:
        idle = asked(client := play.client(), play, "a:1")
        idle.says(*OK)
        client.hears(*OK)
        running = asked(client, play, "b:1")
        play.reload(("    b:1\n", "    b:1\nproxy_protocol = v1\n"))
        idle.sees_end()
        running.says(*OK)
        client.hears(*OK)
        running.sees_end()
        client.says(GET)
        origin = play.origin("a:1")
        assert origin.heard.startswith(b"PROXY TCP4 192.0.2.1 198.51.100.1 ")
        origin.hears_message()
        origin.says(*OK)
        client.hears(*OK)


def test_what_the_keepalive_of_a_pool_says_is_changed_in_place() -> None:
    with ReloadingPlay(SITE) as play:
        origin = asked(client := play.client(), play, "a:1")
        play.reload(("    b:1\n", "    b:1\nkeepalive = 0\n"))
        origin.says(*OK)
        client.hears(*OK)
        origin.sees_end()


def test_another_balance_takes_the_same_peers() -> None:
    with ReloadingPlay(SITE) as play:
        before = play.pools["app"].peers
        play.reload(("    b:1\n", "    b:1\nbalance = hash {path}\n"))
        assert play.pools["app"].peers == before
        client = play.client()
        client.says(GET)
        first = play.same_origin()
        first.hears_message()
        first.says(*OK)
        client.hears(*OK)
        for _ in range(3):
            client.says(GET)
            first.hears_message()
            first.says(*OK)
            client.hears(*OK)


def test_who_waits_in_a_queue_that_the_file_has_no_more_is_served() -> None:
    with ReloadingPlay(SITE.replace("c:1", "c:1 max_connections=1\nqueue = 5 timeout=9s")) as play:
        request = "GET /other/ HTTP/1.1\nHost: example.com"
        first, second = play.client(), play.client()
        origin = asked(first, play, "c:1", request)
        second.says(request)
        play.reload(("queue = 5 timeout=9s\n", ""))
        origin.says(*OK)
        first.hears(*OK)
        origin.hears_message()
        origin.says(*OK)
        second.hears(*OK)
        play.reload()
        asked_again = play.client()
        asked_again.says(request)
        origin.hears_message()
        origin.says(*OK)
        asked_again.hears(*OK)


def test_a_websocket_on_a_changed_route_and_a_removed_pool_stays() -> None:
    with ReloadingPlay(SITE) as play:
        client = play.client()
        client.says(
            "GET /other/ws HTTP/1.1\nHost: example.com\nConnection: Upgrade\nUpgrade: websocket\n"
            "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        )
        origin = play.origin("c:1")
        origin.hears_message()
        origin.says(
            "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        )
        client.hears_message()
        play.reload(("[pool other]\nservers = c:1\n", ""), ("pool = other", "redirect = 301 /"))
        client.says(b"\x81\x02hi")
        assert origin.heard == b"\x81\x02hi"
        origin.hears(b"\x81\x02hi")
        assert len(play.live.websockets) == 1
        client.leaves()
        origin.sees_end()


def test_listeners_come_and_go_and_who_is_connected_finishes() -> None:
    with ReloadingPlay(SITE) as play:
        play.reload(("[pool app]", "[listen two]\non = tcp:81\n[pool app]"))
        running, idle = play.client(listener="two"), play.client(listener="two")
        origin = asked(running, play, "a:1")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 2", b"h")
        running.hears("HTTP/1.1 200 OK\nContent-Length: 2", b"h")
        assert list(open_sockets(play)) == ["*:80", "*:81"]
        play.reload(("[listen two]\non = tcp:81\n", ""))
        assert list(open_sockets(play)) == ["*:80"]
        play.later(2.5)
        idle.sees_end()
        origin.says(b"i")
        running.hears(b"i")
        assert [door.settings.name for door in play.live.listeners] == ["http", "two"]
        play.later(2.5)
        running.sees_end()
        assert [door.settings.name for door in play.live.listeners] == ["http"]
        assert set(play.doors) == {"http"}


def test_a_request_that_comes_by_a_listener_that_has_just_closed_is_answered_and_is_the_last() -> None:
    with ReloadingPlay(SITE.replace("[pool app]", "[listen two]\non = tcp:81\n[pool app]")) as play:
        client = play.client(listener="two")
        play.reload(("[listen two]\non = tcp:81\n", ""))
        asked(client, play, "a:1").says(*OK)
        client.hears("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close", b"hi")
        client.sees_end()


def test_a_listener_that_is_renamed_or_moved_keeps_the_sockets_that_stay() -> None:
    with ReloadingPlay(SITE) as play:
        (first,) = play.bound
        play.reload(("[listen http]", "[listen web]"))
        assert play.bound == [first] and not first.closed
        play.reload(("on = tcp:80", "on =\n    tcp:80\n    tcp:82\nbacklog = 7"))
        assert [str(sock.address) for sock in play.bound] == ["*:80", "*:82"]
        assert [sock.backlog for sock in play.bound] == [7, 7]
        play.reload(("on =\n    tcp:80\n    tcp:82", "on = tcp:82"))
        assert list(open_sockets(play)) == ["*:82"]


def test_two_listeners_may_swap_their_addresses() -> None:
    with ReloadingPlay(SITE.replace("[pool app]", "[listen two]\non = tcp:81\n[pool app]")) as play:
        play.reload(("tcp:80", "tcp:x"), ("tcp:81", "tcp:80"), ("tcp:x", "tcp:81"))
        assert play.listeners["http"].addresses == ["0.0.0.0:81"]
        assert play.listeners["two"].addresses == ["0.0.0.0:80"]
        assert len(play.bound) == 2


def test_errors_in_the_file_change_nothing_and_are_told_all() -> None:
    with ReloadingPlay(SITE) as play:
        parts = play.running.parts
        with pytest.raises(ConfigError) as told:
            play.reload(("    a:1\n", "    a:1 wieght=2\n"), ("pool = other", "pool = nowhere"))
        assert len(told.value.errors) == 2
        assert play.running.parts is parts
        asked(client := play.client(), play, "a:1").says(*OK)
        client.hears(*OK)


def test_a_port_that_is_taken_changes_nothing_and_leaves_nothing_bound() -> None:
    with ReloadingPlay(SITE) as play:
        play.taken.add("*:83")
        parts = play.running.parts
        observers = len(play.pools["app"].on_change)
        with pytest.raises(NotReplaced, match=r"cannot listen on \*:83: Address already in use"):
            play.reload(
                ("on = tcp:80", "on =\n    tcp:80\n    tcp:82\n    tcp:83"), ("    b:1\n", "    b:1\nproxy_protocol = v1\n")
            )
        assert play.running.parts is parts
        assert list(open_sockets(play)) == ["*:80"]
        assert len(play.pools["app"].on_change) == observers
        asked(client := play.client(), play, "a:1").says(*OK)
        client.hears(*OK)


def test_state_dir_cannot_change() -> None:
    with ReloadingPlay(SITE) as play, pytest.raises(NotReplaced, match="state_dir cannot change while the proxy runs"):
        play.reload(("state_dir = /state", "state_dir = /elsewhere"))


def test_an_app_that_cannot_be_made_changes_nothing() -> None:
    with ReloadingPlay(SITE) as play:
        parts = play.running.parts
        with pytest.raises(NotReplaced):
            play.reload(("[pool app]", "[app x]\nrun = json:loads\n[pool app]"))
        assert play.running.parts is parts
        play.forgives()


def test_checks_that_the_file_takes_away_leave_nobody_down() -> None:
    with ReloadingPlay(SITE) as play:
        play.refuses("a:1")
        play.refuses("b:1")
        play.reload(("    b:1\n", "    b:1\ncheck = tcp\ncheck_interval = 1s\nfall = 2\n"))
        play.later(5)
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["down", "down"]
        play.reload(("check = tcp\ncheck_interval = 1s\nfall = 2\n", ""))
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["up", "up"]
        calls = len(play.calls)
        play.later(5)
        assert len(play.calls) == calls


def test_a_cache_keeps_what_it_has_and_gets_its_new_bounds(tmp_path: Path) -> None:
    site = SITE.replace("[pool app]", f"[cache c]\ndirectory = {tmp_path}/cache\n[pool app]")
    site = site.replace("[route /]\n", "[route /]\ncache = c\ncache_valid = 200 1m\n")
    with ReloadingPlay(site) as play:
        client = play.client()
        asked(client, play, "a:1").says(*OK)
        client.hears_message()
        cache = play.caches["c"]
        play.reload(("/cache\n", "/cache\nmax_size = 1m\nmemory = 0\n"))
        assert play.caches["c"] is cache and cache.settings.max_size == 1024**2
        client.says(GET)
        client.hears_message()
        assert cache.counts.hits == 1
        play.reload(("/cache\n", "/other\n"))
        assert play.caches["c"] is not cache
        asked(client, play, "b:1").says(*OK)
        client.hears_message()


def test_a_site_that_was_read_while_the_proxy_closed_opens_nothing_again() -> None:
    with ReloadingPlay(SITE) as play:
        play.hinges.retire()
        with pytest.raises(NotReplaced, match="about to end"):
            play.reload(("[pool other]", "[listen more]\non = tcp:81\n[pool other]"))
        assert list(open_sockets(play)) == []
        assert "more" not in play.listeners


def test_a_limit_of_connections_that_comes_with_a_reload_counts_those_that_stand() -> None:
    with ReloadingPlay(SITE) as play:
        first, second = play.client(), play.client()
        play.reload(("on = tcp:80\n", "on = tcp:80\nmax_connections_per_client = 2\n"))
        play.client().sees_end()
        first.leaves()
        third = play.client()
        play.client().sees_end()
        for client in (second, third):
            client.hears_nothing()
        assert play.listeners["http"].turned_away == 2
