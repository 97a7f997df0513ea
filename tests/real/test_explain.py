"""What docs/explain.md walks an operator through, typed over the real ssh at a running proxy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from tests.real.client import fetch
from tests.real.conftest import StartProgram, StartProxy
from tests.real.operator import SHELL, Operator, needs_ssh
from tests.real.origins import Origin, answering
from tests.real.programs import eventually, free_ports

pytestmark = needs_ssh

SITE: Final = (
    SHELL
    + """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[pool app]
servers = 127.0.0.1:{nobody}
[pool files]
servers = 127.0.0.1:{files}
[cache pages]
directory = cache
[route /]
pool = app
[route /shop/]
pool = files
cache = pages
[route /shop/basket]
match = method POST
pool = app
"""
)


def test_an_operator_finds_why_a_url_answers_502(start_proxy: StartProxy, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    (nobody,) = free_ports(1)
    proxy = start_proxy(SITE.format(nobody=nobody, files=nobody))
    assert fetch(proxy.port, "/report").status == 502

    listed = operator.says(proxy, "recent(status=502)")
    header, row = listed.splitlines()
    assert header.split()[0] == "NUMBER"
    assert "GET http://test.example/report" in row
    assert row.endswith("connection refused")

    number = row.split()[0]
    story = operator.says(proxy, f"why({number})")
    assert "route    [route /]: any host, every path" in story
    assert re.search(rf"attempt  1 on 127.0.0.1:{nobody}: no connection; failed after \S+ ms by refused: ", story)
    assert "cause    connection refused\n" in story
    assert "remedy   nobody listens at that address: start the server" in story
    assert operator.says(proxy, "why()").splitlines()[1:] == story.splitlines()[1:]

    # The error log says it, too, and programs are told.
    eventually(lambda: proxy.said(f"start the server, or correct its line in servers. Request {number}"), proxy.story)
    told = json.loads(fetch(proxy.ports["status"], f"/why.json?id={number}").body)
    assert (told["status"], told["cause"]) == (502, "connection refused")


def test_an_operator_finds_which_route_serves_a_url_and_why_it_is_not_cached(start_proxy: StartProxy, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    (nobody,) = free_ports(1)
    with Origin(answering(b"hello", "Cache-Control: max-age=600", "Set-Cookie: visit=1")) as origin:
        proxy = start_proxy(SITE.format(nobody=nobody, files=origin.port))
        # Before anybody asks: nothing is sent.
        story = operator.says(proxy, "why('GET', 'http://test.example/shop/basket')")
        assert origin.calls == 0
        assert "route    not [route /shop/basket]: it does not hold that method POST\n" in story
        assert "         [route /shop/]: any host, /shop/ and what is below it\n" in story
        assert "lookup   nothing stored: nothing is stored for this URI\n" in story
        assert f"127.0.0.1:{origin.port} of [pool files], by round_robin" in story

        # When somebody has asked, in vain for the next one.
        for _ in range(2):
            assert fetch(proxy.port, "/shop/basket").field("X-Cache-Status") == "MISS"
        listed = operator.says(proxy, "recent(route='/shop/', most=1)")
        said = operator.says(proxy, f"why({listed.splitlines()[1].split()[0]})")
        assert "admit    set cookie: the response sets a cookie and says neither public nor s-maxage\n" in said
        why_not = operator.says(proxy, "cache_why('http://test.example/shop/basket')")
        assert re.search("NOT STORED +[0-9]+ s ago, an answer with 200: the response sets a cookie", why_not)


def test_an_operator_follows_requests_until_there_were_enough_or_the_connection_ends(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path
) -> None:
    operator = Operator(tmp_path)
    (nobody,) = free_ports(1)
    proxy = start_proxy(SITE.format(nobody=nobody, files=nobody))

    def observers() -> int:
        return int(operator.says(proxy, "len(live.finished)"))

    before = observers()
    trace = start_program("trace", operator.command_line(proxy, "trace('status == 502', most=1)"))
    eventually(lambda: observers() == before + 1, proxy.story)
    assert fetch(proxy.port, "/traced").status == 502
    assert trace.wait() == 0
    assert "GET http://test.example/traced HTTP/1.1" in trace.printed()
    assert "remedy   nobody listens at that address" in trace.printed()
    assert "1 request traced" in trace.printed()
    assert observers() == before

    left = start_program("left", operator.command_line(proxy, "trace()"))
    eventually(lambda: observers() == before + 1, proxy.story)
    left.kill()
    eventually(lambda: observers() == before, proxy.story)
