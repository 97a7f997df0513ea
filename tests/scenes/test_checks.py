"""Checks, and what clients notice of them: all peers down and back, and peers that are not asked before they have proved well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play

INTERVAL = 6.0
SITE = """
[pool app]
servers =
    a:80
    b:80
check = GET /health
check_interval = 6s
check_timeout = 1s
check_body = ^ok
fall = 2
{knobs}
[route /]
pool = app
tries = 1
"""


class Peers:
    """Answer checks and requests, as soon as they are connected to, as long as the play goes on."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.body = b"ok"
        self.served: list[str] = []

    def go_on(self, seconds: float, step: float = 0.1) -> None:
        for _ in range(max(1, round(seconds / step))):
            self.play.later(step)
            self.answer()

    def answer(self) -> None:
        while self.play.has_origin:
            origin = self.play.origin()
            asked = origin.overlooks()
            if not asked:
                continue  # it was given up
            if b"GET /health" not in asked:
                self.served.append(origin.name.removeprefix("origin "))
            origin.says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(self.body), self.body)

    def status(self, path: str = "/") -> int:
        """What a new client gets."""
        client = self.play.client()
        client.says(f"GET {path} HTTP/1.1\nHost: example.com")
        self.answer()
        message = client.hears_message()
        self.message = message
        client.leaves()
        return message.status


def refuse(play: Play, *names: str) -> None:
    for name in names:
        play.refuses(name)


@pytest.mark.parametrize("knobs", ["", "rise = 1", "check_fast_interval = 3s"])
def test_when_every_peer_is_down_clients_are_told_when_to_come_back_and_within_one_interval_all_is_well(knobs: str) -> None:
    with Play(SITE.format(knobs=knobs)) as play:
        peers = Peers(play)
        play.begins_checks()
        peers.go_on(20)
        assert peers.status() == 200
        refuse(play, "a:80", "b:80")
        peers.go_on(2 * INTERVAL)
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["down", "down"]
        calls = len(play.calls)
        assert peers.status() == 503
        assert int(peers.message.fields["retry-after"]) > 0
        assert len(play.calls) == calls, "no peer is asked in vain"
        play.accepts("a:80")
        play.accepts("b:80")
        peers.go_on(INTERVAL)
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["up", "up"]
        assert peers.status() == 200


def test_a_peer_whose_page_of_health_says_something_else_gets_no_requests() -> None:
    with Play(SITE.format(knobs="")) as play:
        peers = Peers(play)
        play.begins_checks()
        peers.go_on(10)
        peers.body = b"draining"
        peers.go_on(2 * INTERVAL)
        assert peers.status() == 503
        last = play.pools["app"].peers[0].last_checks[-1]
        assert last.reason == "the body is not as expected"


def test_what_is_stored_is_served_stale_while_every_peer_is_down(tmp_path: Path) -> None:
    cache = f"cache = c\ncache_use_stale = error\ncache_valid = 200 1s\n[cache c]\ndirectory = {tmp_path}\n"
    with Play(SITE.format(knobs="") + cache) as play:
        peers = Peers(play)
        play.begins_checks()
        peers.go_on(1)
        assert peers.status("/page") == 200
        refuse(play, "a:80", "b:80")
        peers.go_on(2 * INTERVAL)
        assert peers.status("/page") == 200
        assert peers.message.body == b"ok"
        assert "age" in peers.message.fields
        assert peers.status("/other") == 503


def test_peers_that_must_prove_well_first_get_no_request_before() -> None:
    with Play(SITE.format(knobs="check_initial = unknown")) as play:
        peers = Peers(play)
        assert peers.status() == 503
        play.ignores("b:80")
        play.begins_checks()
        peers.answer()
        assert [peers.status() for _ in range(3)] == [200, 200, 200]
        assert peers.served == ["a:80"] * 3
        play.accepts("b:80")
        peers.go_on(INTERVAL)
        assert [peers.status() for _ in range(2)] == [200, 200]
        assert set(peers.served) == {"a:80", "b:80"}


def test_a_hanging_check_costs_no_other_peer_anything() -> None:
    def answers(party: Party) -> None:
        party.overlooks()
        party.says("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2", b"ok")

    with Play(SITE.format(knobs="check_concurrency = 2")) as play:
        play.begins_checks()
        hanging = play.origin("a:80")
        answers(play.origin("b:80"))
        play.later(1.2)
        assert hanging.overlooks().startswith(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        assert hanging.was_ended
        peers = Peers(play)
        peers.go_on(0.1)
        assert [check.reason for peer in play.pools["app"].peers for check in peer.last_checks] == ["timed out after 1 s", ""]
