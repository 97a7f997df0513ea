"""The access log: what its lines say, and that they are written whatever happens."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.admin.site import HandClock, Log, Things
from tests.logs.exchanges import exchange
from tests.logs.places import place
from twistedproxy import errors
from twistedproxy.forward.guards.identity import Identity
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.logs.making import make_log
from twistedproxy.logs.request_lines import basic_user, escaped, line_of
from twistedproxy.settings.logs import LogSettings


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_combined_is_the_format_that_everybody_reads() -> None:
    line = line_of("combined")(exchange((b"Referer", b"https://example.com/"), (b"User-Agent", b"curl/8.0")))
    assert line == (
        b'192.0.2.7 - - [15/Jan/2027:08:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "https://example.com/" "curl/8.0"\n'
    )


def test_combined_says_a_dash_for_what_is_missing_and_three_zeros_for_no_answer() -> None:
    line = line_of("combined")(exchange(status=0, bytes_sent=0))
    assert line.endswith(b'"GET /a?b=c HTTP/1.1" 000 0 "-" "-"\n')


def test_combined_names_the_user_whom_a_guard_has_found() -> None:
    claimed = (b"Authorization", b"Basic cm9vdDp4")
    line = line_of("combined")(exchange(claimed, identity=Identity("anna b\n")))
    assert line.startswith(b"192.0.2.7 - anna\\x20b\\x0A [")


def test_combined_names_the_user_whom_the_client_claims_to_be() -> None:
    line = line_of("combined")(exchange((b"Authorization", b"Basic YWxpY2U6c2VjcmV0")))
    assert line.startswith(b"192.0.2.7 - alice [")
    assert b"secret" not in line


@pytest.mark.parametrize("credentials", [b"Bearer x", b"Basic", b"Basic !!!", b"Basic YWxpY2U=", b"Basic OnNlY3JldA=="])
def test_a_user_who_cannot_be_read_is_a_dash(credentials: bytes) -> None:
    assert basic_user(credentials) == b"-"


def test_a_time_zone_west_of_greenwich_has_a_minus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Canada/Newfoundland")
    time.tzset()
    assert b"[15/Jan/2027:04:30:00 -0330]" in line_of("combined")(exchange())


@pytest.mark.parametrize("form", ["combined", "json", "{client} {header.user-agent} {uri}"])
def test_nobody_can_write_a_line_of_their_own(form: str) -> None:
    nasty = b'x" 200 1 "-" "-"\n10.0.0.1 - root\r\x1b[2J\\ \xe4\xc3\xa4'
    line = line_of(form)(exchange((b"User-Agent", nasty), (b"Referer", nasty), target=b"/\x7f\xff"))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert re.search(rb"[^ -~]", line[:-1]) is None
    if form == "combined":
        assert line.count(b'"') == 6


def test_escapes_are_those_of_nginx() -> None:
    assert escaped(b'a"b\\c\n\xe4') == b"a\\x22b\\x5Cc\\x0A\\xE4"


def test_json_has_every_time_and_leaves_out_what_does_not_apply() -> None:
    line = line_of("json")(exchange((b"User-Agent", "ä".encode()), reason=errors.CONNECT_REFUSED, status=502))
    assert json.loads(line) == {
        "time_iso": "2027-01-15T08:00:00.250+00:00",
        "client": "192.0.2.7",
        "client_port": 40000,
        "scheme": "https",
        "host": "example.com",
        "port": "443",
        "method": "GET",
        "uri": "/a?b=c",
        "protocol": "HTTP/1.1",
        "user_agent": "ä",
        "route": "/",
        "pool": "app",
        "peer": "app1:3000",
        "error": "connect_refused",
        "status": 502,
        "bytes_sent": 512,
        "bytes_received": 0,
        "request_time": 0.030123,
        "connect_time": 0.001,
        "header_time": 0.02,
        "response_time": 0.03,
        "upgrade_time": None,
    }


def test_a_template_puts_values_in() -> None:
    line = line_of("{client} {method} {status} rt={request_time} uct={connect_time} up={upgrade_time}")(exchange())
    assert line == b"192.0.2.7 GET 200 rt=0.030 uct=0.001 up=-\n"


def a_log(tmp_path: Path, clock: HandClock, form: str = "{uri}") -> tuple[AccessLog, Path]:
    path = tmp_path / "access.log"
    log = make_log(LogSettings("access", file=str(path), format=form), place(clock))
    log.startService()
    return log, path


def test_lines_are_written_twice_a_second(tmp_path: Path) -> None:
    clock = HandClock()
    log, path = a_log(tmp_path, clock)
    log.exchange_finished(exchange(target=b"/1"))
    log.exchange_finished(exchange(target=b"/2"))
    assert path.read_bytes() == b""
    clock.advance(0.5)
    assert path.read_bytes() == b"/1\n/2\n"


def test_many_lines_do_not_wait(tmp_path: Path) -> None:
    log, path = a_log(tmp_path, HandClock())
    for _ in range(70):
        log.exchange_finished(exchange(target=b"/" + b"x" * 1000))
    assert path.stat().st_size == 66 * 1002


def test_nothing_is_missing_after_a_stop(tmp_path: Path) -> None:
    log, path = a_log(tmp_path, HandClock())
    log.exchange_finished(exchange(target=b"/1"))
    log.stopService()
    assert path.read_bytes() == b"/1\n"
    log.exchange_finished(exchange(target=b"/late"))
    assert path.read_bytes() == b"/1\n/late\n"


def test_reopen_loses_no_line(tmp_path: Path) -> None:
    clock = HandClock()
    log, path = a_log(tmp_path, clock)
    log.exchange_finished(exchange(target=b"/1"))
    path.rename(tmp_path / "access.log.1")
    log.exchange_finished(exchange(target=b"/2"))
    log.reopen()
    log.exchange_finished(exchange(target=b"/3"))
    clock.advance(1)
    assert (tmp_path / "access.log.1").read_bytes() == b"/1\n/2\n"
    assert path.read_bytes() == b"/3\n"


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(b"/0\n")
    log, path = a_log(tmp_path, HandClock())
    log.exchange_finished(exchange(target=b"/1"))
    log.stopService()
    assert path.read_bytes() == b"/0\n/1\n"


def test_lines_are_held_until_the_directory_is_there(tmp_path: Path) -> None:
    clock = HandClock()
    with Log() as told:
        log, path = a_log(tmp_path / "absent", clock)
        log.exchange_finished(exchange(target=b"/1"))
        clock.pump([0.5] * 10)
        assert [line for line in told.lines if "cannot be written" in line] == [
            f"access log access: {path} cannot be written: No such file or directory; lines are held, then lost"
        ]
        path.parent.mkdir()
        clock.advance(0.5)
        assert path.read_bytes() == b"/1\n"
        assert told.lines[-1] == f"access log access: {path} is written again"


def test_what_a_full_disk_loses_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    log, path = a_log(tmp_path, clock)
    really = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with Log() as told:
        for number in range(1500):
            log.exchange_finished(exchange(target=b"/%04d" % number + b"x" * 1000))
        clock.advance(0.5)
        monkeypatch.setattr(os, "write", really)
        clock.advance(0.5)
    lines = path.read_bytes().splitlines()
    assert [int(line[1:5]) for line in lines] == list(range(len(lines)))
    assert 900 < len(lines) < 1100
    assert log.lost == 1500 - len(lines)
    assert len([line for line in told.lines if "cannot be written" in line]) == 1
    assert told.lines[-1] == f"access log access: {log.lost} lines were lost"


def test_a_reader_of_a_pipe_who_sleeps_does_not_stop_the_proxy(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "access.log")
    reader = os.open(tmp_path / "access.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        clock = HandClock()
        log, _ = a_log(tmp_path, clock)
        for number in range(200):
            log.exchange_finished(exchange(target=b"/%04d" % number + b"x" * 1000))
        read = b""
        for _ in range(20):
            clock.advance(0.5)
            read += os.read(reader, 1024 * 1024)
            if read.count(b"\n") == 200:
                break
        assert [int(line[1:5]) for line in read.splitlines()] == list(range(200))
        log.stopService()
    finally:
        os.close(reader)


def test_an_exchange_that_makes_no_line_harms_nobody(tmp_path: Path) -> None:
    log, _ = a_log(tmp_path, HandClock())
    nothing: Any = Things()
    with Log() as told:
        log.exchange_finished(nothing)
    assert log.lost == 1
    assert told.lines == ["access log access: a line could not be made"]
    log.stopService()
