"""The site's file is read again, and streams go on: on changed pools, with other names, and after their section has gone."""

from __future__ import annotations

from tests.kit.reloading import ReloadingPlay, open_sockets
from tests.wire.client_hellos import hello

SITE = """
[site]
state_dir = /state
[stream db]
on = tcp:5432
pool = db
idle_timeout = 60s
[stream door]
on = tcp:443
sni =
    a.example db
[pool db]
servers = 10.0.0.1:5432
[pool other]
servers = 10.0.0.2:5432
[stream spare]
on = tcp:5433
pool = other
"""


def test_a_stream_that_leads_elsewhere_keeps_its_connections_and_sends_new_ones_there() -> None:
    with ReloadingPlay(SITE) as play:
        client = play.client(listener="db")
        origin = play.origin("10.0.0.1:5432")
        play.reload(("pool = db\nidle", "pool = other\nidle"))
        client.says(b"still here")
        origin.hears(b"still here")
        later = play.client(listener="db")
        later.says(b"hello")
        play.origin("10.0.0.2:5432").hears(b"hello")
        assert [sorted(open_sockets(play))] == [["*:443", "*:5432", "*:5433"]]


def test_names_are_those_of_the_file_as_it_is_now() -> None:
    with ReloadingPlay(SITE) as play:
        play.reload(("    a.example db", "    a.example other\n    b.example db"))
        for name, peer in (("a.example", "10.0.0.2:5432"), ("b.example", "10.0.0.1:5432")):
            client = play.client(listener="door")
            client.says(hello(name))
            play.origin(peer).hears(hello(name))


def test_who_may_come_in_is_decided_anew() -> None:
    with ReloadingPlay(SITE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        play.reload(("idle_timeout = 60s", "deny = 192.0.2.0/24"))
        play.client(listener="db").sees_end()
        client.says(b"I was here before")
        origin.hears(b"I was here before")


def test_a_stream_that_has_gone_from_the_file_ends_when_its_connections_do() -> None:
    with ReloadingPlay(SITE) as play:
        client = play.client(listener="spare")
        origin = play.origin("10.0.0.2:5432")
        play.reload(("[stream spare]\non = tcp:5433\npool = other\n", ""), ("a.example db", "a.example other"))
        assert "*:5433" not in open_sockets(play)
        client.says(b"bye")
        origin.hears(b"bye")
        client.leaves()
        origin.sees_end()
        origin.leaves()
    assert [ended.reason for ended in play.ended] == [None]


def test_connections_with_a_peer_that_a_reload_took_out_end_in_time() -> None:
    with ReloadingPlay(SITE.replace("idle_timeout = 60s", "drain_timeout = 30s")) as play:
        client = play.client(listener="db")
        origin = play.origin("10.0.0.1:5432")
        play.reload(("servers = 10.0.0.1:5432", "servers = 10.0.0.9:5432"))
        play.later(29)
        client.says(b"still here")
        origin.hears(b"still here")
        play.later(2)
        client.sees_end()
        origin.sees_end()
