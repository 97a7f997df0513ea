"""Where to listen and where to connect: addresses as values, before any name is resolved or any port is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What stands for the address of a client that came by a unix socket: it has none.
UNIX_CLIENTS: Final = "unix:"


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP address; *host* is a name or an IP address without brackets, empty for every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host or '*'}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """A stream socket in the file system; *mode* are its permission bits when we make it."""

    path: str
    mode: int = 0o666

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an endpoint string of Twisted describes, whatever that is."""

    text: str

    def __str__(self) -> str:
        return f"endpoint:{self.text}"


class InProcess(Endpoint):
    """An app in the proxy's own process, by its name: nothing is dialled."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.text


Address = Tcp | Unix | Endpoint
