"""`revproxy check` on a file with ten different mistakes prints ten precise lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedproxy.cli import main

SITE = """\
[site]
state_dir = ${STATE_DIRECTORY_OF_NOBODY}

[listen http]
on = tcp:8080
header_timeout = 10

[listen https]
on = tcp:8443
tls = sit

[tls site]
certificates = missing.pem

[pool app]
servers =
    127.0.0.1:3000 weight=3
    127.0.0.1:3001 bakcup
balance = roundrobin

[rout /old]
pool = app

[route example.com/]
pool = app
read_timout = 5s
tries = 0

[route example.com/new]
redirect = 301 https://{hots}{uri}
"""


def test_ten_mistakes_are_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.ini").write_text(SITE)
    assert main(["check", "site.ini"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    *lines, last = printed.err.splitlines()
    assert last == "site.ini: 10 errors"
    assert lines == [
        "site.ini:2 [site] state_dir: the environment has no STATE_DIRECTORY_OF_NOBODY; "
        "set it, or write ${STATE_DIRECTORY_OF_NOBODY:-default}",
        "site.ini:6 [listen http] header_timeout: '10' is not a duration; write 10s for seconds",
        "site.ini:10 [listen https] tls: there is no [tls sit]; did you mean site?",
        f"site.ini:13 [tls site] certificates: {tmp_path}/missing.pem cannot be read: No such file or directory; "
        "check the path and its permissions",
        "site.ini:18 [pool app] servers: 'bakcup' is not an option of a server; did you mean backup?",
        "site.ini:19 [pool app] balance: 'roundrobin' is not known here; did you mean round_robin?",
        "site.ini:21 [rout /old]: rout is not a kind of section; did you mean route?",
        "site.ini:26 [route example.com/] read_timout: is not a key of this section; did you mean read_timeout?",
        "site.ini:27 [route example.com/] tries: 0 is too small; at least 1",
        "site.ini:30 [route example.com/new] redirect: {hots} is not a name of templates; did you mean {host}?",
    ]
