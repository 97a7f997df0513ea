"""The opening handshake: what passes, and each way in which a client or a peer can get it wrong."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.logger import globalLogPublisher

from twistedproxy.errors import BAD_UPGRADE, BAD_UPGRADE_ANSWER, BAD_WEBSOCKET_VERSION, RequestError, ResponseError
from twistedproxy.message import CHUNKED, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.websocket.handshake import VERSION_REFUSED_FIELDS, Handshake, check_answer, check_request

# The example of RFC 6455 §1.2 and §1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = f"""\
Host: server.example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: {KEY}
Origin: http://example.com
Sec-WebSocket-Protocol: chat, superchat
Sec-WebSocket-Version: 13
"""

ANSWER = f"""\
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: {ACCEPT}
Sec-WebSocket-Protocol: chat
"""


def headers(text: str) -> Headers:
    """Header fields from lines; latin-1, so that a test can write any byte."""
    lines = (line.split(": ", 1) for line in text.split("\n") if line)
    return Headers((name.encode("latin-1"), value.encode("latin-1")) for name, value in lines)


def request(
    text: str = REQUEST, *, method: bytes = b"GET", target: bytes = b"/chat", version: int = 11, length: int = 0
) -> RequestHead:
    """The head of a request with the fields of *text*."""
    found = headers(text)
    fields = RequestFields(found, length=length, host=b"server.example.com", upgrade=found.elements(b"upgrade"))
    path, _, query = target.partition(b"?")
    return RequestHead(
        method, target, version, fields, path=path, query=query or None, route_path=path, authority=b"server.example.com"
    )


def answer(text: str = ANSWER, *, status: int = 101, version: int = 11) -> ResponseHead:
    """The head of an answer with the fields of *text*."""
    return ResponseHead(status, b"Switching Protocols", headers(text), version=version)


ASKED = Handshake(KEY.encode(), (b"chat", b"superchat"), (b"permessage-deflate", b"x-own"))


@pytest.fixture
def log() -> Iterator[list[object]]:
    """Every event that anyone logs during the test."""
    events: list[object] = []
    observer: Any = events.append
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def test_the_example_of_the_rfc_is_a_handshake() -> None:
    assert check_request(request()) == Handshake(KEY.encode(), (b"chat", b"superchat"), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\nConnection: uPGRADE"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Origin: http://example.com\n", ""),
        ("Origin: http://example.com", "Origin: no origin at all"),
        ("Origin: http://example.com", "X-Name: J\xfcrg \x85Sec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: ,superchat,"),
        ("Sec-WebSocket-Protocol", "SEC-WEBSOCKET-PROTOCOL"),
    ],
)
def test_what_the_rfc_allows_passes(old: str, new: str) -> None:
    assert old in REQUEST
    assert check_request(request(REQUEST.replace(old, new))).protocols == (b"chat", b"superchat")


@pytest.mark.parametrize("target", [b"/", b"/chat?room=1&name=%41", b"//[", b"/\xa0\x85", b"/?" + b"a&" * 4000])
def test_the_target_is_none_of_our_business(target: bytes) -> None:
    check_request(request(target=target))


@pytest.mark.parametrize(
    ("offer", "names"),
    [
        ("permessage-deflate", (b"permessage-deflate",)),
        ("permessage-deflate; client_max_window_bits; server_max_window_bits=8", (b"permessage-deflate",)),
        ('Permessage-Deflate ; server_max_window_bits = "10" , x-own', (b"permessage-deflate", b"x-own")),
        ("permessage-deflate; a=1, permessage-deflate", (b"permessage-deflate", b"permessage-deflate")),
        ("x-own\nSec-WebSocket-Extensions: permessage-deflate", (b"x-own", b"permessage-deflate")),
        ("", ()),
    ],
)
def test_the_names_of_offered_extensions_are_remembered(offer: str, names: tuple[bytes, ...]) -> None:
    assert check_request(request(REQUEST + f"Sec-WebSocket-Extensions: {offer}\n")).extensions == names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Host: server.example.com\n", "", id="no Host"),
        pytest.param("Upgrade: websocket\n", "", id="no Upgrade"),
        pytest.param("Upgrade: websocket", "Upgrade: websockets", id="another protocol"),
        pytest.param("Upgrade: websocket", "Upgrade: websocket/13", id="a protocol with a version"),
        pytest.param("Upgrade: websocket", "Upgrade: \xa0websocket", id="a Unicode blank before the protocol"),
        pytest.param("Connection: Upgrade\n", "", id="no Connection"),
        pytest.param("Connection: Upgrade", "Connection: keep-alive", id="Connection without upgrade"),
        pytest.param("Connection: Upgrade", "Connection: Up grade", id="Connection with a broken upgrade"),
        pytest.param("Connection: Upgrade", "Connection: close\x0b,\x0bUpgrade", id="a vertical tab in Connection"),
        pytest.param(f"Sec-WebSocket-Key: {KEY}\n", "", id="no key"),
        pytest.param(f"Key: {KEY}", f"Key: {KEY}\nSec-WebSocket-Key: {KEY}", id="two keys"),
        pytest.param(f"Key: {KEY}", "Key: ", id="an empty key"),
        pytest.param(f"Key: {KEY}", f"Key: {KEY[4:]}", id="a key of 13 bytes"),
        pytest.param(f"Key: {KEY}", "Key: dGhlIHNhbXBsZSBub25jZTE=", id="a key of 17 bytes"),
        pytest.param(f"Key: {KEY}", f"Key: {KEY[:10]} {KEY[11:]}", id="a blank in the key"),
        pytest.param(f"Key: {KEY}", f"Key: {KEY[:10]}-{KEY[11:]}", id="a key in base64url"),
        pytest.param(f"Key: {KEY}", f"Key: {KEY}, {KEY}", id="a list of keys"),
        pytest.param("Sec-WebSocket-Version: 13\n", "", id="no version"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Version: 13", id="two versions"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Version: 8", id="two different versions"),
        pytest.param("Version: 13", "Version: 13, 8", id="a list of versions"),
        pytest.param("Version: 13", "Version: +13", id="a version with a sign"),
        pytest.param("Version: 13", "Version: 013", id="a version with a leading zero"),
        pytest.param("Version: 13", "Version: 1_3", id="a version with an underscore"),
        pytest.param("Version: 13", "Version: \xb9\xb3", id="a version in superscript digits"),
        pytest.param("Version: 13", "Version: thirteen", id="a version in words"),
        pytest.param("Protocol: chat, superchat", "Protocol: chat, chat", id="a subprotocol twice"),
        pytest.param("Protocol: chat, superchat", "Protocol: chat room", id="a subprotocol with a blank"),
        pytest.param("Protocol: chat, superchat", "Protocol: ch\xe4t", id="a subprotocol beyond ASCII"),
        pytest.param("Origin: http://example.com", "Origin: http://a.example\nOrigin: http://b.example", id="two origins"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Extensions: a b", id="an extension with a blank"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Extensions: a; =1", id="a parameter without name"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Extensions: a; b=", id="a parameter without value"),
        pytest.param("Version: 13", 'Version: 13\nSec-WebSocket-Extensions: a; b="1, c', id="a quote left open"),
        pytest.param("Version: 13", "Version: 13\nSec-WebSocket-Extensions: a;", id="a semicolon at the end"),
        pytest.param(
            f"Sec-WebSocket-Key: {KEY}", f"X-Smuggler: a\x85Sec-WebSocket-Key: {KEY}", id="a key inside another field's value"
        ),
    ],
)
def test_a_malformed_handshake_is_refused(old: str, new: str, log: list[object]) -> None:
    assert old in REQUEST
    with pytest.raises(RequestError) as refused:
        check_request(request(REQUEST.replace(old, new)))
    assert refused.value.reason is BAD_UPGRADE
    assert refused.value.detail
    assert log == []


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(request(method=b"POST"), id="POST"),
        pytest.param(request(method=b"get"), id="a method in lower case"),
        pytest.param(request(version=10), id="HTTP/1.0"),
        pytest.param(request(length=1), id="a body with a length"),
        pytest.param(request(length=CHUNKED), id="a chunked body"),
        pytest.param(request(target=b"/chat#top"), id="a fragment"),
    ],
)
def test_a_request_that_cannot_be_a_handshake_is_refused(head: RequestHead) -> None:
    with pytest.raises(RequestError) as refused:
        check_request(head)
    assert refused.value.reason is BAD_UPGRADE


@pytest.mark.parametrize("version", ["0", "7", "8", "12", "14", "25", "255"])
def test_another_version_is_told_which_one_is_spoken(version: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_request(request(REQUEST.replace("Version: 13", f"Version: {version}")))
    assert refused.value.reason is BAD_WEBSOCKET_VERSION
    assert refused.value.reason.status == 426
    assert dict(VERSION_REFUSED_FIELDS)[b"Sec-WebSocket-Version"] == b"13"


def test_the_answer_of_the_rfc_is_valid() -> None:
    check_answer(check_request(request()), answer())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        ("Protocol: chat", "Protocol: superchat"),
        ("Sec-WebSocket-Protocol: chat\n", ""),
        ("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x-own"),
        ("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x-own; a, permessage-deflate; server_max_window_bits=8"),
        ("Sec-WebSocket-Protocol: chat", "Server: M\xfcller \x85 & S\xf6hne"),
    ],
)
def test_what_was_offered_may_be_answered(old: str, new: str) -> None:
    assert old in ANSWER
    check_answer(ASKED, answer(ANSWER.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Upgrade: websocket\n", "", id="no Upgrade"),
        pytest.param("Upgrade: websocket", "Upgrade: h2c", id="another protocol"),
        pytest.param("Upgrade: websocket", "Upgrade: websocket, h2c", id="two protocols"),
        pytest.param("Upgrade: websocket", "Upgrade: websocket\xa0", id="a Unicode blank after the protocol"),
        pytest.param("Connection: Upgrade\n", "", id="no Connection"),
        pytest.param("Connection: Upgrade", "Connection: close", id="Connection without upgrade"),
        pytest.param(f"Sec-WebSocket-Accept: {ACCEPT}\n", "", id="no accept"),
        pytest.param(f"Accept: {ACCEPT}", f"Accept: {ACCEPT}\nSec-WebSocket-Accept: {ACCEPT}", id="two accepts"),
        pytest.param(f"Accept: {ACCEPT}", f"Accept: {ACCEPT.lower()}", id="accept in lower case"),
        pytest.param(f"Accept: {ACCEPT}", f"Accept: {KEY}", id="the key sent back"),
        pytest.param(f"Accept: {ACCEPT}", f"Accept: {ACCEPT}\xa0", id="accept with a Unicode blank"),
        pytest.param("Protocol: chat", "Protocol: video", id="a subprotocol that was not offered"),
        pytest.param("Protocol: chat", "Protocol: Chat", id="a subprotocol in another case"),
        pytest.param("Protocol: chat", "Protocol: chat, superchat", id="two subprotocols"),
        pytest.param("Protocol: chat", "Protocol: chat\nSec-WebSocket-Protocol: superchat", id="two subprotocol fields"),
        pytest.param("Protocol: chat", "Protocol: ", id="an empty subprotocol"),
        pytest.param("Protocol: chat", "Extensions: x-other", id="an extension that was not offered"),
        pytest.param("Protocol: chat", "Extensions: x-own, x-own", id="an extension more often than offered"),
        pytest.param("Protocol: chat", "Extensions: x-own\nSec-WebSocket-Extensions: permessage-deflate", id="two fields"),
        pytest.param("Protocol: chat", "Extensions: x-own; =", id="a malformed extension"),
        pytest.param("Protocol: chat", "Extensions: ", id="an empty extension"),
        pytest.param(
            f"Sec-WebSocket-Accept: {ACCEPT}", f"X-A: a\x85Sec-WebSocket-Accept: {ACCEPT}", id="accept inside another value"
        ),
    ],
)
def test_a_malformed_answer_is_not_passed_on(old: str, new: str, log: list[object]) -> None:
    assert old in ANSWER
    with pytest.raises(ResponseError) as refused:
        check_answer(ASKED, answer(ANSWER.replace(old, new)))
    assert refused.value.reason is BAD_UPGRADE_ANSWER
    assert refused.value.detail
    assert log == []


@pytest.mark.parametrize("head", [answer(version=10), answer(status=200), answer(status=102)], ids=repr)
def test_only_an_http_1_1_101_opens_a_websocket(head: ResponseHead) -> None:
    with pytest.raises(ResponseError) as refused:
        check_answer(ASKED, head)
    assert refused.value.reason is BAD_UPGRADE_ANSWER


def test_a_subprotocol_is_refused_when_none_was_offered() -> None:
    handshake = check_request(request(REQUEST.replace("Sec-WebSocket-Protocol: chat, superchat\n", "")))
    with pytest.raises(ResponseError):
        check_answer(handshake, answer())


def test_a_handshake_leaves_nothing_behind(log: list[object]) -> None:
    gc.collect()
    gc.disable()
    try:
        check_answer(check_request(request()), answer())
        for bad in (request(method=b"POST"), request(REQUEST.replace("13", "12"))):
            with suppress(RequestError):
                check_request(bad)
        assert gc.collect() == 0
        assert not [thing for thing in gc.get_objects() if issubclass(type(thing), WebSocketProtocol)]
    finally:
        gc.enable()
    assert log == []
