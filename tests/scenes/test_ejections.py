"""Peers that are left alone for a while, and how they come back."""

from __future__ import annotations

from tests.kit.party import Party
from tests.kit.peers import LEAVES, OK, SILENCE, Deed, Peers, refusing
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND, TWO
from twistedproxy.balance.standing import CheckResult

THIRD, FOURTH = "10.0.0.3:80", "10.0.0.4:80"
FOUR = """
[pool app]
servers =
    10.0.0.1:80
    10.0.0.2:80
    10.0.0.3:80
    10.0.0.4:80
max_fails = 0
fail_statuses = 500
eject_ratio = 40%
eject_min_requests = 5
max_ejected = 50%
[route /]
pool = app
"""


def statuses(play: Play, peers: Peers, number: int) -> list[int]:
    """What so many requests of one client were answered with."""
    client = play.client()
    answers = []
    for _ in range(number):
        client.says(ASKED)
        peers.act()
        answers.append(client.hears_message().status)
    client.leaves()
    return answers


def test_a_peer_that_fails_too_often_is_left_alone_though_it_answers_some_requests() -> None:
    asked: list[str] = []

    def deed(name: str, _head: str) -> Deed:
        asked.append(name)
        return refusing(500) if name == FIRST and asked.count(FIRST) % 2 else OK

    with Play(FOUR) as play:
        peers = Peers(play, deed)
        assert statuses(play, peers, 40).count(500) == 3
        assert peers.asked[FIRST] == 5
        assert play.pools["app"].peers[0].why.startswith("3 of 5 attempts (60 %) failed, the last: ")


def test_no_more_than_half_of_the_peers_are_left_alone() -> None:
    with Play(FOUR) as play:
        peers = Peers(play, lambda name, _head: OK if name == FOURTH else refusing(500))
        answers = statuses(play, peers, 60)
        states = [str(peer.state) for peer in play.pools["app"].peers]
        assert sorted(states) == ["ejected", "ejected", "up", "up"]
        # The third bad one goes on being asked, in turn with the good one.
        assert answers[-10:].count(500) == 5


def test_who_is_back_gets_one_request_until_that_has_been_answered() -> None:
    with Play(TWO.replace("[route", "max_fails = 1\nfail_timeout = 10s\n[route")) as play:
        play.refuses(FIRST)
        second = _answered(play, play.client())
        play.accepts(FIRST)
        play.later(11)
        clients = [play.client() for _ in range(4)]
        for client in clients:
            client.says(ASKED)
        # One to the peer on trial, the others elsewhere.
        for origin in (play.origin(FIRST), second, play.origin(SECOND), play.origin(SECOND)):
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
        for client in clients:
            client.hears(ANSWER, b"hello")


def _answered(play: Play, client: Party) -> Party:
    client.says(ASKED)
    origin = play.origin(SECOND)
    origin.hears(FORWARDED)
    origin.says(ANSWER, b"hello")
    client.hears(ANSWER, b"hello")
    return origin


def test_an_answer_that_goes_on_for_ever_is_a_trial_that_was_passed() -> None:
    with Play(TWO.replace("[route", "max_fails = 1\nfail_timeout = 10s\n[route")) as play:
        play.refuses(FIRST)
        client = play.client()
        second = _answered(play, client)
        play.accepts(FIRST)
        play.later(11)
        other = play.client()
        client.says(ASKED)
        stream = play.same_origin()
        if stream is second:  # the scheduler's turn
            second.hears(FORWARDED)
            second.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
            client.says(ASKED)
            stream = play.origin(FIRST)
        stream.hears(FORWARDED)
        stream.says("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        assert client.overlooks()
        client._end_seen = False
        named = set()
        for _ in range(2):
            other.says(ASKED)
            origin = play.same_origin() if play.has_origin else second
            origin.hears(FORWARDED)
            named.add(origin.name)
            origin.says(ANSWER, b"hello")
            other.hears(ANSWER, b"hello")
        assert named == {f"origin {FIRST}", f"origin {SECOND}"}
        stream.says(b"0\r\n\r\n")
        client.overlooks()


def test_when_all_checks_fail_the_pool_is_asked_only_if_it_says_so() -> None:
    for more, status in (("", 503), ("fail_open = yes\n", 200)):
        with Play(TWO.replace("[route", more + "[route")) as play:
            for peer in play.pools["app"].peers:
                for _ in range(3):
                    peer.checked(CheckResult(0.0, 0.1, passed=False, reason="status 500"))
            peers = Peers(play)
            assert statuses(play, peers, 2) == [status, status]


def test_a_pool_that_was_down_serves_as_soon_as_one_peer_is_back() -> None:
    with Play(TWO.replace("[route", "max_fails = 1\n[route")) as play:
        ill = True
        peers = Peers(play, lambda _name, _head: LEAVES if ill else OK)
        assert set(statuses(play, peers, 5)) == {502}
        ill = False
        assert set(statuses(play, peers, 5)) == {200}


def test_a_peer_that_hangs_is_left_alone_when_its_clients_have_left() -> None:
    site = FOUR.replace("eject_ratio", "eject_latency = 1s\neject_window = 1m\neject_ratio")
    with Play(site) as play:
        peers = Peers(play, lambda name, _head: SILENCE if name == FIRST else OK)
        for _ in range(40):
            client = play.client()
            client.says(ASKED)
            peers.act()
            play.later(1.5)
            client.overlooks()
            client.resets()
            peers.act()
        # Five times, and once more on trial.
        assert peers.asked[FIRST] == 6
        peer = play.pools["app"].peers[0]
        assert (str(peer.state), peer.failures) == ("ejected", 0)
        assert peer.why.startswith("back from an ejection it was slow again: 1.")
