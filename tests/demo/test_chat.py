# mypy: allow-untyped-calls
"""The chat in memory: an autobahn server on a string transport, and a browser that speaks frames by hand."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twistedproxy.demo.chat import KEPT, LINE_LENGTH, MEMBERS, NAME_LENGTH, ChatFactory

ADDRESS = IPv4Address("TCP", "127.0.0.1", 1)


class Wire(StringTransport):
    """A string transport that lets a producer be unregistered twice, as Twisted's real transports do."""

    def unregisterProducer(self) -> None:
        """Forget the producer, if there is one."""
        if self.producer is not None:
            super().unregisterProducer()


class Tab:
    """A browser's tab that is connected to the chat."""

    def __init__(self, factory: ChatFactory, *fields: str) -> None:
        made: Any = factory.buildProtocol(ADDRESS)
        self.protocol = made
        self.transport = Wire(ADDRESS, ADDRESS)
        self.protocol.makeConnection(self.transport)
        head = ("GET /chat HTTP/1.1", "Host: demo", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        self.protocol.dataReceived("\r\n".join((*head, key, *fields, "", "")).encode())
        self.head = self.transport.value().decode().lower()
        self.transport.clear()

    def send(self, message: Any) -> None:
        """Send a text frame, masked by zeros (RFC 6455 §5.3)."""
        data = (message if isinstance(message, str) else json.dumps(message)).encode()
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack("!H", len(data))
        self.protocol.dataReceived(b"\x81" + length + bytes(4) + data)

    def heard(self) -> list[Any]:
        """What came since the last time: objects, and the code of a close frame."""
        data, found = self.transport.value(), []
        self.transport.clear()
        while data:
            length, start = data[1], 2
            if length == 126:
                length, start = struct.unpack("!H", data[2:4])[0], 4
            payload = data[start : start + length]
            found.append(json.loads(payload) if data[0] == 0x81 else struct.unpack("!H", payload[:2])[0])
            data = data[start + length :]
        return found

    def leave(self) -> None:
        """Close the tab."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def enter(self, name: str) -> None:
        """Tell a name."""
        self.send({"kind": "enter", "name": name})


@pytest.fixture
def factory() -> ChatFactory:
    return ChatFactory(MemoryReactorClock())


def members(*names: tuple[str, str]) -> dict[str, Any]:
    return {"kind": "members", "members": [{"name": name, "scheme": scheme} for name, scheme in names]}


def test_the_terms_are_negotiated(factory: ChatFactory) -> None:
    offer = ("Sec-WebSocket-Protocol: other, chat.demo", "Sec-WebSocket-Extensions: permessage-deflate")
    head = Tab(factory, *offer).head
    assert head.startswith("http/1.1 101 ")
    assert "sec-websocket-protocol: chat.demo" in head
    assert "sec-websocket-extensions: permessage-deflate" in head
    plain = Tab(factory).head
    assert "sec-websocket-protocol" not in plain
    assert "sec-websocket-extensions" not in plain


def test_everybody_hears_who_is_there_and_what_is_said(factory: ChatFactory) -> None:
    ada, bob = Tab(factory), Tab(factory, "X-Forwarded-Proto: https")
    ada.enter("Ada")
    bob.enter("Bob")
    assert ada.heard() == [{"kind": "before", "lines": []}, members(("Ada", "ws")), members(("Ada", "ws"), ("Bob", "wss"))]
    assert bob.heard() == [{"kind": "before", "lines": []}, members(("Ada", "ws"), ("Bob", "wss"))]
    bob.send({"kind": "say", "text": " good \n morning "})
    for tab in (ada, bob):
        (line,) = tab.heard()
        assert (line["kind"], line["name"], line["text"]) == ("line", "Bob", "good morning")


def test_a_newcomer_reads_the_last_lines(factory: ChatFactory) -> None:
    ada = Tab(factory)
    ada.enter("Ada")
    for number in range(KEPT + 1):
        ada.send({"kind": "say", "text": str(number)})
    bob = Tab(factory)
    bob.enter("Bob")
    assert [line["text"] for line in bob.heard()[0]["lines"]] == [str(number) for number in range(1, KEPT + 1)]


def test_who_leaves_is_gone(factory: ChatFactory) -> None:
    ada, bob = Tab(factory), Tab(factory)
    ada.enter("Ada")
    bob.enter("Bob")
    ada.heard()
    bob.leave()
    assert ada.heard() == [members(("Ada", "ws"))]
    Tab(factory).leave()
    assert ada.heard() == []


def test_names_and_lines_have_bounds(factory: ChatFactory) -> None:
    ada = Tab(factory)
    ada.send({"kind": "say", "text": "before the name"})
    ada.enter("x" * 100)
    ada.enter("a second name")
    ada.send({"kind": "say", "text": "y" * 1000})
    ada.send({"kind": "say", "text": "   "})
    _, present, line = ada.heard()
    assert present == members(("x" * NAME_LENGTH, "ws"))
    assert line["text"] == "y" * LINE_LENGTH


def test_who_tells_no_name_is_somebody(factory: ChatFactory) -> None:
    ada = Tab(factory)
    ada.enter(" ")
    assert ada.heard()[1] == members(("somebody", "ws"))


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "1",
        "null",
        "{}",
        '{"kind": "say"}',
        '{"kind": "enter", "name": 1}',
        '{"kind": "shout", "text": ""}',
        "[" * 3000,
    ],
)
def test_what_is_not_understood_ends_the_connection(message: str, factory: ChatFactory) -> None:
    ada = Tab(factory)
    ada.send(message)
    assert ada.heard() == [4000]


def test_the_room_has_a_size(factory: ChatFactory) -> None:
    for number in range(MEMBERS):
        Tab(factory).enter(str(number))
    assert Tab(factory).head.startswith("http/1.1 503 ")
