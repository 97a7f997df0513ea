"""
The opening handshake of a WebSocket, validated by autobahn on both sides (RFC 6455 §4).

A tunnelled WebSocket is negotiated end to end: the client's key, subprotocols and extensions go to the peer unchanged and
the peer's answer returns unchanged.  :func:`check_request` has autobahn's server look at what the client sent,
:func:`check_answer` has autobahn's client look at what the peer answered.  The autobahn objects live for the time of one
call: they know no transport, start no timer and write no log.

autobahn reads heads more leniently than RFC 6455 allows, so it is handed a small head made from the fields that it judges,
after these were held to a stricter grammar here:

* it splits lines at every character that Unicode calls a line end, 0x85 among them, so that a field value could smuggle in a
  second field: values are held to visible ASCII, and no other field of the message is shown to it;
* it takes ``+13``, ``1_3`` and ``013`` for version 13, and speaks version 8: only ``13`` passes;
* it refuses a list that is spread over several fields, which RFC 6455 §11.3.2 and §11.3.4 allow in requests: it gets them
  joined;
* it takes any bytes for the name of a subprotocol or extension: they are held to the grammar of tokens (§4.1, §9.1);
* it takes a body with the handshake, and a 101 in any head that says so: both are looked at here;
* it judges Origin by rules of its own: that is the business of the peer (§4.2.2), so Origin is only refused when repeated;
* it fails on every extension that it does not implement itself, and on permessage-deflate with a window of 8 bits, which
  RFC 7692 allows: extensions of an answer are not shown to it.  Here each must have been offered; what its parameters mean is
  between the client and the peer, who speak the extension.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import txaio
from autobahn.websocket.protocol import WebSocketClientProtocol, WebSocketServerProtocol
from twisted.internet.defer import Deferred

from twistedproxy.errors import BAD_UPGRADE, BAD_UPGRADE_ANSWER, BAD_WEBSOCKET_VERSION, RequestError, ResponseError
from twistedproxy.message import Field, Headers, RequestHead, ResponseHead

# autobahn reports by txaio's futures.  This makes them Deferreds, as autobahn.twisted does; it installs no reactor.
_use_twisted: Callable[[], None] = txaio.use_twisted
_use_twisted()

#: Fields that the answer to a request with another version must carry (RFC 6455 §4.2.2, RFC 9110 §15.5.22).
VERSION_REFUSED_FIELDS: Final[tuple[Field, ...]] = (
    (b"Sec-WebSocket-Version", b"13"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
)

_KEY: Final = b"sec-websocket-key"
_ACCEPT: Final = b"sec-websocket-accept"
_VERSION: Final = b"sec-websocket-version"
_PROTOCOL: Final = b"sec-websocket-protocol"
_EXTENSIONS: Final = b"sec-websocket-extensions"

# 1*DIGIT without leading zeros (RFC 6455 §4.3).  autobahn says whether it is one that is spoken here.
_version: Final = re.compile(rb"0|[1-9][0-9]{0,2}")
# What autobahn may see of a value: visible ASCII, space and tab.
_plain: Final = re.compile(rb"[\t\x20-\x7e]*")
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_token: Final = re.compile(_TOKEN)
# extension = token *( ";" token [ "=" ( token | quoted token ) ] ) (RFC 6455 §9.1).  A value is a token even in quotes, so
# that no comma can stand inside an element, and a list can be split at its commas.
_extension: Final = re.compile(
    rb"(" + _TOKEN + rb")(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb'|"' + _TOKEN + rb'"))?)*'
)


@dataclass(frozen=True, slots=True)
class Handshake:
    """
    What a client asked for in an opening handshake that was found valid.

    :ivar key: the value of Sec-WebSocket-Key
    :ivar protocols: the subprotocols offered, in the client's order of preference
    :ivar extensions: the names of the extensions offered, in lower case and in the client's order; a name that was offered
        with several sets of parameters stands here several times
    """

    key: bytes
    protocols: tuple[bytes, ...]
    extensions: tuple[bytes, ...]


def check_request(head: RequestHead) -> Handshake:
    """
    Validate the opening handshake of a client (RFC 6455 §4.2.1).

    The head may offer other protocols beside ``websocket`` in its Upgrade field; whoever forwards it must name that one only.

    :raises RequestError: BAD_WEBSOCKET_VERSION for a version other than 13; the answer must carry
        :data:`VERSION_REFUSED_FIELDS`.  BAD_UPGRADE for everything else
    """
    headers = head.headers
    if head.version < 11:
        raise RequestError(BAD_UPGRADE, "a WebSocket starts with an HTTP/1.1 request, or an extended CONNECT of HTTP/2")
    if head.fields.length != 0:
        raise RequestError(BAD_UPGRADE, "the handshake has a body")
    if b"#" in head.target:
        raise RequestError(BAD_UPGRADE, "the target has a fragment")
    if len(headers.get_all(b"origin")) > 1:
        raise RequestError(BAD_UPGRADE, "Origin is repeated")
    versions = headers.get_all(_VERSION)
    if len(versions) == 1 and not _version.fullmatch(versions[0]):
        raise RequestError(BAD_UPGRADE, "Sec-WebSocket-Version is not a number")
    protocols = _list(headers, _PROTOCOL)
    extensions = _list(headers, _EXTENSIONS)
    names = [_extension.fullmatch(element) for element in extensions]
    if not all(_token.fullmatch(protocol) for protocol in protocols):
        raise RequestError(BAD_UPGRADE, "Sec-WebSocket-Protocol is not a list of tokens")
    if not all(names):
        raise RequestError(BAD_UPGRADE, "Sec-WebSocket-Extensions is malformed")
    # The wire has judged target and Host already, by stricter rules than autobahn's: it is shown plain ones.
    lines = [head.method + b" / HTTP/1.1"]
    if b"host" in headers:
        lines.append(b"Host: host")
    lines += _lines(headers, (b"upgrade", b"connection", _KEY, _VERSION), RequestError(BAD_UPGRADE, "a field is not plain ASCII"))
    if protocols:
        lines.append(b"Sec-WebSocket-Protocol: " + b", ".join(protocols))
    if extensions:
        lines.append(b"Sec-WebSocket-Extensions: " + b", ".join(extensions))
    server = _Server()
    _read(server, lines)
    if not server.accepted:
        raise RequestError(BAD_WEBSOCKET_VERSION if server.version_refused else BAD_UPGRADE, server.refusal)
    (key,) = headers.get_all(_KEY)
    return Handshake(key, tuple(protocols), tuple(name[1].lower() for name in names if name))


def check_answer(handshake: Handshake, response: ResponseHead) -> None:
    """
    Validate the 101 with which a peer answered the *handshake* of a client (RFC 6455 §4.1, second list).

    :raises ResponseError: BAD_UPGRADE_ANSWER
    """
    headers = response.headers
    if response.version != 11 or response.status != 101:
        raise ResponseError(BAD_UPGRADE_ANSWER, "a WebSocket starts with an HTTP/1.1 101")
    for protocol in headers.get_all(_PROTOCOL):
        if not _token.fullmatch(protocol):
            raise ResponseError(BAD_UPGRADE_ANSWER, "Sec-WebSocket-Protocol is not a token")
    _check_extensions(handshake, headers)
    names = (b"upgrade", b"connection", _ACCEPT, _PROTOCOL)
    lines = _lines(headers, names, ResponseError(BAD_UPGRADE_ANSWER, "a field is not plain ASCII"))
    client = _Client(handshake)
    _read(client, [b"HTTP/1.1 101 Switching Protocols", *lines])
    if not client.accepted:
        raise ResponseError(BAD_UPGRADE_ANSWER, client.refusal)


def _check_extensions(handshake: Handshake, headers: Headers) -> None:
    """The extensions of an answer: one field, well-formed, and each as often as it was offered at most (RFC 6455 §9.1)."""
    values = headers.get_all(_EXTENSIONS)
    if not values:
        return
    if len(values) > 1:
        raise ResponseError(BAD_UPGRADE_ANSWER, "Sec-WebSocket-Extensions is repeated")
    offered = list(handshake.extensions)
    for element in values[0].split(b","):
        match = _extension.fullmatch(element.strip(b" \t"))
        if not match:
            raise ResponseError(BAD_UPGRADE_ANSWER, "Sec-WebSocket-Extensions is malformed")
        name = match[1].lower()
        if name not in offered:
            raise ResponseError(BAD_UPGRADE_ANSWER, f"the extension {name.decode('ascii')} was not offered")
        offered.remove(name)


def _list(headers: Headers, name: bytes) -> list[bytes]:
    """The elements of a list in the client's letter case; empty elements are left out (RFC 9110 §5.6.1.2)."""
    joined = headers.joined(name)
    return [] if joined is None else [element for part in joined.split(b",") if (element := part.strip(b" \t"))]


