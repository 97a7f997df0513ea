"""What an operator sees of WebSockets in the shell, and does with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.frames import BINARY, CLOSE, TEXT, closing, frame, from_client, hears_close, hears_frame
from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ONE
from tests.scenes.test_websocket_messages import AGREED, ASKS, MESSAGES, opened
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.verbs import Verbs
from twistedproxy.admin.websockets import shown
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.websocket.recording import BadRecording, client_messages


def verbs(play: Play) -> dict[str, Any]:
    """What an operator can say."""
    site = play.site
    routes = RouteTable(play.routes.values())
    live = Live(
        Settings(SiteSettings(), (), ()),
        play.pools,
        play.caches,
        routes,
        list(play.listeners.values()),
        play.clock,
        play.clock.wall(),
        websockets=site.websockets,
    )
    return Verbs(live, "alice@laptop", lambda: None).namespace()


def tunnelled(play: Play) -> tuple[Party, Party]:
    client = play.client()
    client.says(ASKS)
    origin = play.origin()
    origin.hears_message(head_only=True)
    origin.says(AGREED)
    client.hears(AGREED)
    return client, origin


def test_websockets_are_listed_with_what_passed() -> None:
    with Play(MESSAGES) as play:
        assert repr(verbs(play)["websockets"]()) == "no WebSockets"
        client, origin = opened(play)
        client.says(from_client(TEXT, "hello"), from_client(TEXT, "you"))
        origin.says(frame(BINARY, b"x" * 2048))
        play.later(90)
        header, row = repr(verbs(play)["websockets"]()).splitlines()
        assert header.split("  ")[0] == "NUMBER"
        assert row.split()[:8] == ["1", "192.0.2.1", "/", "10.0.0.1:80", "1m30s", "1m30s", "2", "1"]
        client.overlooks()
        origin.overlooks()


def test_a_tunnel_is_listed_and_closed_but_not_looked_into() -> None:
    with Play(ONE) as play:
        client, origin = tunnelled(play)
        said = verbs(play)
        assert "192.0.2.1" in repr(said["websockets"]())
        for verb in ("tail", "send"):
            with pytest.raises(VerbError, match="joins bytes"):
                said[verb](1, *(["x"] if verb == "send" else []))
        with pytest.raises(VerbError, match="joins bytes"):
            said["record"](1, "/tmp/never")
        assert str(said["close"](1)) == "WebSocket 1 of 192.0.2.1 is closed"
        play.turn()
        client.sees_end()
        origin.sees_end()


def test_tail_shows_messages_without_secrets() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        results: list[str] = []
        verbs(play)["tail"](1, messages=3).addCallback(lambda said: results.append(str(said)))
        client.says(from_client(TEXT, '{"user": "bob", "password": "hunter2"}'))
        play.later(1)
        origin.says(frame(BINARY, b"\0\1"))
        assert not results
        client.says(from_client(TEXT, "x" * 1000), from_client(TEXT, "not shown"))
        (text,) = results
        first, second, third = text.splitlines()
        assert first.endswith('→ {"user": "bob", "password": …}')
        assert second.split()[0] in ("1.000", "1.020")
        assert second.endswith("← binary, 2 bytes: 00 01")
        assert third.endswith("→ " + "x" * 200 + " …")
        client.overlooks()
        origin.overlooks()


def test_tail_ends_with_its_time_or_with_the_websocket() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        results: list[str] = []
        verbs(play)["tail"](1, seconds=5).addCallback(lambda said: results.append(str(said)))
        play.later(6)
        assert results == ["nothing was said"]
        verbs(play)["tail"](1).addCallback(lambda said: results.append(str(said)))
        client.says(from_client(CLOSE, closing(1000)))
        assert results[1] == "ended: client closed with 1000"
        hears_close(origin, 1000)
        origin.says(frame(CLOSE, closing(1000)))
        hears_close(client, 1000)
        client.sees_end()


def test_close_tells_both_sides_and_send_the_client_only() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        said = verbs(play)
        said["send"](1, "maintenance at noon")
        play.turn()
        hears_frame(client, TEXT, "maintenance at noon")
        said["send"](1, b"\0")
        play.turn()
        hears_frame(client, BINARY, b"\0")
        said["close"](1, 4001, "enough")
        play.turn()
        hears_close(client, 4001, "enough")
        hears_close(origin, 4001, "enough")
        client.says(from_client(CLOSE, closing(4001)))
        origin.says(frame(CLOSE, closing(4001)))
        client.sees_end()
        client.leaves()
        origin.leaves()
        with pytest.raises(VerbError, match="there is no WebSocket 1"):
            said["close"](1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [((1, 1005), "a code is"), ((1, 999), "a code is"), ((1, "x"), "a code is"), ((1, 1000, "x" * 124), "123 bytes")],
)
def test_close_knows_what_can_be_said(arguments: tuple[Any, ...], problem: str) -> None:
    with Play(MESSAGES) as play:
        opened(play)
        with pytest.raises(VerbError, match=problem):
            verbs(play)["close"](*arguments)


@pytest.mark.parametrize("what", [1, "/"])
def test_a_recording_has_every_message_and_can_be_read_back(what: Any, tmp_path: Path) -> None:
    file = str(tmp_path / "talk.jsonl")
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        said = verbs(play)
        said["record"](what, file)
        with pytest.raises(VerbError, match="is being recorded to"):
            said["record"](what, file)
        client.says(from_client(TEXT, "grüße"))
        play.later(2)
        client.says(from_client(BINARY, b"\0\1", fin=False), from_client(0, b"\2"))
        origin.says(frame(TEXT, "answer"))
        if what == "/":
            play.client(address="192.0.2.9").says(ASKS)
            second = play.origin()
            second.says(AGREED)
            second.overlooks()
            play._clients[-1].overlooks()
            play._clients[-1].says(from_client(TEXT, "of another"))
            second.overlooks()
        assert f"{4 if what == '/' else 3} messages recorded" in str(said["record"](file))
        client.overlooks()
        origin.overlooks()
    lines = [json.loads(line) for line in Path(file).read_text().splitlines()]
    assert lines[0]["client"] == "192.0.2.1"
    assert [line.get("from") for line in lines[1:5]] == ["client", "client", "client", "peer"]
    assert Path(file).stat().st_mode & 0o777 == 0o600
    messages = list(client_messages(file))
    assert [(round(at), opcode, data) for at, opcode, data in messages] == [(0, TEXT, "grüße".encode()), (2, BINARY, b"\0\1\2")]
    if what == "/":
        assert [data for _, _, data in client_messages(file, 2)] == [b"of another"]


def test_a_recording_that_cannot_be_written_or_stopped_is_told() -> None:
    with Play(MESSAGES) as play:
        opened(play)
        said = verbs(play)
        with pytest.raises(VerbError, match="cannot be written"):
            said["record"](1, "/nowhere/at/all")
        with pytest.raises(VerbError, match="nothing is recorded to"):
            said["record"]("x")
        with pytest.raises(VerbError, match="there is no route"):
            said["record"]("/nowhere/", "/tmp/never")


@pytest.mark.parametrize(
    "line", ["no json", "[]", '{"from": "client"}', '{"websocket": 1, "from": "client", "at": 1, "base64": "ä"}']
)
def test_what_is_no_recording_is_refused(line: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(line + "\n", "latin-1")
    with pytest.raises((BadRecording, UnicodeDecodeError)):
        list(client_messages(str(file)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("token=abc&x=1", "token=…&x=1"),
        ('{"api_key":"a b","n":1}', '{"api_key":…,"n":1}'),
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ('["auth", "Bearer abc.def"]', '["auth", "Bearer …"]'),
        ('{"sessionId": 17}', '{"sessionId": …}'),
        ("a passage", "a passage"),
    ],
)
def test_values_that_look_like_secrets_are_left_out(text: str, wanted: str) -> None:
    assert shown(TEXT, text.encode(), True).startswith(wanted)
