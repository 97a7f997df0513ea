"""
Connections that pass through an SSH server, as an endpoint.

One SSH connection carries all connections to one peer, each in a channel of its own (``direct-tcpip``, RFC 4254 §7.2), and is
kept for a while when there are none.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.conch.client.knownhosts import KnownHostsFile
from twisted.conch.error import ConchError, HostKeyChanged
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.forwarding import packOpen_direct_tcpip
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.bastion import Bastion, key_types
from twistedproxy.transport.endpoint_strings import BadEndpoint

#: Seconds for which an SSH connection without channels is kept.
_KEPT: Final = 60.0
#: Seconds for the whole way in, and after which a bastion that does not open a channel may be dead.
_LOGIN: Final = 20.0
_ANSWER: Final = 2.0
#: Bytes that the bastion may send ahead in one channel.
_WINDOW: Final = 256 * 1024
#: What the key types of known_hosts are called in the negotiation of a connection (RFC 8332 §3 for RSA).
_ALGORITHMS: Final = {b"ssh-rsa": [b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa"]}


#: Of each connection, and each packet in it, conch says more than an operator wants to read; what matters we say ourselves.
_quiet: Final = Logger(observer=LogPublisher())


@implementer(IStreamClientEndpoint)
class BastionEndpoint:
    """Connects by *bastion*."""

    def __init__(self, bastion: Bastion, reactor: Any) -> None:
        self._bastion = bastion
        self._reactor = reactor
        self._link: _Link | None = None
        self._waiting: list[Deferred[_Link]] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        channels: list[_Channel] = []

        def cancelled(_: object) -> None:
            for channel in channels:
                channel.give_up()
                if self._reactor.seconds() - channel.asked > _ANSWER and self._link is not None and not self._link.carries:
                    # It may be dead: the next one is another.
                    self._link.abort()

        opened: Deferred[IProtocol] = Deferred(cancelled)

        def ready(link: _Link) -> None:
            if not opened.called:
                channels.append(_Channel(self._bastion, protocolFactory, opened, self._reactor.seconds()))
                link.openChannel(channels[0], packOpen_direct_tcpip((self._bastion.host, self._bastion.port), ("127.0.0.1", 0)))

        def failed(reason: Failure) -> None:
            if not opened.called:
                opened.errback(reason)

        self._ready().addCallbacks(ready, failed)
        return opened

    def _ready(self) -> Deferred[_Link]:
        """The SSH connection, once it stands."""
        if self._link is not None and self._link.stands:
            return succeed(self._link)
        if not self._waiting:
            try:
                key, known = self._bastion.load()
            except BadEndpoint as problem:
                return fail(Failure(ConnectError(string=str(problem))))
            link = self._link = _Link(self, self._reactor)
            factory = Factory.forProtocol(lambda: _Transport(self._bastion, key, known, link))
            factory.noisy = False
            endpoint = HostnameEndpoint(self._reactor, self._bastion.via, self._bastion.via_port)
            endpoint.connect(factory).addErrback(lambda reason: link.lost(reason))
        waiting: Deferred[_Link] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def stands(self, link: _Link) -> None:
        """*link* carries channels from now on."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(link)

    def failed(self, link: _Link, reason: Failure) -> None:
        """There is no connection to the bastion, or none any more."""
        if self._link is not link:
            return
        self._link = None
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(reason)


class _Transport(SSHClientTransport):
    """The connection to the bastion."""

    _log = _quiet
    transport: Any

    def __init__(self, bastion: Bastion, key: Key, known: KnownHostsFile, link: _Link) -> None:
        self._bastion = bastion
        self._key = key
        self._known = known
        self._link = link
        self._problem = "the SSH server closed the connection"
        # Of the server's keys that one which we know.
        types = key_types(known, bastion.called)
        self.supportedPublicKeys = [name for kind in types for name in _ALGORITHMS.get(kind, [kind])]

    def connectionMade(self) -> None:
        self._link.login = self
        self.transport.setTcpKeepAlive(1)
        SSHClientTransport.connectionMade(self)

    def verifyHostKey(self, hostKey: bytes, fingerprint: str) -> Deferred[bool]:
        called = self._bastion.called
        try:
            if self._known.hasHostKey(called, Key.fromString(hostKey)):
                return succeed(True)
            self._problem = f"the key of {called.decode()} is not in {self._bastion.known_hosts}"
        except HostKeyChanged:
            self._problem = f"the key of {called.decode()} is not the one in {self._bastion.known_hosts}"
        return fail(Failure(ConchError(self._problem)))

    def connectionSecure(self) -> None:
        self._problem = f"the SSH server does not let {self._bastion.user} in with {self._bastion.key}"
        self.requestService(_Login(self._bastion.user.encode(), self._link, self._key))

    def connectionLost(self, reason: Any = None) -> None:
        SSHClientTransport.connectionLost(self, reason)
        self._link.lost(Failure(ConnectError(string=self._problem)))


class _Login(SSHUserAuthClient):
    """Shows one key, and nothing else."""

    _log = _quiet

    def __init__(self, user: bytes, link: Any, key: Key) -> None:
        SSHUserAuthClient.__init__(self, user, link)
        self._key = key
        self._shown = False

    def getPublicKey(self) -> Key | None:
        if self._shown:
            return None
        self._shown = True
        public: Key = self._key.public()
        return public

    def getPrivateKey(self) -> Deferred[Key]:
        return succeed(self._key)

    def auth_password(self) -> Any:
        return None

    def auth_keyboard_interactive(self) -> Any:
        return None


