"""The dashboard as people see it: in Chromium, behind the proxy itself, while the demo is visited."""

from __future__ import annotations

import json

from tests.real.browser import Browser, Tab, needs_chromium
from tests.real.bustle import Bustle
from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.demo import Demo
from tests.real.programs import eventually

LINK = "document.getElementById('link')?.textContent"
FIRST = "document.querySelector('.peers tbody')"


def chip(tab: Tab, text: str) -> None:
    """Wait until the first peer of the first pool says so."""
    tab.wait_for(f"{FIRST}?.querySelector('.chip').textContent === {text!r}")


def says(tab: Tab, text: str) -> None:
    """Wait until what was said of the last change of the first peer has *text*."""
    tab.wait_for(f"{FIRST}.querySelector('.said').textContent.includes({text!r})")


def log_in(tab: Tab, password: str) -> None:
    """Write name and password into the dialog, and press the button."""
    tab.run(
        "document.getElementById('login-name').value = 'operator';"
        f"document.getElementById('login-password').value = {password!r};"
        "document.getElementById('login-form').requestSubmit(); true"
    )


@needs_chromium
def test_an_operator_sees_a_peer_go_down_and_drains_another(demo: Demo, browser: Browser) -> None:
    page = f"http://localhost:{demo.http}/dashboard/"
    with Bustle(demo.http), browser.tab(page) as tab:
        tab.call("Page.bringToFront")
        tab.wait_for(f"{LINK} === '● live'")
        # The charts draw.
        drawn = "[...document.querySelectorAll('.chart.large path')].filter((path) => /L.*L/.test(path.getAttribute('d')))"
        tab.wait_for(f"{drawn}.length >= 4")
        tab.wait_for("Number(document.querySelector('.tiles .value').textContent.replace('/s', '').replace(',', '')) > 5")
        assert tab.run("document.getElementById('attention').textContent").startswith("● All is well")
        # A peer that goes down turns red by itself, and says why.
        fetch(demo.http, "/control/one/break", method="POST")
        chip(tab, "▲ down")
        assert tab.run(f"{FIRST}.className") == "bad"
        assert "checks failed, the last: status 503" in tab.run("document.getElementById('attention').textContent")
        tab.run(f"{FIRST}.querySelector('.toggle').click()")
        assert "✗ status 503" in tab.run(f"{FIRST}.querySelector('.results').textContent")
        fetch(demo.http, "/control/one/mend", method="POST")
        chip(tab, "● up")
        # Who is not logged in has no buttons; who is drains, weighs and restores.
        assert not tab.run(f"{FIRST}.querySelector('.drain').checkVisibility()")
        tab.click("#log-in")
        log_in(tab, "guess")
        assert tab.wait_for("document.getElementById('login-problem').textContent") == "name or password is wrong"
        log_in(tab, "demo")
        tab.wait_for("document.getElementById('you').textContent === 'operator'")
        tab.run(f"{FIRST}.querySelector('.drain').click()")
        says(tab, "is draining")
        chip(tab, "◐ draining")
        tab.run(
            f"{FIRST}.querySelector('.controls input').value = 5; {FIRST}.querySelector('.controls form').requestSubmit(); true"
        )
        says(tab, "has weight 5")
        tab.run(f"{FIRST}.querySelector('.restore').click()")
        says(tab, "is up")
        chip(tab, "● up")
        assert "operator@dashboard: drain('app'" in demo.story()
        # The story survives a reload of the page, and so does the login.
        tab.call("Page.reload")
        tab.wait_for("document.getElementById('you')?.textContent === 'operator'")
        tab.wait_for("document.getElementById('changes').textContent.includes('draining')")
        assert len(tab.run("document.querySelector('.chart.large path').getAttribute('d')")) > 100
        assert tab.run("document.documentElement.scrollWidth") <= 1200
        # A phone; and who is not seen asks for nothing.
        with browser.tab(page, 390, 844, mobile=True) as phone:
            phone.call("Page.bringToFront")
            phone.wait_for(f"{LINK} === '● live'")
            phone.wait_for("document.querySelectorAll('.peers tbody').length > 3")
            assert phone.run("document.documentElement.scrollWidth") <= 390
            tab.wait_for(f"{LINK} === 'paused'")
            assert phone.complaints == []
        tab.call("Page.bringToFront")
        tab.wait_for(f"{LINK} === '● live'")
        assert [each for each in tab.complaints if "401" not in each] == []  # the wrong password
    with browser.tab(page) as tab:
        tab.call("Page.bringToFront")
        tab.wait_for(f"{LINK} === '● live'")
        demo.end()
        tab.wait_for(f"{LINK} === '▲ no connection'")
        assert "The proxy does not answer" in tab.run("document.getElementById('lost').textContent")


SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:@nobody
[route /]
pool = app
[status]
on = tcp:127.0.0.1:@status
"""


@needs_chromium
def test_a_failure_is_in_the_log_and_on_the_page_with_its_story(start_proxy: StartProxy, browser: Browser) -> None:
    proxy = start_proxy(SITE)
    assert fetch(proxy.port, "/pay?token=secret").status == 502
    history = json.loads(fetch(proxy.ports["status"], "/history.json").body)
    (failed,) = history["failures"]
    assert (failed["status"], failed["request"], failed["pool"]) == (502, "GET test.example/pay?…", "app")
    eventually(lambda: "502 for GET test.example/pay" in proxy.story(), proxy.story)
    with browser.tab(f"http://127.0.0.1:{proxy.ports['status']}/") as tab:
        tab.call("Page.bringToFront")
        tab.wait_for("document.getElementById('failures')?.textContent.includes('GET test.example/pay?…')")
        assert "nobody listens at that address" in tab.run("document.getElementById('failures').textContent")
        tab.run("document.querySelector('.why').click()")
        story = tab.wait_for("document.getElementById('story-lines').textContent")
        assert "route" in story and "connection refused" in story
        assert "secret" not in tab.run("document.body.textContent")
        assert tab.complaints == []
