"""The check by a WebSocket's ping, on streams in memory."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from typing import Any

import pytest

from tests.kit.frames import BINARY, CLOSE, PING, PONG, TEXT, closing, frame
from tests.kit.party import Party
from tests.upstream.checks import PING as CHECK
from tests.upstream.checks import Check
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.websocket.probe import GRACE

WORD = b"revproxy check"


def masked(data: bytes) -> tuple[int, bytes, bytes]:
    """The first frame of a client: its opcode and payload, and what follows."""
    assert data[0] & 0x80
    assert data[1] & 0x80, "a client masks"
    size = data[1] & 0x7F
    mask, payload = data[2:6], data[6 : 6 + size]
    return data[0] & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)), data[6 + size :]


def accepted(key: str, *lines: str) -> str:
    accept = b64encode(sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    fields = "\n".join((f"Sec-WebSocket-Accept: {accept}", *lines))
    return f"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n{fields}"


def shake(**knobs: Any) -> tuple[Check, Party, str]:
    """A check whose handshake was sent, and the key in it."""
    check = Check(CHECK, **knobs)
    peer = check.connects()
    head = peer.overlooks().decode()
    assert head.startswith("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n")
    return check, peer, re.search(r"Sec-WebSocket-Key: (\S+)\r\n", head)[1]  # type: ignore[index]


def pinged() -> tuple[Check, Party]:
    """A check whose ping was sent."""
    check, peer, key = shake()
    peer.says(accepted(key))
    assert check.outcome == "pending"
    assert masked(peer.overlooks()) == (9, WORD, b"")
    return check, peer


def test_a_peer_that_answers_the_ping_passes_and_is_told_good_bye() -> None:
    check, peer = pinged()
    peer.says(frame(PONG, WORD))
    assert check.outcome == "passed"
    assert masked(peer.overlooks()) == (8, b"\x03\xe8", b"")
    assert not peer.was_ended
    peer.says(frame(CLOSE, closing(1000)))
    peer.sees_end()
    assert not check.clock.getDelayedCalls()


def test_a_peer_that_does_not_say_good_bye_is_left_after_a_while() -> None:
    check, peer = pinged()
    peer.says(frame(PONG, WORD))
    peer.overlooks()
    check.later(GRACE)
    peer.sees_cut()


def test_a_peer_that_just_goes_has_passed_all_the_same() -> None:
    check, peer = pinged()
    peer.says(frame(PONG, WORD))
    peer.overlooks()
    peer.leaves()
    assert check.outcome == "passed"
    assert not check.clock.getDelayedCalls()


@pytest.mark.parametrize("slowly", [False, True])
def test_what_else_the_peer_says_is_passed_over_and_its_pings_are_answered(slowly: bool) -> None:
    check, peer = pinged()
    frames = [
        frame(TEXT, "welcome"),
        frame(BINARY, b"x" * 300),
        frame(TEXT, "a", fin=False),
        frame(PONG, b"unasked"),
        frame(PING, b"you?"),
        frame(0, "b"),
        frame(TEXT, b"y" * 70_000),
        frame(TEXT),
    ]
    if slowly:
        for part in frames[:-2]:
            peer.says_slowly(part)
        peer.says(b"".join(frames[-2:])[:30_000])
        peer.says(b"".join(frames[-2:])[30_000:])
    else:
        peer.says(*frames)
    assert check.outcome == "pending"
    assert masked(peer.overlooks()) == (10, b"you?", b"")
    peer.says_slowly(frame(PONG, WORD))
    assert check.outcome == "passed"
    peer.overlooks()


def test_a_peer_may_greet_in_the_same_breath() -> None:
    check, peer, key = shake()
    peer.says(accepted(key), frame(TEXT, "welcome"))
    peer.overlooks()
    peer.says(frame(PONG, WORD))
    assert check.outcome == "passed"
    peer.overlooks()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (frame(CLOSE, closing(1013, "later")), "the peer closed the WebSocket (1013)"),
        (frame(CLOSE), "the peer closed the WebSocket"),
        (frame(PONG, WORD, mask=b"abcd"), "what came is no frame of a WebSocket"),
        (frame(3, b"x"), "what came is no frame of a WebSocket"),
        (frame(11, b"x"), "what came is no frame of a WebSocket"),
        (frame(TEXT, b"x", rsv=4), "what came is no frame of a WebSocket"),
        (frame(PONG, WORD, fin=False), "what came is no control frame of a WebSocket"),
        (frame(PONG, bytes(126)), "what came is no control frame of a WebSocket"),
    ],
)
def test_a_peer_that_closes_or_speaks_something_else_does_not_pass(said: bytes, words: str) -> None:
    check, peer = pinged()
    peer.says(said)
    assert check.outcome == words
    assert peer.was_ended
    peer.overlooks()


def test_a_peer_that_leaves_before_it_answers_does_not_pass() -> None:
    check, peer = pinged()
    peer.leaves()
    assert check.outcome == "connection closed before the ping was answered"


def test_an_answer_that_is_no_handshake_does_not_pass() -> None:
    check, peer, _ = shake()
    peer.says("HTTP/1.1 200 OK\nContent-Length: 0")
    assert check.outcome == "no WebSocket, but status 200"
    check, peer, _ = shake()
    peer.says(accepted("someone else's"))
    assert check.outcome.startswith("the WebSocket handshake is malformed: ")
    peer.sees_cut()
    check, peer, key = shake()
    peer.says(accepted(key, "Sec-WebSocket-Extensions: permessage-deflate"))
    assert check.outcome == "the WebSocket handshake is malformed: the extension permessage-deflate was not offered"


def test_the_site_may_offer_a_subprotocol_and_say_where_it_comes_from() -> None:
    edits = (HeaderEdit("set", "Sec-WebSocket-Protocol", "chat, superchat"), HeaderEdit("set", "Origin", "https://example.com"))
    check = Check(CHECK, check_request_headers=edits, check_host="example.com")
    peer = check.connects()
    head = peer.overlooks().decode()
    assert "\r\nHost: example.com\r\n" in head
    assert "\r\nOrigin: https://example.com\r\n" in head
    key = re.search(r"Sec-WebSocket-Key: (\S+)\r\n", head)[1]  # type: ignore[index]
    peer.says(accepted(key, "Sec-WebSocket-Protocol: superchat"))
    assert masked(peer.overlooks()) == (9, WORD, b"")
    peer.says(frame(PONG, WORD))
    assert check.outcome == "passed"
    peer.overlooks()


def test_a_check_that_is_cancelled_leaves_no_connection_behind() -> None:
    check, peer = pinged()
    check.running.cancel()
    assert check.outcome == "CancelledError"
    peer.sees_cut()
    check, peer, _ = shake()
    check.running.cancel()
    check.turn()
    assert peer.was_ended
