"""
Lean dispatch: an epoll set of our own inside whichever reactor twistd chose.

Twisted's reactors wrap each event in a logging context, look at it in several ways and rebuild the registration when
interest changes.  A relay pays for that four times a request.  :class:`EpollPoller` is one reader of the reactor; behind it
stand all connections of the proxy, called directly.  It has the four verbs of ``IReactorFDSet``, so that on a platform without
epoll the reactor itself takes its place.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from fcntl import ioctl
from termios import FIONREAD
from typing import Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

#: What FIONREAD answers when nothing is there: a C int.
_ZERO = bytes(4)
#: Events taken from the kernel in one call.
_BATCH = 512


class Descriptor(Protocol):
    """What a poller calls: the methods of ``IReadWriteDescriptor``."""

    def fileno(self) -> int:
        """The descriptor's number, -1 once closed."""

    def doRead(self) -> object:
        """There is something to read."""

    def doWrite(self) -> object:
        """There is room to write."""

    def connectionLost(self, reason: Failure) -> None:
        """The descriptor is gone, or its code failed."""

    def logPrefix(self) -> str:
        """A name for the log."""


class Poller(Protocol):
    """The verbs of ``IReactorFDSet`` that transports use."""

    def addReader(self, reader: Descriptor) -> None:
        """Call ``doRead`` whenever there is something to read."""

    def removeReader(self, reader: Descriptor) -> None:
        """Stop that."""

    def addWriter(self, writer: Descriptor) -> None:
        """Call ``doWrite`` whenever there is room to write."""

    def removeWriter(self, writer: Descriptor) -> None:
        """Stop that."""


@implementer(IReadDescriptor)
class EpollPoller:
    """
    An epoll set that is one reader of *reactor*.

    A descriptor stays in the set, with no interest, while it is neither read nor written: the kernel still reports that its
    connection broke.  It leaves the set when both interests end and :meth:`forget` is called, or when it is closed.
    """

    #: Events are being told.
    _telling = False

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._epoll = select.epoll()
        self._members: dict[int, Descriptor] = {}
        self._masks: dict[int, int] = {}
        self._afterwards: list[Callable[[], None]] = []

    def start(self) -> None:
        """Enter the reactor."""
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Leave the reactor and close the set."""
        self._reactor.removeReader(self)
        self._epoll.close()

    def _change(self, member: Descriptor, add: int, remove: int) -> None:
        fd = member.fileno()
        mask = self._masks.get(fd)
        if mask is None:
            if add:
                self._epoll.register(fd, add)
                self._members[fd] = member
                self._masks[fd] = add
            return
        wanted = (mask | add) & ~remove
        if wanted != mask:
            self._epoll.modify(fd, wanted)
            self._masks[fd] = wanted

    def addReader(self, reader: Descriptor) -> None:
        self._change(reader, select.EPOLLIN, 0)

    def removeReader(self, reader: Descriptor) -> None:
        self._change(reader, 0, select.EPOLLIN)

    def addWriter(self, writer: Descriptor) -> None:
        self._change(writer, select.EPOLLOUT, 0)

    def removeWriter(self, writer: Descriptor) -> None:
        self._change(writer, 0, select.EPOLLOUT)

    def forget(self, member: Descriptor) -> None:
        """Take *member* out of the set; to be called before its descriptor is closed."""
        fd = member.fileno()
        if self._masks.pop(fd, None) is not None:
            del self._members[fd]
            self._epoll.unregister(fd)

    def has_unread(self, member: Descriptor) -> bool:
        """Whether the kernel holds bytes for *member* (a socket) that nobody has read."""
        return _has_unread(member)

    # What the reactor calls.

    def fileno(self) -> int:
        """The epoll set's own descriptor: readable when any member has an event."""
        return self._epoll.fileno()

    def doRead(self) -> None:
        """Call every member that has an event."""
        members = self._members
        self._telling = True
        for fd, events in self._epoll.poll(0, _BATCH):
            member = members.get(fd)
            if member is None:
                continue
            try:
                # A broken connection is reported as readable: reading it says how it ended.
                if events & ~select.EPOLLOUT:
                    member.doRead()
                if events & select.EPOLLOUT and members.get(fd) is member:
                    member.doWrite()
            except Exception:
                self._cut(member)
        self._telling = False
        while self._afterwards:
            calls, self._afterwards = self._afterwards, []
            for call in calls:
                try:
                    call()
                except Exception:
                    _log.failure("what was put off failed")

    def put_off(self, call: Callable[[], None]) -> bool:
        """Call *call* when the events at hand were told; False when none are: then nobody will."""
        if self._telling:
            self._afterwards.append(call)
        return self._telling

    def _cut(self, member: Descriptor) -> None:
        """What *member* called has failed: only its own connection pays for that."""
        failure = Failure()
        _log.failure("{prefix} failed; its connection is cut", failure=failure, prefix=member.logPrefix())
        try:
            member.connectionLost(failure)
        except Exception:
            _log.failure("{prefix} failed again as it heard of that", prefix=member.logPrefix())

    def doWrite(self) -> None:
        """Never registered for writing."""

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: nothing more is called."""

    def logPrefix(self) -> str:
        return "poller"


def forget(poller: Poller, member: Descriptor) -> None:
    """Take *member* out of *poller* for good, whichever kind it is."""
    if isinstance(poller, EpollPoller):
        poller.forget(member)
    else:
        poller.removeReader(member)
        poller.removeWriter(member)


def _has_unread(member: Descriptor) -> bool:
    return ioctl(member.fileno(), FIONREAD, _ZERO) != _ZERO


def has_unread(poller: Poller, member: Descriptor) -> bool:
    """Whether there are bytes for *member* (a socket) that nobody has read; cheaper than a read that is in vain."""
    return poller.has_unread(member) if isinstance(poller, EpollPoller) else _has_unread(member)
