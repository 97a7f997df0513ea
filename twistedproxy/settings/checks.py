"""What active checks send, and what they expect."""

from __future__ import annotations

from dataclasses import dataclass

#: What ``check_expect`` and ``fail_statuses`` of a pool say: the first and the last status of each range.
StatusRanges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class CheckSettings:
    """
    What an active check sends.

    :ivar kind: ``tcp`` connects only, ``tls`` has a handshake too, ``http`` sends a request, ``websocket`` a ping
    """

    kind: str
    method: str = "GET"
    target: str = "/"

    def __str__(self) -> str:
        if self.kind == "http":
            return f"{self.method} {self.target}"
        return f"websocket {self.target}" if self.kind == "websocket" else self.kind
