"""basic_auth: names and passwords."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import bcrypt
import pytest

from tests.kit.party import Message, Party
from tests.kit.peers import Peers
from tests.kit.play import Play

SITE = """
    [pool app]
    servers = 10.0.0.1:80
    [route /]
    pool = app
    basic_auth = users
    realm = Admin "Area"
"""


def site(directory: Path, knobs: str = "", users: str | None = None) -> Play:
    """A play whose users stand in a file."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (directory / "users").write_text(users if users is not None else f"anna:{hashed}\n")
    return Play(SITE + "".join(f"    {line}\n" for line in knobs.splitlines()), directory)


def asks(client: Party, credentials: str | None, *fields: str) -> None:
    """Send a request with Basic credentials."""
    if credentials is not None:
        fields = (*fields, f"Authorization: Basic {base64.b64encode(credentials.encode()).decode()}")
    client.says("\n".join(("GET / HTTP/1.1", "Host: example.com", *fields)))


def answer(play: Play, peers: Peers, credentials: str | None, *fields: str) -> Message:
    """What somebody gets who asks with Basic credentials."""
    client = play.client()
    asks(client, credentials, *fields)
    play.turn()
    peers.act()
    return client.hears_message()


def test_only_who_knows_his_password_may_in(tmp_path: Path) -> None:
    heads: list[str] = []
    with site(tmp_path) as play:
        peers = Peers(play, lambda _name, head: heads.append(head) or b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        refused = answer(play, peers, None)
        assert refused.status == 401
        assert refused.fields["www-authenticate"] == 'Basic realm="Admin \\"Area\\"", charset="UTF-8"'
        assert answer(play, peers, "anna:wrong").status == 401
        assert answer(play, peers, "anna:").status == 401
        assert answer(play, peers, "otto:secret").status == 401
        assert answer(play, peers, "Anna:secret").status == 401
        assert answer(play, peers, "anna:secret").status == 200
        assert [each.value("user") for each in play.finished][-1] == "anna"
        assert [each.value("error") for each in play.finished] == ["credentials_missing", *["credentials_wrong"] * 4, "-"]
        (head,) = heads
        assert "authorization" not in head.lower()


def test_the_peer_gets_the_password_if_that_is_wanted(tmp_path: Path) -> None:
    heads: list[str] = []
    with site(tmp_path, "basic_auth_pass = yes") as play:
        peers = Peers(play, lambda _name, head: heads.append(head) or b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert answer(play, peers, "anna:secret").status == 200
        assert "Authorization: Basic" in heads[0]


def test_the_site_may_tell_the_peer_who_it_is(tmp_path: Path) -> None:
    heads: list[str] = []
    knobs = "request_headers =\n        set X-User {user}\n        set Authorization Bearer ours"
    with site(tmp_path, knobs) as play:
        peers = Peers(play, lambda _name, head: heads.append(head) or b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert answer(play, peers, "anna:secret", "X-User: root").status == 200
        (head,) = heads
        assert "X-User: anna" in head
        assert "Authorization: Bearer ours" in head
        assert "root" not in head
        assert "Basic" not in head


@pytest.mark.parametrize(
    "field",
    [
        "Authorization: Basic",
        "Authorization: Basic ====",
        "Authorization: Basic YW5uYQ==",
        "Authorization: Bearer YW5uYTpzZWNyZXQ=",
        "Authorization: BasicYW5uYTpzZWNyZXQ=",
        "Authorization: Basic YW5uYTpzZWNyZXQ= extra",
        "Authorization: Basic YW5uYTpzZWNyZXQ=\nAuthorization: Basic YW5uYTpzZWNyZXQ=",
        "Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=",
        "Cookie: Authorization=Basic YW5uYTpzZWNyZXQ=",
    ],
)
def test_what_is_no_credentials_is_asked_for_them(tmp_path: Path, field: str) -> None:
    with site(tmp_path) as play:
        assert answer(play, Peers(play), None, *field.split("\n")).status == 401
        assert play.beside.works == 0


def test_a_right_password_is_remembered_for_a_while(tmp_path: Path) -> None:
    with site(tmp_path, "basic_auth_remember = 5s") as play:
        peers = Peers(play)
        for _ in range(10):
            assert answer(play, peers, "anna:secret").status == 200
        assert play.beside.works == 1
        play.later(6)
        assert answer(play, peers, "anna:secret").status == 200
        assert play.beside.works == 2
        for _ in range(10):
            assert answer(play, peers, "anna:wrong").status == 401
        assert play.beside.works == 3


def test_requests_that_come_at_once_share_the_check(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        peers = Peers(play)
        client = play.client()
        other = play.client()
        for each in (client, other):
            asks(each, "anna:secret")
        peers.act()
        assert client.hears_message().status == other.hears_message().status == 200
        assert play.beside.works <= 2


def test_a_changed_file_counts_within_a_second(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        peers = Peers(play)
        assert answer(play, peers, "anna:secret").status == 200
        (tmp_path / "users").write_text(f"anna:{bcrypt.hashpw(b'other', bcrypt.gensalt(4)).decode()}\n")
        os.utime(tmp_path / "users", (1, 1))
        play.later(1.1)
        assert answer(play, peers, "anna:secret").status == 401
        assert answer(play, peers, "anna:other").status == 200


def test_a_broken_file_leaves_things_as_they_are(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        peers = Peers(play)
        for broken in ("anna:plain text\n", None):
            if broken is None:
                (tmp_path / "users").unlink()
            else:
                (tmp_path / "users").write_text(broken)
            play.later(1.1)
            assert answer(play, peers, "anna:secret").status == 200
            assert answer(play, peers, "anna:plain text").status == 401


def test_who_guesses_waits(tmp_path: Path) -> None:
    with site(tmp_path, "basic_auth_delay = 2s") as play:
        peers = Peers(play)
        client = play.client()
        asks(client, "anna:wrong")
        play.later(1)
        client.hears_nothing()
        play.later(1.1)
        assert client.hears_message().status == 401
        assert answer(play, peers, None).status == 401
        assert answer(play, peers, "anna:secret").status == 200
        asks(client, "anna:wrong")
        play.later(1)
        client.resets()


def test_who_leaves_while_his_password_is_checked_is_forgotten(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        play.beside.seconds = 1.0
        client, other = play.client(), play.client()
        for each in (client, other):
            asks(each, "anna:secret")
        client.resets()
        assert play.exchange().status == 499
        play.later(2)
        Peers(play).act()
        assert other.hears_message().status == 200
        assert play.beside.works == 1


def test_more_passwords_than_can_be_checked_are_turned_away(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        play.beside.seconds = 1.0
        clients = [play.client() for _ in range(102)]
        for number, client in enumerate(clients):
            asks(client, f"anna:{number}")
        assert [clients[number].hears_message().status for number in (100, 101)] == [503, 503]
        assert play.exchange().value("error") == "auth_busy"
        play.later(60)
        for client in clients[:100]:
            assert client.hears_message().status == 401


def test_any_of_address_and_password_is_enough_where_the_site_says_so(tmp_path: Path) -> None:
    with site(tmp_path, "satisfy = any\nallow = 192.0.2.0/25") as play:
        peers = Peers(play)
        assert answer(play, peers, None).status == 200
        stranger = play.client(address="203.0.113.9")
        asks(stranger, None)
        assert stranger.hears_message().status == 401
        asks(stranger, "anna:secret")
        play.turn()
        peers.act()
        assert stranger.hears_message().status == 200


def test_both_are_needed_otherwise(tmp_path: Path) -> None:
    with site(tmp_path, "allow = 192.0.2.0/25") as play:
        peers = Peers(play)
        assert answer(play, peers, None).status == 401
        assert answer(play, peers, "anna:secret").status == 200
        stranger = play.client(address="203.0.113.9")
        asks(stranger, "anna:secret")
        assert stranger.hears_message().status == 403


def test_limits_know_the_user(tmp_path: Path) -> None:
    users = "".join(f"{name}:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n" for name in ("anna", "otto"))
    with site(tmp_path, "limits = l\n[limit l]\nkey = {user}\nrate = 1r/s", users) as play:
        peers = Peers(play)
        assert answer(play, peers, "anna:secret").status == 200
        assert answer(play, peers, "anna:secret").status == 429
        assert answer(play, peers, "otto:secret").status == 200
        assert answer(play, peers, "otto:wrong").status == 401


def test_a_websocket_needs_the_password_too(tmp_path: Path) -> None:
    fields = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with site(tmp_path) as play:
        peers = Peers(play)
        assert answer(play, peers, None, *fields).status == 401
        client = play.client()
        asks(client, "anna:secret", *fields)
        play.turn()
        origin = play.origin()
        head = origin.hears_message()
        assert "authorization" not in head.fields
        assert head.fields["upgrade"] == "websocket"
        client.resets()
        origin.overlooks()


def test_a_body_is_held_back_until_the_password_is_known(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        play.beside.seconds = 1.0
        credentials = base64.b64encode(b"anna:secret").decode()
        client = play.client()
        client.says(
            f"POST / HTTP/1.1\nHost: example.com\nContent-Length: 300000\nAuthorization: Basic {credentials}", b"x" * 100_000
        )
        client.says(b"x" * 200_000)
        assert client.waiting >= 200_000
        play.later(1.1)
        assert client.waiting == 0
        Peers(play).act()
        assert client.hears_message().status == 200
        assert play.exchange().bytes_received == 300_000


@pytest.mark.parametrize(("control", "asked"), [(b"public, max-age=60", 1), (b"max-age=60", 2)])
def test_what_is_cached_for_users_is_not_for_others(tmp_path: Path, control: bytes, asked: int) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: %b\r\n\r\nok" % control
    with site(tmp_path, "cache = c\n[cache c]\ndirectory = cache") as play:
        peers = Peers(play, lambda _name, _head: said)
        assert answer(play, peers, "anna:secret").status == 200
        assert answer(play, peers, "anna:secret").status == 200
        assert peers.asked["10.0.0.1:80"] == asked
        # The guard stands before the cache.
        assert answer(play, peers, None).status == 401
