"""What real sockets do to messages: ends that come early, in halves, or all at once."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.real.client import Client, request
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin, answering
from tests.real.programs import eventually
from tests.real.proxy import Proxy

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
half_close_timeout = {half_close}
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
[log access]
file = access.log
format = LINE {{method}} {{path}} {{status}} {{bytes_sent}}
"""


def site(origin: Origin, half_close: str = "5s") -> str:
    return SITE.format(port=origin.port, half_close=half_close)


def log_has(proxy: Proxy, line: str) -> None:
    """Wait until the access log has *line*."""
    log = proxy.site.with_name("access.log")
    eventually(lambda: log.exists() and line in log.read_text(), lambda: f"{line!r} in {log.read_text()!r}")


def test_a_client_that_closes_its_sending_side_gets_its_answer(start_proxy: StartProxy) -> None:
    with Origin(answering(b"y" * 300_000)) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            client.send(request("/half"))
            client.end_sending()
            answer = client.answer()
            assert (answer.status, len(answer.body), answer.whole) == (200, 300_000, True)
            assert client.read_to_end() == b""
        with Client(proxy.port) as client:
            client.send(request("/a") + request("/b") + request("/c"))
            client.end_sending()
            for _ in range(3):
                assert client.answer().whole
            assert client.read_to_end() == b""
        with Client(proxy.port) as client:
            client.send(request("/post", method="POST", body=b"z" * 100_000))
            client.end_sending()
            assert client.answer().whole


def test_a_download_that_the_origin_cuts_is_visibly_cut(start_proxy: StartProxy) -> None:
    head_arrived = threading.Event()

    def script(call: Call) -> None:
        while head := call.head():
            if b"/length" in head:
                call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
            elif b"/chunked" in head:
                call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n")
            else:
                call.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)
                head_arrived.wait(10)
                call.reset()
                return
            return

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        for path in ("/length", "/chunked", "/reset"):
            with Client(proxy.port) as client:
                client.send(request(path))
                assert b" 200 OK" in client.sock.recv(15, socket.MSG_PEEK | socket.MSG_WAITALL)
                head_arrived.set()
                assert not client.answer().whole, path
            log_has(proxy, f"GET {path} 200 1000")


def test_an_upload_that_the_client_cuts_never_looks_complete_to_the_origin(start_proxy: StartProxy) -> None:
    seen: dict[bytes, bytes] = {}
    began, over = threading.Event(), threading.Event()

    def script(call: Call) -> None:
        head = call.head()
        body = b""
        with contextlib.suppress(ConnectionError):
            while data := call.some():
                body += data
                began.set()
        seen[head.split(b" ")[1]] = body
        over.set()

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        for path, fields, part in (
            ("/length", ["Content-Length: 100000"], b"u" * 5000),
            ("/chunked", ["Transfer-Encoding: chunked"], b"1388\r\n" + b"u" * 5000 + b"\r\n"),
        ):
            began.clear()
            over.clear()
            with Client(proxy.port) as client:
                client.send(request(path, *fields, method="POST") + part)
                assert began.wait(10)
            assert over.wait(10)
            body = seen[path.encode()]
            assert 0 < len(body) < 100000
            assert not body.endswith(b"0\r\n\r\n")
            log_has(proxy, f"POST {path} 499")


def test_an_answer_before_the_end_of_the_upload_reaches_the_client(start_proxy: StartProxy) -> None:
    def script(call: Call) -> None:
        call.head()
        call.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            client.send(request("/up", "Content-Length: 8000000", method="POST") + b"u" * 100_000)
            answer = client.answer()
            assert (answer.status, answer.body, answer.whole) == (413, b"much", True)


def test_a_thousand_requests_on_one_connection_reuse_one_upstream_connection(start_proxy: StartProxy) -> None:
    with Origin(answering(b"ok")) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            for _ in range(1000):
                client.send(request("/"))
                assert client.answer().body == b"ok"
        assert origin.calls == 1


def test_requests_in_one_packet_are_answered_in_order(start_proxy: StartProxy) -> None:
    def script(call: Call) -> None:
        while head := call.head():
            path = head.split(b" ")[1]
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            client.send(b"".join(request(f"/{number}") for number in range(2000)))
            for number in range(2000):
                assert client.answer().body == b"/%d" % number


def test_an_origin_that_closes_kept_connections_costs_no_request(start_proxy: StartProxy) -> None:
    closed: list[Call] = []

    def script(call: Call) -> None:
        call.head()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        call.sock.close()
        closed.append(call)

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            for number in range(200):
                # GETs come at any moment.  A POST that has reached a connection which is just being closed may not be repeated
                # (RFC 9110 §9.2.2): it comes when the close is there to be seen.
                is_post = number % 2 == 1
                if is_post:
                    eventually(lambda: len(closed) == origin.calls, "the connections are closed")
                client.send(request("/", method="POST" if is_post else "GET", body=b"b" if is_post else b""))
                answer = client.answer()
                assert (answer.status, answer.body) == (200, b"ok"), (number, answer)


def test_continue_comes_from_the_origin_before_the_body_is_sent(start_proxy: StartProxy) -> None:
    def script(call: Call) -> None:
        call.head()
        call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b""
        while len(body) < 5:
            body += call.some()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

    with Origin(script) as origin:
        proxy = start_proxy(site(origin))
        with Client(proxy.port) as client:
            client.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="PUT"))
            assert client.read_head().startswith(b"HTTP/1.1 100")
            client.send(b"hello")
            assert client.answer().body == b"hello"


def test_a_client_that_leaves_cancels_the_work_of_the_origin(start_proxy: StartProxy) -> None:
    left = threading.Event()
    asked = threading.Event()

    def script(call: Call) -> None:
        call.head()
        asked.set()
        with contextlib.suppress(ConnectionError):
            call.some()
        left.set()

    with Origin(script) as origin:
        proxy = start_proxy(site(origin, half_close="200ms"))
        with Client(proxy.port) as client:
            client.send(request("/"))
            assert asked.wait(10)
        assert left.wait(10)
        log_has(proxy, "GET / 499 0")


def test_many_clients_at_once_are_all_served(start_proxy: StartProxy) -> None:
    with Origin(answering(b"served")) as origin:
        proxy = start_proxy(site(origin))
        clients = [Client(proxy.port) for _ in range(300)]
        for client in clients:
            client.send(request("/"))
        for client in clients:
            assert client.answer().body == b"served"
            client.sock.close()
