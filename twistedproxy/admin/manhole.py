"""
The admin shell: Manhole over SSH.

Operators log in with the keys of ``authorized_keys``.  ``ssh -p 6022 host`` opens a coloured Python prompt on the live proxy;
``ssh -p 6022 host "pools()"`` runs a command, prints, and exits with 0, or 1 when it failed; commands may also be piped in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.conch.interfaces import IConchUser, ISession
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION, SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.admin.keys import AuthorizedKeys, host_key
from twistedproxy.admin.live import Live
from twistedproxy.admin.ports import Ports
from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.session import Operator, ShellSession
from twistedproxy.settings.operators import ShellSettings
from twistedproxy.transport.sockets import Sockets

#: Seconds in which a client must have logged in.
LOGIN_TIMEOUT: Final = 60
#: SSH connections at a time, those that have not logged in included.
MOST_CONNECTIONS: Final = 32


def make_shell_service(
    settings: ShellSettings, state_dir: str, live: Live, reactor: Any, sockets: Sockets | None = None
) -> ShellService:
    """
    The shell on every address of *settings*.

    Ports are opened before privileges drop, the host key is read or made (in *state_dir*) after that.  Starting raises
    CannotListenError when a port cannot be opened, and OSError when there is no host key and none can be made.
    """
    factory = ShellFactory(Portal(Realm(live, reactor), [AuthorizedKeys(settings.authorized_keys, Role(settings.role))]), reactor)
    return ShellService(factory, state_dir, Ports("shell", settings.on, factory, reactor, sockets))


class ShellService(MultiService):
    """
    The shell's port and its sessions.

    :ivar ports: where it listens
    """

    def __init__(self, factory: ShellFactory, state_dir: str, ports: Ports) -> None:
        MultiService.__init__(self)
        self.ports = ports
        self._factory = factory
        self._state_dir = state_dir
        self._ends_sessions = True
        ports.setServiceParent(self)

    def prepare(self) -> None:
        """Read or make the host key.  Raises OSError when that cannot be done."""
        self._factory.set_host_key(host_key(self._state_dir))

    def startService(self) -> None:
        """Read or make the host key, and let clients in."""
        self.prepare()
        MultiService.startService(self)

    def let_finish(self) -> None:
        """When it stops, only the port is closed: sessions go on until their operators leave."""
        self._ends_sessions = False

    def stopService(self) -> Any:
        """Close the port and the sessions."""
        for transport in list(self._factory.transports) if self._ends_sessions else ():
            transport.sendDisconnect(DISCONNECT_BY_APPLICATION, b"the proxy is stopping")
        return MultiService.stopService(self)


@implementer(IRealm)
class Realm:
    """Makes an operator of who has logged in; the history of each is kept as long as the proxy runs."""

    log = Logger()

    def __init__(self, live: Live, reactor: IReactorTime) -> None:
        self._live = live
        self._reactor = reactor
        self._histories: dict[Who, list[bytes]] = {}

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> tuple[Any, Operator, Callable[[], None]]:
        """The operator who is *avatarId*, a :class:`Who`."""
        if IConchUser not in interfaces:
            raise NotImplementedError("the shell knows only SSH")
        who: Who = avatarId
        self.log.info("shell: {who} has logged in, and may {role}", who=who.name, role=who.role)
        operator = Operator(who, self._live, self._reactor, self._histories.setdefault(who, []))
        return IConchUser, operator, lambda: self.log.info("shell: {who} has left", who=who.name)


class Login(SSHUserAuthServer):
    """Login by public key, within LOGIN_TIMEOUT."""

    loginTimeout = LOGIN_TIMEOUT

    def serviceStarted(self) -> None:
        """Time the login on the proxy's own reactor."""
        if self.transport is not None:
            self.clock = self.transport.factory.reactor
        super().serviceStarted()


class Transport(SSHServerTransport):
    """An SSH connection that its factory knows of."""

    factory: ShellFactory

    def connectionMade(self) -> None:
        """Begin with the exchange of versions and keys."""
        self.factory.transports.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client has gone."""
        self.factory.transports.discard(self)
        super().connectionLost(reason)


class ShellFactory(SSHFactory):
    """
    Makes SSH connections.

    :ivar transports: those that are open
    """

    noisy = False
    protocol = Transport
    services = {b"ssh-userauth": Login, b"ssh-connection": SSHConnection}  # noqa: RUF012

    def __init__(self, portal: Portal, reactor: IReactorTime) -> None:
        self.portal = portal
        self.reactor = reactor
        self.transports: set[Transport] = set()
        self.publicKeys: dict[bytes, Any] = {}
        self.privateKeys: dict[bytes, Any] = {}
        self.primes = None

    def startFactory(self) -> None:
        """Nothing: the host key comes when privileges have dropped."""

    def set_host_key(self, key: Any) -> None:
        """Show *key* to clients from now on."""
        self.publicKeys = {key.sshType(): key.public()}
        self.privateKeys = {key.sshType(): key}

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection, or None when there are too many already."""
        if len(self.transports) >= MOST_CONNECTIONS:
            return None
        return super().buildProtocol(addr)


registerAdapter(ShellSession, Operator, ISession)
