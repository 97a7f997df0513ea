"""
A peer behind an SSH server: ``ssh:HOST:PORT:via=BASTION:user=NAME:key=FILE:known_hosts=FILE``.

Nobody is asked anything: the key has no passphrase, and the bastion's own key is in known_hosts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from twisted.conch.client.knownhosts import KnownHostsFile
from twisted.conch.ssh.keys import BadKeyError, EncryptedKeyError, Key
from twisted.internet.endpoints import quoteStringArgument
from twisted.python.filepath import FilePath

from twistedproxy.transport.endpoint_strings import BadEndpoint, parts_of

PREFIX: Final = "ssh"
_SPELLING: Final = "write ssh:HOST:PORT:via=BASTION:user=NAME:key=FILE:known_hosts=FILE, and via_port=N if it is not 22"
_NEEDED: Final = ("via", "user", "key", "known_hosts")


@dataclass(frozen=True)
class Bastion:
    """
    Where a connection leads, and by whom.

    :ivar via: the SSH server, *user* there
    :ivar key: the file of our private key, *known_hosts* that of its public one
    """

    host: str
    port: int
    via: str
    via_port: int
    user: str
    key: str
    known_hosts: str

    @classmethod
    def parse(cls, text: str) -> Bastion:
        """What *text* says; raises :class:`BadEndpoint`."""
        _, words, named = parts_of(text)
        unknown = set(named) - {*_NEEDED, "via_port"}
        if len(words) != 2 or unknown or not all(named.get(name) for name in _NEEDED):
            raise BadEndpoint(_SPELLING)
        ports = words[1], named.get("via_port", "22")
        if not all(port.isascii() and port.isdecimal() and 0 < int(port) < 65536 for port in ports):
            raise BadEndpoint("a port is a number from 1 to 65535")
        return cls(words[0], int(ports[0]), named["via"], int(ports[1]), named["user"], named["key"], named["known_hosts"])

    def below(self, directory: str) -> Bastion:
        """With files that begin in *directory*."""
        return replace(self, key=os.path.join(directory, self.key), known_hosts=os.path.join(directory, self.known_hosts))

    def __str__(self) -> str:
        port = f":via_port={self.via_port}" if self.via_port != 22 else ""
        named = ((name, quoteStringArgument(getattr(self, name))) for name in _NEEDED)
        host = quoteStringArgument(self.host)
        return f"{PREFIX}:{host}:{self.port}" + "".join(f":{name}={value}" for name, value in named) + port

    @property
    def called(self) -> bytes:
        """The bastion, as known_hosts calls it."""
        return (self.via if self.via_port == 22 else f"[{self.via}]:{self.via_port}").encode()

    def load(self) -> tuple[Key, KnownHostsFile]:
        """Our key and the known hosts; raises :class:`BadEndpoint` when they cannot be used."""
        try:
            key = Key.fromFile(self.key)
        except OSError as problem:
            raise BadEndpoint(f"{self.key} cannot be read: {problem.strerror}") from None
        except EncryptedKeyError:
            raise BadEndpoint(f"{self.key} has a passphrase, and nobody could be asked for it") from None
        except BadKeyError:
            raise BadEndpoint(f"{self.key} is no private key") from None
        if key.isPublic():
            raise BadEndpoint(f"{self.key} is a public key")
        if not os.path.exists(self.known_hosts):
            raise BadEndpoint(f"there is no file {self.known_hosts}; ssh-keyscan -p {self.via_port} {self.via} shows the keys")
        known = KnownHostsFile.fromPath(FilePath(self.known_hosts))
        if not key_types(known, self.called):
            raise BadEndpoint(f"{self.known_hosts} has no key of {self.called.decode()}")
        return key, known


def key_types(known: KnownHostsFile, called: bytes) -> list[bytes]:
    """The types of the keys that are known of a host."""
    types = (getattr(entry, "keyType", None) for entry in known.iterentries() if entry.matchesHost(called))
    return [kind for kind in types if kind is not None]