def _lines(headers: Headers, names: tuple[bytes, ...], refusal: Exception) -> list[bytes]:
    """The field lines of *names* as autobahn is to see them; raises *refusal* for a value that could mislead it."""
    lines = []
    for name in names:
        for value in headers.get_all(name):
            if not _plain.fullmatch(value):
                raise refusal
            lines.append(name + b": " + value)
    return lines


def _read(side: _Server | _Client, lines: list[bytes]) -> None:
    """Have autobahn read a head; the outcome is in *side*."""
    side.data = b"\r\n".join((*lines, b"", b""))
    process: Callable[[], object] = side.processHandshake
    process()


class _Silence:
    """autobahn's logger, made mute: what is wrong with a handshake is said by the error that we raise."""

    def debug(self, *_: object, **__: object) -> None:
        """Nothing to say."""

    info = debug


class _Session:
    """What autobahn asks its factory for while it reads a handshake."""

    externalPort = None

    def __init__(self, protocols: list[str]) -> None:
        self.protocols = protocols


class _Server(WebSocketServerProtocol):
    """
    autobahn's server, reading one head.

    The initialiser and the connection callbacks of autobahn are passed by: they are what makes timers and statistics.
    """

    log = _Silence()
    factory = _Session([])
    peer = ""
    versions = (13,)
    webStatus = False
    trustXForwardedFor = 0
    maxConnections = 0

    def __init__(self) -> None:
        self.accepted = False
        self.refusal = ""
        self.version_refused = False

    def onConnect(self, request: object) -> None:
        """The last question that autobahn asks: nothing speaks against it."""

    def succeedHandshake(self, res: object) -> None:
        """The handshake is valid.  autobahn would write its own answer here; the peer does that."""
        self.accepted = True

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        """The handshake is invalid.  autobahn has fields for its answer only when it offers other versions."""
        self.refusal = reason
        self.version_refused = responseHeaders is not None


class _Client(WebSocketClientProtocol):
    """autobahn's client, which asked with a key and reads one answer."""

    log = _Silence()
    peer = ""
    version = 13
    autoPingInterval = 0
    openHandshakeTimeoutCall = None
    trackedTimings: Any = None

    def __init__(self, handshake: Handshake) -> None:
        self.accepted = False
        self.refusal = ""
        self.websocket_key = handshake.key
        self.factory = _Session([protocol.decode("ascii") for protocol in handshake.protocols])
        self.is_open = Deferred[None]()

    def _onConnect(self, response: object) -> None:
        """The last question that autobahn asks: nothing speaks against it."""

    def _onOpen(self) -> None:
        """The handshake is valid."""
        self.accepted = True

    def failHandshake(self, reason: str) -> None:
        """The handshake is invalid."""
        self.refusal = reason
