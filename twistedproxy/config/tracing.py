"""Whether spans can be made at all, and who may read on their way."""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from twistedproxy.config.problems import Problem
from twistedproxy.config.sections import Draft

#: What the extra brings.
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def check(draft: Draft) -> Iterator[Problem]:
    """The extra must be installed."""
    for each in draft.built["tracing"]:
        try:
            for name in _NEEDED:
                importlib.import_module(name)
        except ImportError as missing:
            yield each.section.problem(
                "", f"OpenTelemetry is not installed here ({missing})", "pip install 'twistedproxy[otel]', or remove the section"
            )


def warnings(draft: Draft) -> Iterator[Problem]:
    """What is legal and probably not meant."""
    for each in draft.built["tracing"]:
        section, settings = each.section, each.value
        url = urlsplit(settings.endpoint)
        if settings.headers and url.scheme == "http" and not _is_here(url.hostname or ""):
            yield section.problem("headers", f"are sent to {url.netloc} unencrypted", "write https:// in endpoint")
        if section.gives("ca") and url.scheme == "http":
            yield section.problem("ca", "has no effect without TLS", "write https:// in endpoint, or remove the line")
        routes = draft.values("route")
        if routes and all(route.traceparent == "no" for route in routes):
            yield section.problem(
                "", "no route passes traces on: what peers tell is not joined with it", "remove traceparent = no"
            )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
