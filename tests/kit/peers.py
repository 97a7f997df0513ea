"""Peers that answer by themselves, for plays too long to tell word by word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.kit.party import Party
from tests.kit.play import Play

#: What a peer does with a request: bytes to say, or one of the deeds.
Deed = str | bytes
SILENCE: Final = "is silent"
LEAVES: Final = "leaves"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def refusing(status: int) -> bytes:
    """A whole answer with *status*."""
    return b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status


class Peers:
    """
    Every connection that the proxy makes is answered.

    :param deed: by the name of a peer and the head of a request, what it does
    :ivar asked: requests by peer
    """

    def __init__(self, play: Play, deed: Callable[[str, str], Deed] = lambda _name, _head: OK) -> None:
        self._play = play
        self.deed = deed
        self.asked: Counter[str] = Counter()
        self._origins: list[Party] = []

    def act(self) -> None:
        """Answer all that has come, until nothing comes any more."""
        while self._play.has_origin or any(origin.heard or origin.was_ended for origin in self._origins):
            while self._play.has_origin:
                self._origins.append(self._play.origin())
            for origin in list(self._origins):
                if b"\r\n\r\n" in origin.heard:
                    self._answer(origin)
                elif origin.was_ended:
                    origin.overlooks()
                    self._origins.remove(origin)
                    origin.follows()

    def _answer(self, origin: Party) -> None:
        head = origin.heard.partition(b"\r\n\r\n")[0].decode("latin-1")
        origin.hears_message()
        name = origin.name.removeprefix("origin ")
        self.asked[name] += 1
        deed = self.deed(name, head)
        if deed == LEAVES:
            self._origins.remove(origin)
            origin.leaves()
        elif deed != SILENCE:
            origin.says(deed)
