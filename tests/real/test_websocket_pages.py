"""A page in Chromium that chats over a WebSocket with a subprotocol, and stays connected while other peers are drained."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from tests.real.browser import Browser, needs_chromium
from tests.real.conftest import StartProgram, StartProxy
from tests.real.operator import SHELL, Operator, needs_ssh
from tests.real.programs import Program, free_ports, python

pytestmark = [needs_chromium, needs_ssh]

SITE: Final = (
    SHELL
    + """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool chat]
servers =
    127.0.0.1:{one}
    127.0.0.1:{two}
sticky = cookie srv
[route /]
pool = chat
websocket = {way}
websocket_drain_timeout = 300ms
"""
)


@pytest.mark.parametrize(("way", "closed"), [("tunnel", "closed 1006"), ("messages", "closed 1001")])
def test_a_page_stays_connected_while_another_peer_is_drained_and_is_told_when_its_own_is(
    start_proxy: StartProxy, start_program: StartProgram, tmp_path: Path, started: list[Program], way: str, closed: str
) -> None:
    ports = free_ports(2)
    for port in ports:
        start_program(f"chat-{port}", python("tests.real.chat_server", str(port))).await_port(port)
    operator = Operator(tmp_path)
    proxy = start_proxy(SITE.format(one=ports[0], two=ports[1], way=way))
    browser = Browser(tmp_path)
    started.append(browser)
    with browser.tab(f"http://127.0.0.1:{proxy.port}/") as tab:
        opened, welcome = tab.wait_for("window.told?.length == 2 && told")
        assert opened == "open by chat.v1"
        own = int(welcome.removesuffix(" welcomes alice"))
        (other,) = set(ports) - {own}
        assert "is draining" in operator.says(proxy, f"drain('chat', '127.0.0.1:{other}')")
        time.sleep(0.5)  # longer than websocket_drain_timeout: that nothing happens shows in no other way
        tab.run("chat.send('still here?')")
        assert tab.wait_for("told.length == 3 && told")[2:] == ["alice: still here?"]
        operator.says(proxy, f"drain('chat', '127.0.0.1:{own}')")
        assert tab.wait_for("told.length == 4 && told")[3:] == [closed]
