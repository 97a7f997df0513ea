"""
Stickiness: how a client that comes again is known, and which peer it is bound to.

Two ways: a cookie of ours whose value stands for a peer (:class:`Tags`), and the application's own session cookie, as it was seen
when a peer set it (:class:`Sessions`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from twistedproxy.balance.peer import Peer, PeerState


class Bindings:
    """
    What became of requests, since the start.

    :ivar kept: went to the peer that their client is bound to
    :ivar made: their client was bound to a peer, and was not before
    :ivar moved: their client was bound to another peer, since its own could not be asked or failed
    :ivar unknown: said something that stands for no peer: forged, or of a peer that has left
    """

    __slots__ = ("kept", "made", "moved", "unknown")

    def __init__(self) -> None:
        self.kept = self.made = self.moved = self.unknown = 0


class Tags:
    """
    For each peer a word that stands for it: the same after a restart, and known to nobody who has not the *key*.

    It is a keyed hash (HMAC, RFC 2104) of the peer's name: it tells nothing of its address, and nobody can make up the word of a
    peer.
    """

    __slots__ = ("_key", "_named", "_peers", "_tags")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._peers: Sequence[Peer] = ()
        self._named: dict[str, Peer] = {}
        self._tags: dict[Peer, str] = {}

    def peer(self, tag: str, peers: Sequence[Peer]) -> Peer | None:
        """Which of *peers* the word *tag* stands for."""
        if peers is not self._peers:
            self._peers = peers
            self._tags = {peer: self._make(peer) for peer in peers}
            self._named = {made: peer for peer, made in self._tags.items()}
        return self._named.get(tag)

    def twin(self) -> Tags:
        """The same words, for the twins of the peers."""
        return Tags(self._key)

    def tag(self, peer: Peer) -> str:
        """The word that stands for *peer*."""
        tag = self._tags.get(peer)
        return self._make(peer) if tag is None else tag

    def _make(self, peer: Peer) -> str:
        digest = hmac.digest(self._key, peer.name.encode("utf-8", "surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(digest[:18]).decode("ascii")


class Sessions:
    """
    Sessions of the application and the peers that have them: so many at most, each for some time after it was last seen.

    :param size: when there are more, those that were not seen for the longest time go
    :param timeout: seconds
    """

    __slots__ = ("_size", "_table", "_timeout")

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        # By the hash of what the cookie says: it may be long, and it is a secret.  Those seen last stand last.
        self._table: OrderedDict[bytes, tuple[Peer, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def find(self, session: str, now: float) -> Peer | None:
        """The peer of *session*, which is seen at *now* (monotonic)."""
        self._expire(now)
        key = _hashed(session)
        found = self._table.get(key)
        if found is None:
            return None
        peer = found[0]
        if peer.state is PeerState.REMOVED:
            del self._table[key]
            return None
        self._table[key] = (peer, now)
        self._table.move_to_end(key)
        return peer

    def peek(self, session: str, now: float) -> Peer | None:
        """As :meth:`find`, for somebody who only wants to know."""
        found = self._table.get(_hashed(session))
        if found is None or now - found[1] >= self._timeout or found[0].state is PeerState.REMOVED:
            return None
        return found[0]

    def bind(self, session: str, peer: Peer, now: float) -> Peer | None:
        """From *now* on *session* belongs to *peer*; returns whom it belonged to before, if anybody."""
        self._expire(now)
        key = _hashed(session)
        before = self._table.pop(key, None)
        self._table[key] = (peer, now)
        if len(self._table) > self._size:
            self._table.popitem(last=False)
        return before[0] if before is not None else None

    def forget(self, session: str) -> None:
        """The application has ended *session*."""
        self._table.pop(_hashed(session), None)

    def twin(self, peers: Mapping[Peer, Peer]) -> Sessions:
        """These sessions, looked up and never touched, with the twins of *peers* in their places."""
        return _Seen(self, peers)

    def _expire(self, now: float) -> None:
        table = self._table
        while table:
            key, (_, seen) = next(iter(table.items()))
            if now - seen < self._timeout:
                return
            del table[key]


class _Seen(Sessions):
    """Sessions of others, which are looked up and not touched."""

    __slots__ = ("_peers", "_sessions")

    def __init__(self, sessions: Sessions, peers: Mapping[Peer, Peer]) -> None:
        super().__init__(0, 0.0)
        self._sessions = sessions
        self._peers = peers

    def find(self, session: str, now: float) -> Peer | None:
        found = self._sessions.peek(session, now)
        return None if found is None else self._peers.get(found)

    def bind(self, session: str, peer: Peer, now: float) -> Peer | None:
        return None

    def forget(self, session: str) -> None:
        pass


def _hashed(session: str) -> bytes:
    return hashlib.blake2b(session.encode("latin-1", "replace"), digest_size=16).digest()
