"""What an operator's SSH channel does: a prompt on a terminal, one command, or commands piped in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.conch.avatar import ConchUser
from twisted.conch.interfaces import ISession
from twisted.conch.ssh.session import SSHSession, SSHSessionProcessProtocol
from twisted.internet.defer import DeferredList
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.admin.interpreter import Interpreter, Screen
from twistedproxy.admin.live import Live
from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.prompt import Prompt, Terminal
from twistedproxy.admin.roles import Who
from twistedproxy.admin.tables import duration
from twistedproxy.admin.verbs import Verbs
from twistedproxy.spelling import counted
from twistedproxy.version import VERSION

_MOST_PIPED_LINE = 256 * 1024
#: Things that go on at a time for one channel.
_MOST_ONGOING = 4


class Operator(ConchUser):
    """
    Who has logged in.

    :ivar who: with the name in the log, which is the comment of the key, and what the key may do
    :ivar live: the proxy
    :ivar reactor: its reactor
    :ivar history: lines that were typed at the prompt
    """

    def __init__(self, who: str | Who, live: Live, reactor: IReactorTime, history: list[bytes]) -> None:
        super().__init__()
        self.who = who if isinstance(who, Who) else Who(who)
        self.live = live
        self.reactor = reactor
        self.history = history
        self.channelLookup[b"session"] = SSHSession


def banner(live: Live) -> str:
    """What greets an operator: the version, since when it runs, what needs attention, and where to begin."""
    now = live.clock.wall()
    for pool in live.pools.values():
        pool.refresh(live.clock.monotonic())
    peers = [peer for pool in live.pools.values() for peer in pool.peers]
    away = [peer for peer in peers if not peer.available]
    attention = f"not up: {', '.join(peer.name for peer in away[:5])}{', …' if len(away) > 5 else ''}" if away else "all up"
    return (
        f"twistedproxy {VERSION}, process {os.getpid()}, up {duration(now - live.started)}; "
        f"{counted(len(peers), 'peer')}, {attention}\n"
        "help() lists the verbs, Tab completes, Ctrl-D ends.\n"
    )


@implementer(ISession)
class ShellSession:
    """One channel of an operator's connection."""

    log = Logger()

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._width: int | None = None
        self._height = 24
        self._prompt: Prompt | None = None
        self._terminal: Terminal | None = None
        self._piped: Piped | None = None
        self._running: Piped | None = None

    def getPty(self, term: bytes, windowSize: tuple[int, int, int, int], modes: Any) -> None:
        """The client has a terminal: rows, columns, and its size in pixels."""
        self._width, self._height = windowSize[1] or 80, windowSize[0] or 24

    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None:
        """The terminal has another size now."""
        self._width = newWindowSize[1] or 80
        if self._prompt is not None:
            self._prompt.terminalSize(self._width, newWindowSize[0])

    def openShell(self, proto: SSHSessionProcessProtocol) -> None:
        """A prompt when there is a terminal, otherwise commands line by line."""
        if self._width is None:
            self._piped = Piped(proto, self._interpreter, self._operator.reactor, carriage_return=False)
            self._running = self._piped
            proto.makeConnection(self._piped)
            return
        prompt = Prompt(self._interpreter, banner(self._operator.live), self._operator.history)
        prompt.terminalSize(self._width, self._height)
        terminal = Terminal(lambda: prompt)
        self._prompt, self._terminal = prompt, terminal
        terminal.makeConnection(TerminalEnd(proto))
        proto.makeConnection(KeyboardEnd(terminal))

    def execCommand(self, proto: SSHSessionProcessProtocol, command: bytes) -> None:
        """Run one command, which may be several statements."""
        piped = Piped(proto, self._interpreter, self._operator.reactor, carriage_return=self._width is not None)
        self._piped = None
        self._running = piped
        proto.makeConnection(piped)
        # The client first hears that its request was understood.
        self._operator.reactor.callLater(0, piped.run, command.decode("utf-8", "replace"))

    def eofReceived(self) -> None:
        """The client sends nothing more."""
        if self._piped is not None:
            self._piped.end()
        elif self._terminal is not None:
            self._terminal.loseConnection()

    def closed(self) -> None:
        """The channel is closed."""
        if self._running is not None:
            self._running.loseConnection()
            self._running = None
        terminal, self._terminal, self._prompt = self._terminal, None, None
        if terminal is not None:
            terminal.connectionLost(connectionDone)

    def _interpreter(self, screen: Screen) -> Interpreter:
        who = replace(self._operator.who, address=_address(self._operator))
        return Verbs(self._operator.live, who, lambda: self._width).interpreter(screen)


