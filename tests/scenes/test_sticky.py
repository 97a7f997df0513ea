"""Clients that come again meet the peer that they met before, as long as that can be."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ASKED, FIRST, SECOND

SITE = """
[pool app]
balance = BALANCE
sticky = STICKY
max_fails = 1
fail_timeout = 30s
servers =
    10.0.0.1:80
    10.0.0.2:80
[route /]
pool = app
retry = error 503
"""
BACKED_UP = SITE.replace("10.0.0.2:80", "10.0.0.2:80 backup")
ANSWER = """
    HTTP/1.1 200 OK
    Content-Length: 0
"""
UPGRADE = """
    GET /chat HTTP/1.1
    Host: example.com
    Connection: Upgrade
    Upgrade: websocket
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
    Sec-WebSocket-Version: 13
"""
UPGRADED = """
    HTTP/1.1 101 Switching Protocols
    Upgrade: websocket
    Connection: Upgrade
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
"""


def sticky(how: str, balance: str = "round_robin", site: str = SITE) -> str:
    return site.replace("STICKY", how).replace("BALANCE", balance)


def asks(play: Play, client: Party, cookie: str = "", answer: str = ANSWER, more: str = "") -> tuple[str, str]:
    """Who has answered a request, and the Set-Cookie that came with it."""
    head = f"{ASKED.rstrip()}{f'{chr(10)}    Cookie: {cookie}' if cookie else ''}{more}\n"
    client.says(head)
    (connection,) = [one for one in play.connections() if one.exchange is not None]
    assert connection.exchange is not None
    name = connection.exchange.peer_name
    for party in play._parties:
        if party.name == f"origin {name}" and party.heard:
            party.heard = b""
            party.says(answer)
            break
    play._unclaimed.clear()
    message = client.hears_message()
    return name, message.fields.get("set-cookie", "")


def value(set_cookie: str) -> str:
    return set_cookie.partition(";")[0]


def counts(play: Play) -> tuple[int, int, int, int]:
    bindings = play.pools["app"].bindings
    assert bindings is not None
    return bindings.kept, bindings.made, bindings.moved, bindings.unknown


def test_two_clients_stay_each_with_its_own_peer() -> None:
    with Play(sticky("cookie srv")) as play:
        one, other = play.client(), play.client(address="192.0.2.2")
        first, of_one = asks(play, one)
        second, of_other = asks(play, other)
        assert {first, second} == {FIRST, SECOND}
        assert value(of_one) != value(of_other)
        for _ in range(3):
            assert asks(play, one, value(of_one)) == (first, "")
            assert asks(play, other, f"theme=dark; {value(of_other)}") == (second, "")
        assert counts(play) == (6, 2, 0, 0)


def test_the_cookie_says_what_site_ini_says_and_no_address() -> None:
    how = "cookie srv_id expires=1h domain=.example.com path=/shop secure httponly samesite=lax"
    with Play(sticky(how)) as play:
        _, cookie = asks(play, play.client())
        name, _, attributes = cookie.partition("; ")
        assert attributes == "Path=/shop; Max-Age=3600; Domain=example.com; Secure; HttpOnly; SameSite=Lax"
        assert name.startswith("srv_id=")
        assert len(name) == len("srv_id=") + 24


def test_a_cookie_that_expires_is_renewed_by_each_answer() -> None:
    with Play(sticky("cookie srv expires=1h")) as play:
        client = play.client()
        peer, cookie = asks(play, client)
        assert asks(play, client, value(cookie)) == (peer, cookie)


@pytest.mark.parametrize("forged", ["srv=10.0.0.1:80", "srv=AAAAAAAAAAAAAAAAAAAAAAAA", "srv=", "srv", "srv=1", "SRV=1"])
def test_a_cookie_that_is_not_ours_is_ignored_and_replaced(forged: str) -> None:
    with Play(sticky("cookie srv")) as play:
        client = play.client()
        peers = set()
        for _ in range(2):
            peer, cookie = asks(play, client, forged)
            assert cookie.startswith("srv=") and value(cookie) != forged
            peers.add(peer)
        # Nobody chooses a peer by making one up.
        assert peers == {FIRST, SECOND}


def test_a_cookie_with_one_character_changed_stands_for_nobody() -> None:
    with Play(sticky("cookie srv")) as play:
        client = play.client()
        _, cookie = asks(play, client)
        changed = value(cookie)[:-1] + ("A" if value(cookie)[-1] != "A" else "B")
        _, again = asks(play, client, changed)
        assert again.startswith("srv=")
        assert counts(play) == (0, 2, 0, 1)


@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "least_time", "random_two", "hash {uri}"])
def test_a_client_whose_peer_fails_goes_to_another_one_and_stays_there(balance: str) -> None:
    with Play(sticky("cookie srv", balance)) as play:
        client = play.client()
        first, cookie = asks(play, client)
        play.refuses(first)
        for party in play._parties:
            if party.name.startswith("origin"):
                party.leaves()
        other, moved = asks(play, client, value(cookie))
        assert other != first
        assert value(moved) not in ("", value(cookie))
        # The first one is back.
        play.accepts(first)
        play.later(40)
        assert asks(play, client, value(moved)) == (other, "")
        assert counts(play) == (1, 1, 1, 0)


def test_a_client_whose_peer_answers_badly_is_bound_to_the_one_that_answers_well() -> None:
    with Play(sticky("cookie srv")) as play:
        client = play.client()
        peer, cookie = asks(play, client)
        client.says(ASKED.rstrip() + f"\n    Cookie: {value(cookie)}\n")
        for party in play._parties:
            if party.name == f"origin {peer}":
                party.heard = b""
                party.says("HTTP/1.1 503 Service Unavailable\nContent-Length: 0")
        origin = play.origin()
        origin.overlooks()
        origin.says(ANSWER)
        answer = client.hears_message()
        assert answer.status == 200
        assert value(answer.fields["set-cookie"]) != value(cookie)


def test_an_answer_of_our_own_binds_nobody() -> None:
    with Play(sticky("cookie srv")) as play:
        for peer in (FIRST, SECOND):
            play.refuses(peer)
        client = play.client()
        client.says(ASKED)
        answer = client.hears_message()
        assert answer.status == 502
        assert "set-cookie" not in answer.fields


@pytest.mark.parametrize("way", ["drain", "weight"])
def test_a_peer_that_drains_keeps_its_clients_and_gets_no_new_ones(way: str) -> None:
    with Play(sticky("cookie srv")) as play:
        client = play.client()
        peer, cookie = asks(play, client)
        pool = play.pools["app"]
        if way == "drain":
            pool.drain(peer)
        else:
            pool.set_weight(peer, 0)
        for party in play._parties:
            party.overlooks()
        assert asks(play, client, value(cookie)) == (peer, "")
        for party in play._parties:
            party.overlooks()
        for _ in range(3):
            assert asks(play, client)[0] != peer
        pool.maintain(peer)
        for party in play._parties:
            party.overlooks()
        other, moved = asks(play, client, value(cookie))
        assert other != peer and value(moved)


def test_a_backup_keeps_its_clients_as_long_as_it_serves() -> None:
    with Play(sticky("cookie srv", site=BACKED_UP)) as play:
        client = play.client()
        pool = play.pools["app"]
        pool.maintain(FIRST)
        peer, cookie = asks(play, client)
        assert peer == SECOND
        assert asks(play, client, value(cookie)) == (SECOND, "")
        pool.restore(FIRST)
        assert asks(play, client, value(cookie))[0] == FIRST


def test_a_peer_that_is_full_keeps_its_clients_though_another_one_serves_them_now() -> None:
    site = sticky("cookie srv").replace("10.0.0.1:80", "10.0.0.1:80 max_connections=1")
    with Play(site) as play:
        client = play.client()
        peer, cookie = asks(play, client)
        assert peer == FIRST
        play.pools["app"].peer(FIRST).begin()
        assert asks(play, client, value(cookie)) == (SECOND, "")
        play.pools["app"].peer(FIRST).succeed(play.clock.monotonic())
        assert asks(play, client, value(cookie)) == (FIRST, "")


def test_the_101_of_a_websocket_has_the_cookie() -> None:
    with Play(sticky("cookie srv")) as play:
        client = play.client()
        client.says(UPGRADE)
        origin = play.origin()
        origin.overlooks()
        origin.says(UPGRADED)
        answer = client.hears_message()
        assert answer.status == 101
        cookie = value(answer.fields["set-cookie"])
        assert cookie.startswith("srv=")
        client.says(b"I listen")
        origin.hears(b"I listen")
        # Another WebSocket of the same client goes there, too.
        second = play.client()
        second.says(UPGRADE.rstrip() + f"\n    Cookie: {cookie}\n")
        again = play.origin()
        assert again.name == origin.name
        again.overlooks()
        again.says(UPGRADED)
        assert "set-cookie" not in second.hears_message().fields


def test_our_cookie_is_not_stored_and_hits_have_none(tmp_path: object) -> None:
    site = sticky("cookie srv") + f"cache = c\n[cache c]\ndirectory = {tmp_path}/cache\n"
    answer = 'HTTP/1.1 200 OK\nCache-Control: max-age=60\nETag: "1"\nContent-Length: 0'
    with Play(site) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.overlooks()
        origin.says(answer)
        message = client.hears_message()
        assert (message.fields["x-cache-status"], message.fields["set-cookie"][:4]) == ("MISS", "srv=")
        play.later(1)
        client.says(ASKED)
        message = client.hears_message()
        assert message.fields["x-cache-status"] == "HIT"
        assert "set-cookie" not in message.fields
        # Nor has what is stored and was validated.
        play.later(61)
        origin.overlooks()
        client.says(ASKED)
        origin = play.same_origin()
        origin.overlooks()
        origin.says("HTTP/1.1 304 Not Modified\nCache-Control: max-age=60")
        message = client.hears_message()
        assert message.status == 200
        assert "set-cookie" not in message.fields


def test_the_applications_cookie_is_learnt_and_followed() -> None:
    begins = "HTTP/1.1 200 OK\nContent-Length: 0\nSet-Cookie: theme=dark\nSet-Cookie: SID=NUMBER; Path=/; HttpOnly"
    with Play(sticky("learn SID")) as play:
        one, other = play.client(), play.client(address="192.0.2.2")
        first, _ = asks(play, one, answer=begins.replace("NUMBER", "one"))
        second, _ = asks(play, other, answer=begins.replace("NUMBER", "other"))
        assert first != second
        for _ in range(3):
            assert asks(play, one, "SID=one")[0] == first
            assert asks(play, other, "SID=other")[0] == second
        assert counts(play) == (6, 2, 0, 0)
        # Nobody is bound by a session that no peer has given.
        assert {asks(play, one, "SID=made-up")[0] for _ in range(2)} == {FIRST, SECOND}
        assert counts(play) == (6, 2, 0, 2)


def test_a_learnt_session_goes_elsewhere_when_its_peer_is_gone_and_stays_there() -> None:
    with Play(sticky("learn SID")) as play:
        client = play.client()
        first, _ = asks(play, client, answer=f"{ANSWER.rstrip()}\n    Set-Cookie: SID=one\n")
        play.pools["app"].maintain(first)
        for party in play._parties:
            party.overlooks()
        other, _ = asks(play, client, "SID=one")
        assert other != first
        play.pools["app"].restore(first)
        for _ in range(3):
            assert asks(play, client, "SID=one")[0] == other
        assert counts(play) == (3, 1, 1, 0)


def test_a_learnt_session_whose_peer_refuses_it_is_moved_and_one_that_is_renewed_stays() -> None:
    with Play(sticky("learn SID")) as play:
        client = play.client()
        first, _ = asks(play, client, answer=f"{ANSWER.rstrip()}\n    Set-Cookie: SID=one\n")
        for party in play._parties:
            if party.name == f"origin {first}":
                party.leaves()
        play.refuses(first)
        other, _ = asks(play, client, "SID=one")
        assert other != first
        assert counts(play) == (0, 1, 1, 0)
        renewed = f"{ANSWER.rstrip()}\n    Set-Cookie: SID=two; HttpOnly\n"
        assert asks(play, client, "SID=one", answer=renewed)[0] == other
        assert asks(play, client, "SID=two")[0] == other
        assert counts(play) == (2, 1, 1, 0)


def test_an_answer_of_our_own_teaches_nothing() -> None:
    with Play(sticky("learn SID")) as play:
        for peer in (FIRST, SECOND):
            play.refuses(peer)
        client = play.client()
        client.says(ASKED)
        assert client.hears_message().status == 502
        assert counts(play) == (0, 0, 0, 0)


@pytest.mark.parametrize("end", ["Max-Age=0", "max-age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_session_that_the_application_ends_binds_nobody_any_more(end: str) -> None:
    with Play(sticky("learn SID")) as play:
        client = play.client()
        asks(play, client, answer=f"{ANSWER.rstrip()}\n    Set-Cookie: SID=one\n")
        asks(play, client, "SID=one", answer=f"{ANSWER.rstrip()}\n    Set-Cookie: SID=; {end}\n")
        assert {asks(play, client, "SID=one")[0] for _ in range(2)} == {FIRST, SECOND}


def test_a_learnt_session_that_is_not_used_is_forgotten() -> None:
    with Play(sticky("learn SID timeout=60s")) as play:
        client = play.client()
        asks(play, client, answer=f"{ANSWER.rstrip()}\n    Set-Cookie: SID=one\n")
        play.later(61)
        for party in play._parties:
            party.overlooks()
        assert {asks(play, client, "SID=one")[0] for _ in range(2)} == {FIRST, SECOND}


@pytest.mark.parametrize(
    "site",
    [
        sticky("hash {client}"),
        sticky("hash {client}", "least_time"),
        SITE.replace("sticky = STICKY\n", "").replace("BALANCE", "hash {client}"),
    ],
)
def test_by_its_hash_a_client_goes_to_the_same_peer_on_every_connection(site: str) -> None:
    with Play(site) as play:
        seen: dict[str, set[str]] = {}
        for number in (1, 2, 3, 4, 5, 6):
            for _ in range(2):
                address = f"192.0.2.{number}"
                seen.setdefault(address, set()).add(asks(play, play.client(address=address))[0])
        assert all(len(peers) == 1 for peers in seen.values())
        assert set.union(*seen.values()) == {FIRST, SECOND}


def test_requests_without_the_key_are_scheduled_as_the_pool_does_otherwise() -> None:
    with Play(sticky("hash {cookie.SID}{header.X-Tenant}")) as play:
        client = play.client()
        assert {asks(play, client)[0] for _ in range(2)} == {FIRST, SECOND}
        assert len({asks(play, client, "SID=one")[0] for _ in range(3)}) == 1
        assert len({asks(play, client, more="\n    X-Tenant: acme")[0] for _ in range(3)}) == 1


def test_sticky_by_one_hash_and_balanced_by_another() -> None:
    with Play(sticky("hash {cookie.SID}", "hash {client}")) as play:
        seen = {asks(play, play.client(address=f"192.0.2.{number}"))[0] for number in (1, 2, 3, 4, 5, 6)}
        assert seen == {FIRST, SECOND}
        together = {asks(play, play.client(address=f"192.0.2.{number}"), "SID=one")[0] for number in (1, 2, 3, 4, 5, 6)}
        assert len(together) == 1


def test_least_time_goes_to_the_peer_that_answers_sooner() -> None:
    with Play(SITE.replace("sticky = STICKY\n", "").replace("BALANCE", "least_time")) as play:
        client = play.client()
        for wait in (0.5, 0.1):
            client.says(ASKED)
            origin = play.origin()
            origin.overlooks()
            play.later(wait)
            origin.says(ANSWER)
            client.hears(ANSWER)
        assert asks(play, client)[0] == SECOND
        assert asks(play, client)[0] == SECOND
