"""
The audit log: who has asked for what, when, and what came of it.

A line of JSON for each command of an operator, and for each change, by whatever way it was asked for.  It is written at once:
what stands in it has happened, and what has happened stands in it unless the disk refuses, which the error log tells.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any, Final

from twisted.logger import Logger

from twistedproxy.admin.roles import Who
from twistedproxy.admin.tables import printable

#: Characters of a command, or of a result, that are kept.
_LONGEST: Final = 4000
# Not blocking: to open a named pipe that nobody reads is an error instead of a wait.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Audit:
    """
    The audit log in one file, which is opened when there is something to write.

    :ivar path: empty: nothing is kept
    """

    log = Logger()

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._file: int | None = None
        self._failed = False

    def command(self, at: float, who: Who, text: str, result: str) -> None:
        """*who* has typed *text* at *at* (wall clock); *result* is ``ok``, or what went wrong."""
        self._write(at, who, {"command": _cut(text), "result": _cut(result)})

    def change(self, at: float, who: Who, number: int, text: str, said: str) -> None:
        """The change with *number* in the history was made at *at* (wall clock)."""
        self._write(at, who, {"change": number, "command": _cut(text), "result": _cut(said)})

    def reopen(self) -> None:
        """Go on in a new file of the same name, for rotation of logs."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, at: float, who: Who, what: dict[str, Any]) -> None:
        if not self.path:
            return
        when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"when": when, "who": who.name, "key": who.key, "role": str(who.role), "from": who.address, **what}
        try:
            if self._file is None:
                self._file = os.open(self.path, _FLAGS, 0o600)
            os.write(self._file, json.dumps(line).encode("ascii") + b"\n")
        except OSError as error:
            if not self._failed:
                self.log.error("the audit log {path} cannot be written: {reason}", path=self.path, reason=error.strerror)
            self._failed = True
        else:
            self._failed = False


def _cut(text: str) -> str:
    text = "\n".join(printable(line) for line in text[: _LONGEST + 1].split("\n"))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
