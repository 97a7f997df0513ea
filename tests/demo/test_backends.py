# mypy: allow-untyped-calls
"""The demo's backends in memory: what each serves, and how a broken peer fails."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from twisted.application.internet import TCPServer
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from twistedproxy.addresses import Tcp
from twistedproxy.config.load import load_text
from twistedproxy.demo.backends import CHAT_PORT, HTTP_PORT, HTTPS_PORT, PAGES_PORT, PEERS, SHELL_PORT, PortTaken, make_service
from twistedproxy.demo.keys import shell_key
from twistedproxy.demo.pages import FRESH, SLOW, pages
from twistedproxy.demo.peers import DemoPeer, PeerResource, site

DEMO_INI = Path(__file__).parents[2] / "etc" / "demo.ini"


class Browser:
    """One connection to a site in memory."""

    def __init__(self, resource: Resource, clock: MemoryReactorClock) -> None:
        address = IPv4Address("TCP", "127.0.0.1", 1)
        self.protocol = site(resource, clock).buildProtocol(address)
        self.transport = StringTransport(peerAddress=address)
        self.protocol.makeConnection(self.transport)

    def ask(self, target: str, method: str = "GET", *fields: str) -> None:
        """Send a request."""
        self.protocol.dataReceived("\r\n".join((f"{method} {target} HTTP/1.1", "Host: demo", *fields, "", "")).encode())

    def answer(self) -> tuple[int, str, str]:
        """Status, head and body of what has come back; zero and nothing when nothing has."""
        head, _, body = self.transport.value().decode().partition("\r\n\r\n")
        self.transport.clear()
        return (int(head.split()[1]) if head else 0), head.lower(), body

    def get(self, target: str, *fields: str) -> tuple[int, str, str]:
        """Ask, and return the answer."""
        self.ask(target, "GET", *fields)
        return self.answer()


@pytest.fixture
def clock() -> MemoryReactorClock:
    return MemoryReactorClock()


def three_peers() -> list[DemoPeer]:
    return [DemoPeer(*peer) for peer in PEERS]


def test_a_peer_says_who_it_is_and_what_it_received(clock: MemoryReactorClock) -> None:
    browser = Browser(PeerResource(DemoPeer("two", 9092, 1)), clock)
    for turn in (1, 2):
        status, head, body = browser.get("/who", "X-Forwarded-For: 192.0.2.7")
        told = json.loads(body)
        assert (status, told["peer"], told["answered"]) == (200, "two", turn)
        assert ["X-Forwarded-For", "192.0.2.7"] in told["headers"]
        assert "cache-control: no-store" in head


def test_a_well_peer_passes_its_check_and_knows_nothing_else(clock: MemoryReactorClock) -> None:
    browser = Browser(PeerResource(DemoPeer("one", 9091, 3)), clock)
    assert browser.get("/health")[0] == 200
    assert browser.get("/other")[0] == 404


def test_a_broken_peer_fails_its_check_and_cuts_other_connections(clock: MemoryReactorClock) -> None:
    peer = DemoPeer("one", 9091, 3)
    browser = Browser(PeerResource(peer), clock)
    peer.broken = True
    assert browser.get("/health")[0] == 503
    assert not browser.transport.disconnecting
    assert browser.get("/who") == (0, "", "")
    assert browser.transport.disconnected
    assert peer.answered == 0


def test_the_switch_breaks_and_mends_a_peer(clock: MemoryReactorClock) -> None:
    peers = three_peers()
    browser = Browser(pages(peers, "ssh", clock), clock)
    browser.ask("/control/two/break", "POST", "Content-Length: 0", "Sec-Fetch-Site: same-origin")
    assert json.loads(browser.answer()[2])["broken"] is True
    assert [peer.broken for peer in peers] == [False, True, False]
    browser.ask("/control/two/mend", "POST", "Content-Length: 0")
    assert browser.answer()[0] == 200
    assert [peer.broken for peer in peers] == [False, False, False]


@pytest.mark.parametrize(
    ("target", "method", "field", "status"),
    [
        ("/control/four/break", "POST", "Content-Length: 0", 404),
        ("/control/two/burn", "POST", "Content-Length: 0", 404),
        ("/control/", "POST", "Content-Length: 0", 404),
        ("/control/two/break", "GET", "Accept: */*", 405),
        ("/control/two/break", "POST", "Sec-Fetch-Site: cross-site", 403),
    ],
)
def test_what_is_not_the_pages_own_wish_breaks_nothing(
    target: str, method: str, field: str, status: int, clock: MemoryReactorClock
) -> None:
    peers = three_peers()
    browser = Browser(pages(peers, "ssh", clock), clock)
    browser.ask(target, method, field)
    assert browser.answer()[0] == status
    assert not any(peer.broken for peer in peers)


def test_the_slow_page_takes_its_time_and_may_be_stored(clock: MemoryReactorClock) -> None:
    browser = Browser(pages(three_peers(), "ssh", clock), clock)
    assert browser.get("/slow")[0] == 0
    clock.advance(SLOW - 0.1)
    assert browser.answer()[0] == 0
    clock.advance(0.1)
    status, head, body = browser.answer()
    assert status == 200
    assert f"cache-control: max-age={FRESH}" in head
    assert "Edition 1," in body


def test_a_visitor_who_leaves_does_not_get_the_slow_page(clock: MemoryReactorClock) -> None:
    browser = Browser(pages(three_peers(), "ssh", clock), clock)
    browser.ask("/slow")
    browser.protocol.connectionLost(Failure(ConnectionDone()))
    clock.advance(SLOW)
    assert browser.answer()[0] == 0


def test_the_page_and_all_that_it_asks_for_is_there_and_comes_from_this_site(clock: MemoryReactorClock) -> None:
    browser = Browser(pages(three_peers(), "ssh -p 1 a@b", clock), clock)
    for path, content_type in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/chat.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ):
        status, head, body = browser.get(path)
        assert (status, f"content-type: {content_type}" in head) == (200, True)
        assert "default-src 'none'" in head
        assert 'src="http' not in body
    told = json.loads(browser.get("/demo.json")[2])
    assert told["shell"] == "ssh -p 1 a@b"
    assert [(peer["name"], peer["weight"]) for peer in told["peers"]] == [("one", 3), ("two", 1), ("three", 2)]


def test_the_service_listens_on_loopback_ports_only(clock: MemoryReactorClock, tmp_path: Path) -> None:
    service = make_service(clock, str(tmp_path))
    service.privilegedStartService()
    service.startService()
    assert {interface for _, _, _, interface in clock.tcpServers} == {"127.0.0.1"}
    assert sorted(port for port, *_ in clock.tcpServers) == [9091, 9092, 9093, 9094, 9095]
    service.stopService()


def test_a_taken_port_is_named_with_a_remedy(tmp_path: Path) -> None:
    class Taken(MemoryReactorClock):
        def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
            if port == CHAT_PORT:
                raise CannotListenError(interface, port, OSError(98, "Address already in use"))
            return super().listenTCP(port, factory, backlog, interface)

    service = make_service(Taken(), str(tmp_path))
    with pytest.raises(PortTaken, match=r"port 9094 of 127\.0\.0\.1, but another program has it .*in use.*; stop that program"):
        service.privilegedStartService()
    assert all(isinstance(part, TCPServer) for part in service)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "var"
    private = shell_key(directory)
    first = private.read_bytes()
    public = (directory / "demo_key.pub").read_bytes()
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    pair = load_ssh_private_key(first, None), load_ssh_public_key(public)
    assert pair[0].public_key().public_bytes_raw() == pair[1].public_bytes_raw()  # type: ignore[union-attr]
    (directory / "demo_key.pub").unlink()
    assert shell_key(directory).read_bytes() == first
    assert (directory / "demo_key.pub").read_bytes() == public


def test_the_site_file_and_the_backends_agree(tmp_path: Path) -> None:
    shell_key(tmp_path / "var")
    shutil.copytree(DEMO_INI.parent, tmp_path / "etc")
    loaded = load_text(DEMO_INI.read_text(), str(tmp_path / "etc" / "demo.ini"), {})
    settings = loaded.settings
    assert loaded.warnings == ()
    assert {name: [server.address for server in pool.servers] for name, pool in settings.pools.items()} == {
        "app": [Tcp("127.0.0.1", port) for _, port, _ in PEERS],
        "pages": [Tcp("127.0.0.1", PAGES_PORT)],
        "chat": [Tcp("127.0.0.1", CHAT_PORT)],
        "status": list(settings.status.on) if settings.status else [],
    }
    assert [server.weight for server in settings.pools["app"].servers] == [weight for _, _, weight in PEERS]
    assert [door.on for door in settings.listen] == [(Tcp("127.0.0.1", HTTP_PORT),), (Tcp("127.0.0.1", HTTPS_PORT),)]
    assert settings.shell is not None
    assert settings.shell.on == (Tcp("127.0.0.1", SHELL_PORT),)
