"""A certificate's files that are replaced, and the watch that looks at them, on a clock that is moved by hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import tls
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.contexts import TlsServer


def at_once(call: Callable[[], Any]) -> Deferred[Any]:
    """In place of a thread."""
    return maybeDeferred(call)


class Said:
    """What the log says meanwhile: *lines* from warnings up, *told* below."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[str] = []

    def __enter__(self) -> Self:
        globalLogPublisher.addObserver(self._heard)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        globalLogPublisher.removeObserver(self._heard)

    def _heard(self, event: Any) -> None:
        (self.lines if event["log_level"] >= LogLevel.warn else self.told).append(formatEvent(event))


class Shelf:
    """One place for a certificate, in which another is put now and then."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.place = CertificateFiles(str(directory / "site.pem"), str(directory / "site.key"))

    def put(self, files: CertificateFiles, *, chain: bool = True, key: bool = True) -> None:
        """Replace the files, each in one step."""
        for wanted, source, target in ((chain, files.chain, self.place.chain), (key, files.key, self.place.key)):
            if wanted:
                shutil.copy(source, target + ".new")
                os.rename(target + ".new", target)

    def watched(self, tmp_path: Path, **knobs: Any) -> tuple[Hands, TlsServer, Watch]:
        """A server that shows what is there now, and its watch, which has started."""
        hands = Hands(1_800_000_000.0)
        server = TlsServer(tls(self.place, **knobs), str(tmp_path), hands)
        watch = Watch([server], at_once, hands, hands.reactor)
        watch.startService()
        return hands, server, watch
