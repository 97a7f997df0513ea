"""Lines as messages of syslog (RFC 5424)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from twistedproxy.settings.logs import SYSLOG_FACILITIES, SYSLOG_SEVERITIES, LogSettings


class Messages:
    """
    The messages of one log.

    :param hostname: of this machine; where the settings name none
    :param process: our process id
    """

    def __init__(self, settings: LogSettings, hostname: str, process: int) -> None:
        priority = 8 * SYSLOG_FACILITIES[settings.facility] + SYSLOG_SEVERITIES[settings.severity]
        # §6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG; a hyphen is the NILVALUE.
        self._before = f"<{priority}>1 ".encode("ascii")
        host = settings.hostname or hostname
        self._behind = f" {_word(host, 255)} {settings.tag} {process} {_word(settings.name, 32)} - ".encode("ascii")

    def of(self, lines: Iterable[bytes], wall: float) -> Iterator[bytes]:
        """A message for each of *lines*, without their newlines; *wall* is the time that they bear."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall))
        head = b"%b%b.%03dZ%b" % (self._before, stamp.encode("ascii"), int(wall % 1 * 1000), self._behind)
        for line in lines:
            yield head + line[:-1]


def framed(message: bytes) -> bytes:
    """*message* for a stream, by octet counting (RFC 6587 §3.4.1, RFC 5425 §4.3)."""
    return b"%d %b" % (len(message), message)


def _word(text: str, most: int) -> str:
    """*text* as one word of the head: printable ASCII without blanks, *most* characters."""
    word = "".join(each if "!" <= each <= "~" else "?" for each in text)
    return word[:most] or "-"
