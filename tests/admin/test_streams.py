"""Streams as operators see them: in tables, in /status.json, in logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.admin.site import Log, live_site, names
from tests.kit.play import Play
from tests.logs.places import place
from tests.wire.client_hellos import hello
from twistedproxy.admin.failure_log import FailureLog
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.status import snapshot
from twistedproxy.logs.making import make_log
from twistedproxy.logs.stream_lines import VALUES, line_of
from twistedproxy.settings.logs import LogSettings
from twistedproxy.templates import STREAM_NAMES

SITE = """
[stream db]
on = tcp:5432
pool = db
[stream door]
on = tcp:443
sni = a.example db
[pool db]
servers = 10.0.0.1:5432 max_connections=2
queue = 5
"""


def live(play: Play) -> Live:
    """The streams of *play* among other things."""
    site = live_site(play.clock)
    site.listeners = list(play.streams.values())
    return site


def test_the_shell_shows_what_each_connection_does_and_ends_it() -> None:
    with Play(SITE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        client.says(b"x" * 2048)
        origin.hears(b"x" * 2048)
        play.ignores("10.0.0.1:5432")
        passed = play.client(listener="door", address="192.0.2.2")
        passed.says(hello("a.example"))
        waits = play.client(listener="db")
        verbs: dict[str, Any] = names(live(play))
        shown = str(verbs["connections"]())
        assert "db (tcp)" in shown and "stream → 10.0.0.1:5432, 2.0k up, 0 down" in shown
        assert "door (tls)" in shown and "stream a.example, connects to 10.0.0.1:5432" in shown
        assert "stream, waits in the queue of db" in shown
        assert "db (stream)" in str(verbs["listeners"]())
        # Numbers are the same over all listeners.
        with pytest.raises(VerbError, match="there is no connection 1"):
            verbs["kill"](1, "door")
        verbs["kill"](1)
        client.sees_cut()
        origin.sees_cut()
        verbs["kill"](2)
        passed.sees_cut()
        verbs["kill"](3)
        waits.sees_cut()
        assert snapshot(live(play))["listeners"][1]["kind"] == "stream"
    assert [str(ended.reason) for ended in play.ended] == ["killed"] * 3


@pytest.fixture
def play() -> Iterator[Play]:
    """A stream of a client that has come and gone."""
    with Play(SITE) as play:
        client = play.client(listener="door")
        client.says(hello("a.example"))
        origin = play.origin()
        origin.hears(hello("a.example"))
        origin.says(b"hello")
        play.later(2)
        client.hears(b"hello")
        client.leaves()
        origin.sees_end()
        origin.leaves()
        yield play


def test_the_usual_line_says_who_when_where_how_long_and_how_much(play: Play) -> None:
    line = line_of("combined")(play.ended[0]).decode()
    before, _, after = line.partition(" [")
    assert before == "192.0.2.1:50001"
    assert after.partition("] ")[2] == f"door a.example db/10.0.0.1:5432 0.000 2.000 {len(hello('a.example'))} 5 -\n"


def test_json_says_it_by_name(play: Play) -> None:
    said = json.loads(line_of("json")(play.ended[0]))
    assert said.pop("time_iso").endswith(":00")
    assert said == {
        "client": "192.0.2.1",
        "client_port": 50001,
        "port": "80",
        "scheme": "tls",
        "stream": "door",
        "server_name": "a.example",
        "pool": "db",
        "peer": "10.0.0.1:5432",
        "tries": 1,
        "bytes_sent": 5,
        "bytes_received": len(hello("a.example")),
        "connect_time": 0.0,
        "session_time": 2.0,
    }


def test_templates_know_every_name(play: Play) -> None:
    assert set(VALUES) == STREAM_NAMES
    text = " ".join(f"{{{name}}}" for name in sorted(STREAM_NAMES))
    assert line_of(text)(play.ended[0]).startswith(b"%d 5 192.0.2.1 50001 0.000 - 10.0.0.1:5432 " % len(hello("a.example")))


def test_a_log_of_streams_is_written(play: Play, tmp_path: Any) -> None:
    log = make_log(LogSettings("s", file=str(tmp_path / "log"), format="{stream} {error}", of="streams"), place(play.clock))
    log.startService()
    log.exchange_finished(play.ended[0])
    log.stopService()
    assert (tmp_path / "log").read_text() == "door -\n"


def test_the_operators_log_says_why_no_peer_was_found() -> None:
    with Log(FailureLog.__module__) as said, Play(SITE) as play:
        log = FailureLog(play.clock)
        play.refuses("10.0.0.1:5432")
        play.client(listener="db").sees_cut()
        play.client(listener="door").leaves()
        for ended in play.ended:
            log.stream_ended(ended)
    assert said.lines == [
        "stream db: no peer for 192.0.2.1: refused: the peer refused the connection; pool db, peer 10.0.0.1:5432. "
        "Remedy: nobody listens at that address: start the server, or correct its line in servers",
    ]
