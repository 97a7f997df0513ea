"""What the benchmark must know of a proxy in order to run it."""

from __future__ import annotations

import enum
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.certificates import Certificate

#: Bytes of the files that are served.
SMALL_FILE = 4 * 1024
LARGE_FILE = 1024 * 1024


class Feature(enum.Enum):
    """What a load asks of a subject."""

    HTTP = "HTTP"
    TLS = "TLS"
    HTTP2 = "HTTP/2"
    CACHE = "cache"
    DISK_CACHE = "cache of large bodies"
    WEBSOCKET = "WebSockets"
    FILES = "static files"


@dataclass(frozen=True)
class Site:
    """
    The site that every subject serves, from ports of 127.0.0.1.

    Everything goes to the origin at port *origin*; ``/ws`` goes to *echo*; ``/cached/`` is cached;
    ``/files/`` are files.  *http* and *https* are
    the ports to listen on.  *directory* is the subject's own.  A subject must take *connections* clients and may open
    *files* files.
    """

    http: int
    https: int
    origin: int
    echo: int
    certificate: Certificate
    directory: Path
    connections: int
    files: int

    def documents(self) -> str:
        """Write the files that ``/files/`` stands for; returns the directory above ``files``."""
        place = self.directory / "documents" / "files"
        place.mkdir(parents=True)
        (place / "small.bin").write_bytes(b"s" * SMALL_FILE)
        (place / "large.bin").write_bytes(b"l" * LARGE_FILE)
        return str(place.parent)

    def write(self, name: str, text: str) -> str:
        """Write a configuration file into the subject's directory; returns its path."""
        path = self.directory / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Command:
    """How a subject is started: in the foreground, one process or one master with one worker."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Subject(Protocol):
    """A proxy that is measured."""

    @property
    def name(self) -> str:
        """A short name, for ``--subjects``."""

    @property
    def features(self) -> frozenset[Feature]:
        """What it can do; loads that ask for more leave it out."""

    def version(self) -> str:
        """Name and version as its own program tells them."""

    def command(self, site: Site) -> Command:
        """Write the configuration for *site*, and return the command that serves it."""


def first_line(*command: str) -> str:
    """The first line that *command* prints, for versions; ``not installed`` without it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "not installed"
    return (done.stdout.strip() or done.stderr.strip() or "unknown").splitlines()[0]
