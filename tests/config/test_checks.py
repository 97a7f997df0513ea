"""What site.ini says of active checks, and what is told about it."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, warnings
from tests.config.test_values import HERE, refusal
from twistedproxy.config import checks
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.edits import HeaderEdit

POOL = "[route /p]\npool = b\n[pool b]\n"


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("tcp", CheckSettings("tcp")),
        ("tls", CheckSettings("tls")),
        ("GET /health?x=1", CheckSettings("http", "GET", "/health?x=1")),
        ("websocket /ws?a=b", CheckSettings("websocket", target="/ws?a=b")),
    ],
)
def test_checks(text: str, check: CheckSettings) -> None:
    assert checks.check(text, HERE) == check
    assert str(check) == text


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("check", "/health", "write GET /health"),
        ("check", "GET", "write tcp, tls, or"),
        ("check", "websocket", "write for instance websocket /ws"),
        ("check", "websocket ws", "write a path"),
        ("check", "get /", "'get' is not a method"),
        ("check", "GET health", "write a path"),
        ("check", "GET /a b", "write a path"),
        ("check", "GET /a#b", "write a path"),
        ("check_port", "0", "write a number from 1 to 65535"),
        ("check_port", "http", "'http' is not a port"),
        ("check_pattern", "(ok", "'(ok' is not a regular expression: missing )"),
        ("check_fields", "X-Ready yes", "write for instance X-Ready: ^yes$"),
        ("check_fields", "X-Ready:", "write for instance X-Ready: ^yes$"),
        ("check_fields", "X Ready: yes", "'X Ready' is not the name of a header field"),
        ("check_fields", "X-Ready: [", "'[' is not a regular expression"),
        ("check_header_edits", "set Host a", "Host is not edited here; write check_host = …"),
        ("check_header_edits", "set Sec-WebSocket-Key a", "Sec-WebSocket-Key belongs to the handshake; leave it to the check"),
        ("check_header_edits", "set Connection close", "Connection says how the message travels"),
        ("check_header_edits", "set", "names no field"),
    ],
)
def test_what_is_no_value_of_a_check(kind: str, text: str, said: str) -> None:
    assert said in refusal(kind, text)


def test_values_of_checks_and_the_way_back() -> None:
    assert checks.check_field("X-Ready:  ^yes: no$", HERE) == ("X-Ready", "^yes: no$")
    assert checks.write_check_field(("X-Ready", "^yes$")) == "X-Ready: ^yes$"
    assert checks.check_header_edit("set Origin https://a", HERE) == HeaderEdit("set", "Origin", "https://a")
    assert checks.pattern("^(?!.*maintenance)", HERE) == "^(?!.*maintenance)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("rise = 1\n", "12 [pool b] rise: has no effect without check; add for instance check = GET /health"),
        ("check_port = 1\n", "12 [pool b] check_port: has no effect without check; add for instance check = GET /health"),
        (
            "check = tcp\ncheck_body = ok\n",
            "13 [pool b] check_body: has no effect: the check is tcp; write check = GET /health to look at answers",
        ),
        (
            "check = tls\ncheck_host = a\n",
            "13 [pool b] check_host: has no effect: the check is tls; write check = GET /health to look at answers",
        ),
        (
            "check = websocket /ws\ncheck_expect = 200\n",
            "13 [pool b] check_expect: has no effect: the check is of a WebSocket; write check = GET /health to look at answers",
        ),
        (
            "check = HEAD /\ncheck_body = ok\n",
            "13 [pool b] check_body: no answer to HEAD has a body: no check passes; write check = GET /",
        ),
        (
            "check = tcp\ncheck_fast_interval = 10s\n",
            "13 [pool b] check_fast_interval: has no effect: it is longer than check_interval; make it shorter",
        ),
        (
            "check = tls\nverify = no\n",
            "13 [pool b] verify: whoever answers at a peer's address is trusted; name the peer's authority by ca = FILE instead",
        ),
    ],
)
def test_one_thing_is_told_about_checks(text: str, line: str) -> None:
    assert warnings(SMALL + POOL + "servers = a:1\n" + text) == [line]


def test_a_port_for_checks_of_unix_sockets_has_no_effect() -> None:
    text = "servers = unix:/run/a.sock\ncheck = tcp\ncheck_port = 1\n"
    assert warnings(SMALL + POOL + text) == [
        "13 [pool b] check_port: has no effect on servers that are unix sockets; check them in a pool of their own"
    ]