class _Link(SSHConnection):
    """
    What carries the channels.

    :ivar stands: it does so now
    """

    _log = _quiet
    transport: Any

    def __init__(self, endpoint: BastionEndpoint, reactor: Any) -> None:
        SSHConnection.__init__(self)
        self._endpoint = endpoint
        self._reactor = reactor
        #: What ends it: nobody has logged in, or it carries nothing any more.
        self._timer: Any = reactor.callLater(_LOGIN, self.abort)
        self._told = False
        #: The connection to the bastion, before it carries this service.
        self.login: Any = None
        self.stands = False

    @property
    def carries(self) -> bool:
        """Whether a channel is open."""
        return bool(self.channelsToRemoteChannel)

    def serviceStarted(self) -> None:
        SSHConnection.serviceStarted(self)
        self.stands = True
        self._endpoint.stands(self)
        self._look()

    def serviceStopped(self) -> None:
        self.stands = False
        SSHConnection.serviceStopped(self)

    def lost(self, reason: Failure) -> None:
        """The connection to the bastion is gone."""
        self.stands = False
        if not self._told:
            self._told = True
            self._forget_timer()
            self._endpoint.failed(self, reason)

    def abort(self) -> None:
        """End it: nothing comes of it."""
        self.stands = False
        if self.transport is not None:
            self.transport.transport.abortConnection()
        elif self.login is not None:
            self.login.transport.abortConnection()

    def _look(self) -> None:
        """Close it some time after the last channel."""
        self._forget_timer()
        if self.stands and not self.channels:
            self._timer = self._reactor.callLater(_KEPT, self._unused)

    def _forget_timer(self) -> None:
        if self._timer.active():
            self._timer.cancel()

    def _unused(self) -> None:
        if not self.channels and self.transport is not None:
            self.stands = False
            self.transport.loseConnection()

    def openChannel(self, channel: Any, extra: bytes = b"") -> None:
        SSHConnection.openChannel(self, channel, extra)
        self._look()

    def channelClosed(self, channel: Any) -> None:
        SSHConnection.channelClosed(self, channel)
        self._look()

    def adjustWindow(self, channel: Any, bytesToAdd: int) -> None:
        # Who is not read shall not send.
        if not channel.paused:
            SSHConnection.adjustWindow(self, channel, bytesToAdd)

    def readable(self, channel: Any) -> None:
        """*channel* is read again."""
        if channel.localWindowLeft < channel.localWindowSize // 2 and channel in self.channelsToRemoteChannel:
            SSHConnection.adjustWindow(self, channel, channel.localWindowSize - channel.localWindowLeft)


class _Channel(SSHChannel):
    """
    One connection, as the transport of a protocol.

    :ivar paused: nobody reads it
    :ivar asked: when the bastion was asked to open it, seconds of the reactor
    """

    _log = _quiet
    conn: Any
    name = b"direct-tcpip"

    def __init__(self, bastion: Bastion, factory: IProtocolFactory, opened: Deferred[IProtocol], asked: float) -> None:
        SSHChannel.__init__(self, localWindow=_WINDOW)
        self.paused = False
        self.asked = asked
        self._bastion = bastion
        self._factory = factory
        self._opened: Deferred[IProtocol] | None = opened
        self._protocol: Any = None
        self._producer: Any = None
        self._ends = False

    def give_up(self) -> None:
        """Nobody waits for it."""
        self._opened = None

    # What the SSH connection tells.

    def channelOpen(self, specificData: bytes) -> None:
        opened, self._opened = self._opened, None
        if opened is None or opened.called:
            self.loseConnection()  # type: ignore[no-untyped-call]
            return
        self._protocol = self._factory.buildProtocol(self.getPeer())  # type: ignore[no-untyped-call]
        self._protocol.makeConnection(self)
        opened.callback(self._protocol)

    def openFailed(self, reason: Any) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and not opened.called:
            why = getattr(reason, "value", None) or str(reason)
            words = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
            opened.errback(Failure(ConnectError(string=f"{self._bastion.via} says: {words}")))

    def dataReceived(self, data: bytes) -> None:
        if self._protocol is not None:
            self._protocol.dataReceived(data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """There is no such thing in a connection."""

    def eofReceived(self) -> None:
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is not None:
            half_closeable.readConnectionLost()
        else:
            self.loseConnection()

    def closeReceived(self) -> None:
        # What is left nobody takes any more.
        self.buf = b""
        self.loseConnection()  # type: ignore[no-untyped-call]

    def closed(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            done = self.conn.stands or self.closing
            protocol.connectionLost(Failure(ConnectionDone() if done else ConnectionLost("the connection to the bastion broke")))

    def stopWriting(self) -> None:
        if self._producer is not None:
            self._producer.pauseProducing()

    def startWriting(self) -> None:
        if self._producer is not None:
            self._producer.resumeProducing()

    def addWindowBytes(self, data: int) -> None:
        SSHChannel.addWindowBytes(self, data)
        if self._ends and not self.buf:
            self._ends = False
            self.conn.sendEOF(self)

    # As a transport.

    def pauseProducing(self) -> None:
        """Let the bastion send no more than its window."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Let it send on."""
        self.paused = False
        self.conn.readable(self)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Whoever is to be paused while the bastion takes nothing."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nobody any more."""
        self._producer = None

    def loseWriteConnection(self) -> None:
        """End the sending side when all was sent."""
        if self.buf:
            self._ends = True
        else:
            self.conn.sendEOF(self)

    def abortConnection(self) -> None:
        """Close without what waits."""
        self.buf = b""
        self.loseConnection()  # type: ignore[no-untyped-call]
