"""The demo as a newcomer meets it: with curl, with a browser, with ssh."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
from collections import Counter

import httpx
import pytest

from tests.real.browser import Browser, needs_chromium
from tests.real.client import Client, fetch, request
from tests.real.demo import Demo
from tests.real.load import Load
from tests.real.programs import eventually


def peer_of(body: bytes) -> str:
    """Who gave this answer to /who."""
    peer: str = json.loads(body)["peer"]
    return peer


def who(demo: Demo, times: int) -> Counter[str]:
    """Who answers so many requests, each on a connection of its own, as curl makes them."""
    return Counter(peer_of(fetch(demo.http, "/who").body) for _ in range(times))


def states(demo: Demo) -> list[str]:
    """The state of each of the three peers."""
    return [peer["state"] for peer in json.loads(fetch(demo.http, "/status.json").body)["pools"]["app"]["peers"]]


def test_three_peers_answer_in_the_ratio_of_their_weights(demo: Demo) -> None:
    assert who(demo, 60) == {"one": 30, "two": 10, "three": 20}


def test_a_broken_peer_fails_no_get_and_comes_back(demo: Demo) -> None:
    with Load(demo.http, "/who", clients=3, who=peer_of) as load:
        load.more(100)
        assert fetch(demo.http, "/control/one/break", method="POST").status == 200
        broken = time.monotonic()
        eventually(lambda: states(demo) == ["down", "up", "up"], lambda: str(states(demo)))
        assert time.monotonic() - broken < 1 * 2 + 3  # interval × fall, and what a busy machine adds
        load.more(100)
        assert set(load.counted(100)) == {"two", "three"}
        assert fetch(demo.http, "/control/one/mend", method="POST").status == 200
        eventually(lambda: states(demo) == ["up", "up", "up"], lambda: str(states(demo)))
        assert load.counted(100)["one"] > 30
    assert load.failures == []


def test_the_slow_page_is_slow_once(demo: Demo) -> None:
    first = fetch(demo.http, "/slow")
    second = fetch(demo.http, "/slow")
    assert (first.field("X-Cache-Status"), second.field("X-Cache-Status")) == ("MISS", "HIT")
    assert first.body == second.body
    assert second.field("Cache-Control") == "no-store"


def test_https_serves_the_same_page(demo: Demo) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", demo.https))
    context = ssl.create_default_context(cadata=pem)
    page = httpx.get(f"https://localhost:{demo.https}/", verify=context)
    assert page.text == fetch(demo.http, "/").body.decode()
    seen = httpx.get(f"https://localhost:{demo.https}/who", verify=context).json()
    assert ["X-Forwarded-Proto", "https"] in [[name.title(), value] for name, value in seen["headers"]]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh")
def test_the_ssh_command_of_the_page_opens_the_shell(demo: Demo) -> None:
    command = json.loads(fetch(demo.http, "/demo.json").body)["shell"].split()
    options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    done = subprocess.run(
        [command[0], *options, *command[1:], "peers('app')"],
        cwd=demo.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr + demo.story()
    assert len([line for line in done.stdout.splitlines() if " up " in line]) == 3, done.stdout


def test_a_raw_client_gets_the_page_piece_by_piece(demo: Demo) -> None:
    with Client(demo.http) as client:
        for byte in request("/", host="localhost"):
            client.send(bytes((byte,)))
        assert b"<title>twistedproxy" in client.answer().body


@needs_chromium
def test_chromium_shows_the_bars_the_cache_and_the_chat(demo: Demo, browser: Browser) -> None:
    page = f"http://localhost:{demo.http}/"
    with browser.tab(page) as tab, browser.tab(f"https://localhost:{demo.https}/", 390, 844, mobile=True) as phone:
        # The bars move.
        tab.call("Page.bringToFront")
        tab.wait_for("document.querySelectorAll('.peer .chip.good').length === 3")
        tab.run("document.getElementById('burst').click()")
        tab.wait_for("Number(document.getElementById('asked').textContent) >= 60")
        widths = tab.wait_for(
            "(() => { const all = [...document.querySelectorAll('.peer .bar > span')].map((bar) => parseFloat(bar.style.width));"
            " return all.every((width) => width > 5) && all; })()"
        )
        assert widths[0] > widths[2] > widths[1], widths
        assert tab.run("document.getElementById('failed').textContent") == "0"
        # A broken peer is seen to go down, and nothing fails.
        tab.run("document.querySelector('.peer button').click()")
        tab.wait_for("document.querySelector('.peer .chip.bad')?.textContent === 'down'")
        tab.run("document.querySelector('.peer button').click()")
        tab.wait_for("document.querySelectorAll('.peer .chip.good').length === 3")
        assert tab.run("document.getElementById('failed').textContent") == "0"
        # The slow page: first missed, then hit.
        for verdict in ("miss", "hit"):
            tab.run("document.getElementById('slow').click()")
            tab.wait_for(f"document.querySelector('#fetches li:first-child .chip')?.textContent === '{verdict}'")
        # The chat: what one tab says, over ws, the other hears, over wss.
        for each in (tab, phone):
            each.wait_for("document.getElementById('chat-state').textContent === 'connected'")
            assert "permessage-deflate" in each.wait_for("document.getElementById('chat-terms').textContent")
            each.wait_for("document.querySelectorAll('#members li').length === 2")
        for speaker, listener, text in ((tab, phone, "hello from the desk"), (phone, tab, "and from the phone")):
            speaker.run(f"document.getElementById('text').value = {text!r}; document.getElementById('say').requestSubmit(); true")
            listener.wait_for(f"document.getElementById('lines').textContent.includes({text!r})")
        # Nothing is wider than the screen.
        for each, width in ((tab, 1200), (phone, 390)):
            assert each.run("document.documentElement.scrollWidth") <= width
        for each in (tab, phone):
            assert each.complaints == []
