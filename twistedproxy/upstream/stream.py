"""Connections to peers on which anything may be spoken."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol

from twistedproxy.settings.pools import PoolSettings
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector, Dial, PeerLike
from twistedproxy.wire.proxy_protocol import ENCODERS, Ends


class StreamConnector(Connector):
    """The connections of one pool that streams make: with TLS where the peer has it, but with no protocol agreed on by ALPN."""

    alpn = ()

    def __init__(self, settings: PoolSettings, dial: Dial, deadlines: Deadlines) -> None:
        super().__init__(settings, dial, None, deadlines)
        self._encode = ENCODERS.get(settings.proxy_protocol)

    def reach(self, peer: PeerLike, protocol: IProtocol, ends: Callable[[], Ends]) -> Callable[[], None]:
        """
        Connect *protocol* to *peer*; returns what gives that up.

        The protocol hears as from :meth:`twistedproxy.transport.dialer.Dialer.dial`.  Peers that want the PROXY protocol are told
        whose connection it is.
        """
        preface = self._encode(ends()) if self._encode is not None else b""
        return self._dial(peer.address, protocol, self._tls_towards(peer), preface)
