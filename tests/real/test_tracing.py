"""Spans on the wire: a collector of our own takes them apart with OpenTelemetry's protocol buffers."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import eventually, free_ports
from twistedproxy.settings.logs import TracingSettings
from twistedproxy.spans.otlp import OtlpSender
from twistedproxy.spans.records import SpanRecord

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
trusted_proxies = 127.0.0.1
[status]
on = tcp:127.0.0.1:@status
[pool app]
servers =
    127.0.0.1:{dead}
    127.0.0.1:{port}
[route /]
pool = app
[tracing]
endpoint = http://127.0.0.1:{collector}
service_name = edge
headers = X-Token abc
resource = deployment.environment.name test
interval = 100ms
timeout = 1s
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(http.server.ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, as long as it is not told to hang."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def spans(self) -> list[Any]:
        """All that came."""
        return [
            span
            for _, _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.goes_on.wait(20)
        if self.headers["Content-Encoding"] == "gzip":
            data = gzip.decompress(data)
        request = ExportTraceServiceRequest()
        request.ParseFromString(data)
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, request))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, stopped at the end."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.goes_on.set()
            collector.shutdown()
            thread.join()


@pytest.mark.parametrize(("compression", "coding"), [("gzip", "gzip"), ("none", None)])
def test_the_site_says_how_spans_are_sent_and_how_long_that_may_take(compression: str, coding: str | None) -> None:
    record = SpanRecord("1" * 32, "1" * 16, "", False, "server", "GET", 0.0, 1.0, {}, (), None)
    with collecting() as collector:
        endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        sender = OtlpSender(TracingSettings(endpoint, compression=compression, timeout=0.3))
        assert sender.send([record]) == ""
        assert collector.requests[0][1].get("content-encoding") == coding
        collector.goes_on.clear()
        began = time.monotonic()
        assert sender.send([record])
        assert time.monotonic() - began < 4, "5 seconds are the default"
        sender.stop()


def test_a_collector_gets_the_spans_of_a_retried_request_and_holds_nobody_up(start_proxy: StartProxy) -> None:
    (dead,) = free_ports(1)
    with Origin(answering(b"12345")) as origin, collecting() as collector:
        proxy = start_proxy(SITE.format(dead=dead, port=origin.port, collector=collector.server_port))
        assert fetch(proxy.port, "/a?b=c", f"traceparent: 00-{TRACE}-b7ad6b7169203331-01").status == 200
        eventually(lambda: len(collector.spans()) >= 3, lambda: f"three spans; {proxy.story()}")
        path, fields, request = collector.requests[0]
        assert (path, fields["x-token"]) == ("/v1/traces", "abc")
        resource = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
        assert (resource["service.name"], resource["deployment.environment.name"]) == ("edge", "test")
        server, failed, served = collector.spans()
        assert {span.trace_id.hex() for span in (server, failed, served)} == {TRACE}
        assert server.parent_span_id.hex() == "b7ad6b7169203331"
        assert failed.parent_span_id == served.parent_span_id == server.span_id
        assert (server.kind, failed.kind, served.kind) == (2, 3, 3)
        assert (server.status.code, failed.status.code, served.status.code) == (0, 2, 0)
        assert server.start_time_unix_nano <= served.start_time_unix_nano < served.end_time_unix_nano
        told = {"exported": 3, "lost": 0, "waiting": 0}
        eventually(lambda: proxy.status_page()["spans"] == told, "the proxy knows what the collector has taken")

        collector.goes_on.clear()
        for number in range(20):
            assert fetch(proxy.port, f"/{number}").status == 200
        proxy.await_output("spans cannot be sent to")
        collector.goes_on.set()
        fetch(proxy.port, "/last")
        proxy.end()
        assert proxy.status == 0
        paths = {each.value.string_value for span in collector.spans() for each in span.attributes if each.key == "url.path"}
        assert "/last" in paths, "the stop sends what is left"