def _address(operator: Operator) -> str:
    """Where the operator has come from."""
    connection = getattr(operator, "conn", None)
    if connection is None:
        return ""
    peer = connection.transport.transport.getPeer()
    host = getattr(peer, "host", None)
    return f"{host}:{peer.port}" if host is not None else "unix"


class TerminalEnd:
    """Where a terminal writes: towards the client."""

    def __init__(self, proto: SSHSessionProcessProtocol) -> None:
        self._proto = proto

    def write(self, data: bytes) -> None:
        """Send *data*."""
        self._proto.write(data)

    def loseConnection(self) -> None:
        """End the session as one that went well."""
        end(self._proto, 0)


class KeyboardEnd:
    """What the client types goes to its terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def write(self, data: bytes) -> None:
        """Keys were pressed."""
        self._terminal.dataReceived(data)

    def loseConnection(self) -> None:
        """Nothing: ShellSession.closed tells the terminal."""


class Piped:
    """
    Commands without a prompt: the screen of an interpreter, and what the client's input goes to.

    Errors go to the client's standard error; at the end the exit status is 0, or 1 when a command has failed.
    """

    def __init__(
        self,
        proto: SSHSessionProcessProtocol,
        make: Callable[[Screen], Interpreter],
        reactor: IReactorTime,
        *,
        carriage_return: bool,
    ) -> None:
        self._proto = proto
        self._reactor = reactor
        self._newline = "\r\n" if carriage_return else "\n"
        self._interpreter = make(self)
        self.rows = None
        self._ongoing: set[Ongoing] = set()
        self._input = b""
        self._failed = False
        self._ended = False

    def show(self, text: str) -> None:
        """Print."""
        self._proto.outReceived(self._encoded(text))

    show_later = show

    def complain(self, text: str) -> None:
        """Print to standard error."""
        self._proto.errReceived(self._encoded(text))

    def _encoded(self, text: str) -> bytes:
        return text.replace("\n", self._newline).encode("utf-8", "backslashreplace")

    def write(self, data: bytes) -> None:
        """Lines came in; a command that was given on the command line has no use for them."""
        if self._ended:
            return
        *lines, self._input = (self._input + data).split(b"\n")
        if len(self._input) > _MOST_PIPED_LINE:
            self.complain("error: the line is too long\n")
            self._finish(failed=True)
        for line in lines:
            self._push(line)

    def loseConnection(self) -> None:
        """The client has gone, and with it what was shown to it."""
        self._ended = True
        for ongoing in list(self._ongoing):
            ongoing.stop()

    # Things that go on (ongoing.Stage).

    def follow(self, ongoing: Ongoing) -> None:
        """Show *ongoing* until it ends."""
        self._ongoing.add(ongoing)
        ongoing.done.addBoth(lambda _: self._ongoing.discard(ongoing))
        ongoing.begin(self)
        if len(self._ongoing) > _MOST_ONGOING:
            self.complain(f"error: {_MOST_ONGOING} of them may go on at a time\n")
            ongoing.stop()

    def line(self, text: str) -> None:
        """Print a line."""
        self.show(f"{text}\n")

    picture = line

    def run(self, source: str) -> None:
        """Run all of *source* and end."""
        self._interpreter.run(source)
        self._failed = self._interpreter.failed
        self._finish_when_done()

    def end(self) -> None:
        """There are no more lines."""
        self._push(self._input)
        self._push(b"")
        self._finish_when_done()

    def _push(self, line: bytes) -> None:
        if self._ended or self._interpreter.ended:
            return
        if not self._interpreter.push(line.decode("utf-8", "replace").rstrip("\r")):
            self._failed = self._failed or self._interpreter.failed
        if self._interpreter.ended:
            self._finish_when_done()

    def _finish_when_done(self) -> None:
        waiting = DeferredList(list(self._interpreter.pending))
        waiting.addCallback(lambda _: self._finish(failed=self._failed or self._interpreter.failed))

    def _finish(self, *, failed: bool) -> None:
        if not self._ended:
            self._ended = True
            end(self._proto, int(failed))


def end(proto: SSHSessionProcessProtocol, status: int) -> None:
    """Tell the client the exit status and close the channel."""
    proto.processEnded(Failure(ProcessTerminated(exitCode=status) if status else ProcessDone(0)))
