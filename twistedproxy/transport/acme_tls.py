"""
TLS-ALPN-01 (RFC 8737): a validator of an authority shakes hands, is shown a certificate made for it, and leaves.

Such a handshake can be told from others before OpenSSL sees it: the validator offers one protocol only, ``acme-tls/1``.  Clients
are looked at only while something is pending.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.x509 import ObjectIdentifier
from OpenSSL import SSL

from twistedproxy.transport.certificates import is_address
from twistedproxy.transport.profiles import INTERMEDIATE, context_for
from twistedproxy.transport.self_signed import make, utc
from twistedproxy.transport.tls_problems import TlsProblem

#: RFC 8737 §6.2.
PROTOCOL: Final = b"acme-tls/1"
#: The extension of a ClientHello that offers it, and nothing else (RFC 7301 §3.1): type, length, length of the list, the name.
_OFFER: Final = b"\x00\x10\x00\x0d\x00\x0b\x0a" + PROTOCOL
#: id-pe-acmeIdentifier (RFC 8737 §6.1).
_IDENTIFIER: Final = ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_HANDSHAKE: Final = 22
_RECORD_HEAD: Final = 5
#: Bytes of a first record that are looked at.
MOST: Final = _RECORD_HEAD + 16 * 1024


class Beginning(Enum):
    """Who begins a connection."""

    VALIDATOR = "a validator of an authority"
    OTHER = "anybody else"


def beginning(data: bytes) -> Beginning | int:
    """Who begins a connection with *data*; a number: so many bytes are needed to tell."""
    if not data:
        return _RECORD_HEAD
    if data[0] != _HANDSHAKE:
        return Beginning.OTHER
    if len(data) < _RECORD_HEAD:
        return _RECORD_HEAD
    size = _RECORD_HEAD + int.from_bytes(data[3:5], "big")
    if len(data) < size <= MOST:
        return size
    return Beginning.VALIDATOR if _OFFER in data[:size] else Beginning.OTHER


class AcmeTls:
    """What validators are shown, by the name that they ask for."""

    def __init__(self) -> None:
        self._contexts: dict[str, SSL.Context] = {}
        self._first = context_for(SSL.TLS_SERVER_METHOD, INTERMEDIATE)
        self._first.set_tlsext_servername_callback(self._choose)
        self._first.set_alpn_select_callback(_select)

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to be shown."""
        return bool(self._contexts)

    def add(self, name: str, key_authorization: str, wall: float) -> None:
        """Show *key_authorization* (RFC 8555 §8.1) to those who validate *name*; *wall*: seconds since 1970."""
        digest = hashlib.sha256(key_authorization.encode("ascii")).digest()
        # An OCTET STRING of 32 bytes, in DER.
        identifier = x509.UnrecognizedExtension(_IDENTIFIER, b"\x04\x20" + digest)
        context = context_for(SSL.TLS_SERVER_METHOD, INTERMEDIATE)
        make((name,), utc(wall), identifier).install(context)
        context.set_alpn_select_callback(_select)
        self._contexts[_asked_for(name)] = context

    def remove(self, name: str) -> None:
        """*name* has been validated, or not."""
        self._contexts.pop(_asked_for(name), None)

    def connection(self, sock: socket.socket) -> SSL.Connection:
        """Our side of a handshake on *sock*."""
        connection = SSL.Connection(self._first, sock)
        connection.set_accept_state()
        return connection

    def _choose(self, connection: SSL.Connection) -> None:
        context = self._contexts.get((connection.get_servername() or b"").decode("ascii", "replace").lower())
        # Without one there is nothing to show: the handshake fails.
        if context is not None:
            connection.set_context(context)


def _asked_for(name: str) -> str:
    """What a validator calls *name*: addresses have no SNI, but a name in DNS (RFC 8738 §6)."""
    return ipaddress.ip_address(name).reverse_pointer if is_address(name) else name.lower()


def _select(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if PROTOCOL not in offered:
        raise TlsProblem("what is shown to validators is for nobody else")
    return PROTOCOL
